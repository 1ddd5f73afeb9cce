"""Whole recordings: restore, degrade and compare files, pipes, arrays. What the command line does, as functions."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from .arrays import Blocks, Samples, Sound, byte_stream, degraded, is_sound, restored
from .audio import OnDamage, RawFormat, Source, open_source, spool
from .audio.outputs.atomic_file import make_folder
from .degradation.degradation import Degradation, power_of
from .engine.loop import Progress, Ticker
from .engine.stage import Chain, Stage
from .errors import ConfigError
from .models import Model, load
from .passes.job import Job, Output, Report, Target
from .passes.peak import PeakMeter
from .ranges import Range, restrict
from .restoration import LevelMeter, Restoration
from .spec import Audio

if TYPE_CHECKING:
    from .measure.comparison import Findings
    from .passes.journal import Journal

__all__ = ["Output", "Report", "Target", "compare", "degrade", "restore"]

_FOR_ARRAYS = "sample_rate= is for arrays; a file says its own, raw= says that of headerless samples"


class _Options(TypedDict, total=False):
    """Options that `restore` and `degrade` take of files and of sound in memory alike; they say what each is."""

    range: Range | None
    progress: Progress | None


class _File(TypedDict, total=False):
    """Those that they take of files only."""

    raw: RawFormat | None
    on_damage: OnDamage
    track: int | None
    stored: Output | None
    resume: bool


class _Restore(_Options, total=False):
    model: str | Model
    restoration: Restoration | None
    normalise: bool


class _RestoreFile(_Restore, _File): ...


class _Degrade(_Options, total=False):
    degradation: Degradation | None
    power: float | None


class _DegradeFile(_Degrade, _File): ...


@overload
def restore(
    input: Target,
    output: Target,
    *,
    residual: Target | None = None,
    save_stems: Path | None = None,
    **options: Unpack[_RestoreFile],
) -> Report: ...


@overload
def restore(input: Samples, *, sample_rate: float, **options: Unpack[_Restore]) -> Audio: ...


@overload
def restore(input: Blocks, *, sample_rate: float, **options: Unpack[_Restore]) -> Iterator[Audio]: ...


def restore(
    input: Target | Sound,
    output: Target | None = None,
    *,
    sample_rate: float | None = None,
    model: str | Model = "compact",
    restoration: Restoration | None = None,
    normalise: bool = False,
    range: Range | None = None,
    residual: Target | None = None,
    save_stems: Path | None = None,
    raw: RawFormat | None = None,
    on_damage: OnDamage = "conceal",
    track: int | None = None,
    stored: Output | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Report | Audio | Iterator[Audio]:
    """Restore a recording of any length.

    An array comes back as an array of the same shape, float32, with the very samples that a float32 WAV would get; a
    generator of blocks gives a generator of blocks, in bounded memory.

    Args:
        input: read to its end: a file, or at full scale +-1 an array of shape (channels, frames) or (frames,), or a
            generator of such.
        output: of a file; gets the input's sample rate, channels, length, sample format and tags. A film's video,
            subtitles, attachments and chapters are copied if an .mkv, .mp4, .mov or .webm can hold them.
        sample_rate: of an array or generator, in Hz. What follows from `residual` to `resume` is for files.
        model: a name for `stream_restore.models.load`, or a loaded model; not loaded unless `noise` is repaired.
        restoration: which repairs, and how the model is applied.
        normalise: by the whole recording's mean and deviation, as the demucs command does: a first pass, for
            which a pipe is spooled to a temporary file.
        range: restore only this part of it, to the very samples that restoring all of it would give; a first pass is of
            the whole recording all the same.
        residual: gets input - restored.
        save_stems: a folder for one file a stem, called by its name.
        raw: format of headerless input.
        on_damage: "conceal" puts silence where sound is lost, and warns; "stop" raises there.
        track: which sound stream of several, counted from 0; None for the one that FFmpeg finds best.
        stored: how outputs are stored.
        resume: resume a stopped run, see `stream_restore.passes.job`.
        progress: called with the frames done and the total.

    Raises:
        RestoreError: if a step fails, see `stream_restore.errors`; no output then has its final name.

    >>> import numpy as np
    >>> restore(np.zeros((2, 50)), sample_rate=8000, restoration=Restoration(repairs=("hum",))).shape
    (2, 50)
    """
    restoration = restoration or Restoration()
    network = None
    if restoration.uses_network:
        network = load(model) if isinstance(model, str) else model
    restoration = restoration.with_defaults_of(network)
    normalise = normalise and network is not None
    if is_sound(input):
        files = {"output": output, "residual": residual, "save_stems": save_stems, "raw": raw, "track": track}
        _refuse_files(**files, stored=stored, resume=resume)
        return restored(input, sample_rate, restoration, network, normalise, range, progress)
    output, stored = _output(output, sample_rate), stored or Output()
    with ExitStack() as stack:
        source = stack.enter_context(open_source(input, raw=raw, on_damage=on_damage, track=track))
        stems = _stems(restoration, network) if save_stems else ()
        if normalise or isinstance(restoration.noise_profile, tuple):
            source = stack.enter_context(spool(source))
        ticker = Ticker(progress, source.estimate, passes=2 if normalise else 1)
        targets: list[Target] = [output, *([residual] if residual is not None else [])]
        targets += [save_stems / f"{stem}{_suffix(output)}" for stem in stems] if save_stems else []
        work = {"restoration": asdict(replace(restoration, jobs=1)), "residual": residual is not None}
        first, last = range.frames(source.spec.sample_rate) if range else (0, None)
        work |= {"normalise": normalise, **_chosen(track), **(network.facts() if network else {})}
        work |= {"range": [first, last], **restoration.facts()}
        job = Job(input, targets, stored, work, resume, first)
        restoration = restoration.with_profile_of(source, network)
        if normalise:
            meter = LevelMeter()
            job.first_pass(source, restoration.before_network(source.spec), meter, ticker)
            restoration = replace(restoration, level=meter.level())
        stage = restoration.stage(source.spec, network, residual=residual is not None, save_stems=stems)
        if save_stems:
            make_folder(save_stems)
        if range:
            source, stage = restrict(source, stage, range)
            ticker.expect(source.estimate)
        report = _run(job, source, stage, source.spec.channels, ticker)
        report.warnings += restoration.without_effect(network) + list(network.notes if network else ())
        return report


def _run(job: Job, source: Source, stage: Stage[Any], channels: int, ticker: Ticker) -> Report:
    """Run the job; its report says how long the output is, and the peak of its `channels`, the first of the stage's."""
    stage = Chain(stage, PeakMeter(stage.output, channels))
    report = job.run(source, stage, ticker)
    report.peak = report.found.pop("output")["peak"]
    report.frames = stage.output_frames(report.frames)
    return report


def _chosen(track: int | None) -> dict[str, int]:
    return {} if track is None else {"track": track}


def _stems(restoration: Restoration, network: Model | None) -> tuple[str, ...]:
    if network is None:
        raise ConfigError("stems come from the network: save_stems needs the repair noise")
    return restoration.stems or network.manifest.stems


@overload
def degrade(input: Target, output: Target, **options: Unpack[_DegradeFile]) -> Report: ...


@overload
def degrade(input: Samples, *, sample_rate: float, **options: Unpack[_Degrade]) -> Audio: ...


@overload
def degrade(input: Blocks, *, sample_rate: float, **options: Unpack[_Degrade]) -> Iterator[Audio]: ...


def degrade(
    input: Target | Sound,
    output: Target | None = None,
    *,
    sample_rate: float | None = None,
    degradation: Degradation | None = None,
    power: float | None = None,
    range: Range | None = None,
    raw: RawFormat | None = None,
    on_damage: OnDamage = "conceal",
    track: int | None = None,
    stored: Output | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Report | Audio | Iterator[Audio]:
    """Degrade a recording of any length by the chain of the evaluation.

    Files, arrays and generators of blocks go in and come out as with `restore`.

    Noise at an SNR needs the power of the signal it is added to. Unless `power`, a mean square, is given, a first pass
    measures it, exactly, and keeps the signal on the disk; a pipe is spooled to a temporary file for that.

    With `range`, only this part is degraded, to the very samples that degrading all of it would give. What is measured
    first is the whole recording all the same, and the low-pass, which forgets nothing, runs from the start.

    Raises:
        RestoreError: if a step fails, see `stream_restore.errors`; no output then has its final name.
    """
    degradation = degradation or Degradation()
    if is_sound(input):
        _refuse_files(output=output, raw=raw, track=track, stored=stored, resume=resume)
        return degraded(input, sample_rate, degradation, power, range, progress)
    output, stored = _output(output, sample_rate), stored or Output()
    with ExitStack() as stack:
        source = stack.enter_context(open_source(input, raw=raw, on_damage=on_damage, track=track))
        two_passes = degradation.snr_db is not None and power is None
        if two_passes:
            source = stack.enter_context(spool(source))
        ticker = Ticker(progress, source.estimate, passes=2 if two_passes else 1)
        first, last = range.frames(source.spec.sample_rate) if range else (0, None)
        work = {"degradation": asdict(degradation), "power": power, "range": [first, last], **_chosen(track)}
        job = Job(input, [output], stored, work, resume, first)
        recorded = None
        if two_passes:
            before = degradation.before_noise(source.spec)
            recording = stack.enter_context(job.recording(source, before.output.channels))
            job.first_pass(source, before, recording, ticker, recording.settle)
            power, recorded = power_of(recording.mean_square), recording.read
        stage = degradation.stage(source.spec, power, recorded)
        if range:
            source, stage = restrict(source, stage, range)
            ticker.expect(source.estimate)
        return _run(job, source, stage, source.spec.channels, ticker)


def compare(
    reference: Target | Sound,
    estimate: Target | Sound,
    *,
    sample_rate: float | None = None,
    split_hz: float = 7000.0,
    every_seconds: float = 1.0,
    align: bool = False,
    only: Collection[str] | None = None,
    raw: RawFormat | None = None,
    on_damage: OnDamage = "conceal",
    progress: Progress | None = None,
    journal: "Journal | None" = None,
) -> "Findings":
    """`stream_restore.measure.compare`, of files, arrays and generators of blocks in any pairing.

    Args:
        reference, estimate: as `restore` takes them.
        sample_rate: of those that are not files, in Hz.
        split_hz, every_seconds, align, only, raw, on_damage, progress, journal: as there.

    Raises:
        ConfigError: as there, or if an option does not apply to the given inputs.
        SpecError: if an array is not valid audio, see `stream_restore.arrays.ArraySource`.
        SourceError: as there.
    """
    from .measure import comparison

    if is_sound(reference) or is_sound(estimate):
        _refuse_files(raw=raw, journal=journal)
    elif sample_rate is not None:
        raise ConfigError(_FOR_ARRAYS)
    return comparison.compare(
        byte_stream(reference, sample_rate, "the reference") if is_sound(reference) else reference,
        byte_stream(estimate, sample_rate, "the estimate") if is_sound(estimate) else estimate,
        split_hz=split_hz,
        every_seconds=every_seconds,
        align=align,
        only=comparison.FIGURES if only is None else only,
        raw=raw,
        on_damage=on_damage,
        progress=progress,
        journal=journal,
    )


def _refuse_files(**given: object) -> None:
    """With sound in memory, refuse options for files."""
    for name, value in given.items():
        if value not in (None, False):
            raise ConfigError(f"{name}= is for files; an array, given with sample_rate=, comes back as an array")


def _output(output: Target | None, sample_rate: float | None) -> Target:
    if output is None:
        raise ConfigError("name an output: a file is restored or degraded into another")
    if sample_rate is not None:
        raise ConfigError(_FOR_ARRAYS)
    return output


def _suffix(output: Target) -> str:
    suffix = Path(output).suffix if isinstance(output, str | Path) else ""
    return suffix or ".wav"
