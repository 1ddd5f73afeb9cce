"""Whole recordings: restore, degrade and compare files and pipes. What the command line does, as functions."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

from .audio import Format, RawFormat, Sink, Source, open_sink, open_source, refuse_same_file, spool
from .combine import Mix
from .degradation import Degradation, mean_power
from .errors import ConfigError, SourceError
from .metrics import Distortion, Metrics
from .models import Model, load
from .restoration import Restoration, measure
from .run import BLOCK, run, stream
from .spec import Spec
from .stage import Stage

__all__ = ["Output", "Report", "Target", "compare", "degrade", "restore"]

Target: TypeAlias = str | Path | BinaryIO
"""The path of a file, "-" for stdin or stdout, or a binary stream."""


class Progress(Protocol):
    """Told how far a recording is."""

    def __call__(self, done: int, total: int | None) -> None:
        """`done` frames of `total`, all passes together; None where the length is unknown."""
        ...


@dataclass(frozen=True)
class Output:
    """How an output is stored. What is not said is kept from the input.

    Attributes:
        container: "wav", "flac", "raw", ...; None: by the suffix of the name.
        encoding: "s16", "s24", "f32", ...
        clip_mode: "clamp", "tanh" or "none", see `stream_restore.audio.open_sink`.
        seed: of the dither.
        force: replace a file that exists.
    """

    container: str | None = None
    encoding: str | None = None
    clip_mode: str = "clamp"
    seed: int = 0
    force: bool = False

    def open(self, target: Target, spec: Spec, like: Format, frames: int | None) -> Sink:
        """A sink for sound of `spec`."""
        return open_sink(
            target,
            spec,
            like=like,
            container=self.container,
            encoding=self.encoding,
            clip_mode=self.clip_mode,
            seed=self.seed,
            force=self.force,
            frames=frames,
        )


@dataclass
class Report:
    """What happened: frames written, samples clipped in each output, and what a person should know."""

    frames: int = 0
    clipped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


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
    progress: Progress | None = None,
) -> Report:
    """Restore a recording of any length.

    Args:
        input: read to its end.
        output: gets the input's sample rate, channels, length, sample format and tags.
        model: a name for `stream_restore.models.load`, or a loaded model.
        restoration: how it is applied.
        normalise: by the whole recording's mean and deviation, as the demucs command does: a first pass, for
            which a pipe is spooled to a temporary file.
        residual: gets input - restored.
        save_stems: a folder for one file a stem, called by its name.
        raw: what headerless input is.
        stored: how outputs are stored.
        progress: told how far it is.

    Raises:
        RestoreError: as `stream_restore.errors` says; no output then has its final name.
    """
    model = load(model) if isinstance(model, str) else model
    restoration, stored = restoration or Restoration(), stored or Output()
    with ExitStack() as stack:
        source = stack.enter_context(open_source(input, raw=raw))
        stems = (restoration.stems or model.manifest.stems) if save_stems else ()
        if normalise:
            source = stack.enter_context(spool(source))
        ticker = _Ticker(progress, source, passes=2 if normalise else 1)
        if normalise:
            blocks = stream(source, _through(source.spec), ticker)
            restoration = replace(restoration, level=measure(blocks))
            source.rewind()
        stage = restoration.stage(source.spec, model, residual=residual is not None, save_stems=stems)
        targets: list[Target] = [output, *([residual] if residual is not None else [])]
        targets += [save_stems / f"{stem}{_suffix(output)}" for stem in stems] if save_stems else []
        if save_stems:
            _make_folder(save_stems)
        return _write(stack, source, stage, input, targets, stored, ticker)


def degrade(
    input: Target,
    output: Target,
    *,
    degradation: Degradation | None = None,
    power: float | None = None,
    raw: RawFormat | None = None,
    stored: Output | None = None,
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
        ticker = _Ticker(progress, source, passes=2 if two_passes else 1)
        if two_passes:
            power = mean_power(stream(source, degradation.before_noise(source.spec), ticker))
            source.rewind()
        return _write(stack, source, degradation.stage(source.spec, power), input, [output], stored, ticker)


def compare(
    reference: Target, estimate: Target, *, raw: RawFormat | None = None, progress: Progress | None = None
) -> tuple[Spec, Metrics]:
    """SDR and SI-SDR of one recording against another, and what both are.

    Raises:
        ConfigError: rates, channels or lengths that differ; the message says how.
        SourceError: a recording that cannot be read.
    """
    with open_source(reference, raw=raw) as wanted, open_source(estimate, raw=raw) as got:
        if wanted.spec != got.spec:
            raise ConfigError(
                f"{wanted.name} has {_describe(wanted.spec)}, {got.name} has {_describe(got.spec)};"
                " convert one of them first"
            )
        distortion, ticker = Distortion(), _Ticker(progress, wanted, passes=1)
        while (block := wanted.read(BLOCK)).shape[1]:
            other = got.read(block.shape[1])
            if other.shape != block.shape:
                raise _lengths(got, distortion.frames + other.shape[1], wanted)
            distortion.update(block, other)
            ticker(block.shape[1])
        if got.read(1).shape[1]:
            raise _lengths(wanted, distortion.frames, got)
        if not distortion.frames:
            raise SourceError(f"{wanted.name}: holds no sound to compare")
        return wanted.spec, distortion.result()


class _Ticker:
    """Counts frames over one or two passes."""

    def __init__(self, progress: Progress | None, source: Source, passes: int) -> None:
        self._progress = progress
        self._total = source.estimate * passes if source.estimate else None
        self._done = 0

    def __call__(self, frames: int) -> None:
        self._done += frames
        if self._progress:
            self._progress(self._done, self._total)


def _write(
    stack: ExitStack,
    source: Source,
    stage: Stage[Any],
    input: Target,
    targets: Sequence[Target],
    stored: Output,
    ticker: Callable[[int], None],
) -> Report:
    """Run the stage into one sink for each target; all appear under their names, or none."""
    for target in targets:
        refuse_same_file(input, target)
    frames = source.frames
    sinks = [stack.enter_context(stored.open(t, source.spec, source.format, frames)) for t in targets]
    report = Report()

    def counted(block: int) -> None:
        report.frames += block
        ticker(block)

    run(source, stage, sinks, counted)
    report.clipped = {sink.name: sink.clipped for sink in sinks if sink.clipped}
    report.warnings += source.warnings
    return report  # the stack closes the sinks, the first target last: its name is the sign that all is done


def _through(spec: Spec) -> Stage[None]:
    return Mix(spec, [[float(row == column) for column in range(spec.channels)] for row in range(spec.channels)])


def _suffix(output: Target) -> str:
    suffix = Path(output).suffix if isinstance(output, str | Path) else ""
    return suffix or ".wav"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made a folder for stems: {error.strerror}") from error


def _describe(spec: Spec) -> str:
    return f"{spec.channels} channels at {spec.sample_rate} Hz"


def _lengths(ended: Source, frames: int, longer: Source) -> ConfigError:
    return ConfigError(f"{ended.name} ends after {frames} frames, {longer.name} goes on; cut both to one length")
