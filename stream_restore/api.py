"""Whole recordings: restore and degrade files and pipes. What the command line does, as functions."""

from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from .audio import RawFormat, open_source, spool
from .audio.outputs.atomic_file import make_folder
from .degradation.degradation import Degradation, power_of
from .engine.exact_sum import MeanSquare
from .engine.loop import Progress, Ticker
from .errors import ConfigError
from .models import Model, load
from .passes.job import Job, Output, Report, Target
from .restoration import LevelMeter, Restoration

__all__ = ["Output", "Report", "Target", "degrade", "restore"]


def restore(
    input: Target,
    output: Target,
    *,
    model: str | Model = "compact",
    restoration: Restoration | None = None,
    normalise: bool = False,
    residual: Target | None = None,
    save_stems: Path | None = None,
    raw: RawFormat | None = None,
    stored: Output | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Restore a recording of any length.

    Args:
        input: read to its end.
        output: gets the input's sample rate, channels, length, sample format and tags.
        model: a name for `stream_restore.models.load`, or a loaded model; not loaded unless `noise` is repaired.
        restoration: which repairs, and how the model is applied.
        normalise: by the whole recording's mean and deviation, as the demucs command does: a first pass, for
            which a pipe is spooled to a temporary file.
        residual: gets input - restored.
        save_stems: a folder for one file a stem, called by its name.
        raw: what headerless input is.
        stored: how outputs are stored.
        resume: go on with a run that was stopped, see `stream_restore.passes.job`.
        progress: told how far it is.

    Raises:
        RestoreError: as `stream_restore.errors` says; no output then has its final name.
    """
    restoration, stored = restoration or Restoration(), stored or Output()
    network = _network(model) if restoration.uses_network else None
    normalise = normalise and network is not None
    with ExitStack() as stack:
        source = stack.enter_context(open_source(input, raw=raw))
        stems = _stems(restoration, network) if save_stems else ()
        if normalise:
            source = stack.enter_context(spool(source))
        ticker = Ticker(progress, source.estimate, passes=2 if normalise else 1)
        targets: list[Target] = [output, *([residual] if residual is not None else [])]
        targets += [save_stems / f"{stem}{_suffix(output)}" for stem in stems] if save_stems else []
        work = {"restoration": asdict(replace(restoration, jobs=1)), "residual": residual is not None}
        work |= {"normalise": normalise, **(network.facts() if network else {})}
        job = Job(input, targets, stored, work, resume)
        if normalise:
            meter = LevelMeter()
            job.first_pass(source, restoration.before_network(source.spec), meter, ticker)
            restoration = replace(restoration, level=meter.level())
        stage = restoration.stage(source.spec, network, residual=residual is not None, save_stems=stems)
        if save_stems:
            make_folder(save_stems)
        return job.run(source, stage, ticker)


def _network(model: str | Model) -> Model:
    return load(model) if isinstance(model, str) else model


def _stems(restoration: Restoration, network: Model | None) -> tuple[str, ...]:
    if network is None:
        raise ConfigError("stems come from the network: save_stems needs the repair noise")
    return restoration.stems or network.manifest.stems


def degrade(
    input: Target,
    output: Target,
    *,
    degradation: Degradation | None = None,
    power: float | None = None,
    raw: RawFormat | None = None,
    stored: Output | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Degrade a recording of any length by the chain of the evaluation.

    Noise at an SNR needs the power of what it is added to. Unless `power`, a mean square, is given, a first pass
    measures it, exactly; a pipe is spooled to a temporary file for that.

    Raises:
        RestoreError: as `stream_restore.errors` says; no output then has its final name.
    """
    degradation, stored = degradation or Degradation(), stored or Output()
    with ExitStack() as stack:
        source = stack.enter_context(open_source(input, raw=raw))
        two_passes = degradation.snr_db is not None and power is None
        if two_passes:
            source = stack.enter_context(spool(source))
        ticker = Ticker(progress, source.estimate, passes=2 if two_passes else 1)
        job = Job(input, [output], stored, {"degradation": asdict(degradation), "power": power}, resume)
        if two_passes:
            heard = MeanSquare()
            job.first_pass(source, degradation.before_noise(source.spec), heard, ticker)
            power = power_of(heard)
        return job.run(source, degradation.stage(source.spec, power), ticker)


def _suffix(output: Target) -> str:
    suffix = Path(output).suffix if isinstance(output, str | Path) else ""
    return suffix or ".wav"
