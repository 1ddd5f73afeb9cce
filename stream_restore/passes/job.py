"""One resumable pass from a source through a stage into its outputs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias, TypeGuard

from ..audio import Film, Format, Position, Sink, Source, is_url, open_sink, refuse_same_file
from ..audio.outputs import refuse_busy, refuse_existing_object
from ..audio.outputs.output import claimed, part_of, refuse_existing
from ..audio.readers import refuse_loss
from ..audio.storage import failures, place_of
from ..engine.loop import run, skip
from ..engine.stage import Stage
from ..errors import ClosedPipeError, ConfigError, SinkError, SourceError
from ..spec import Audio, Spec
from .journal import Checkpoint, Facts, Journal, input_facts, versions
from .recording import Recording
from .resumable_pass import run_pass

__all__ = ["Job", "Output", "Report", "Target", "files_of_first_pass"]

Target: TypeAlias = str | Path | BinaryIO
"""The path of a file, a URL, "-" for stdin or stdout, or a binary stream."""


@dataclass(frozen=True)
class Output:
    """How an output is stored. Unset attributes follow the input.

    Attributes:
        container: "wav", "flac", "raw", ...; None: by the file suffix.
        encoding: "s16", "s24", "f32", ...
        clip_mode: "clamp", "tanh" or "none", see `stream_restore.audio.open_sink`.
        seed: of the dither.
        force: replace an existing file, or the files of a stopped run.
        checkpoint_seconds: the shortest time between two checkpoints of a run that can be resumed; None: see `journal`.
    """

    container: str | None = None
    encoding: str | None = None
    clip_mode: str = "clamp"
    seed: int = 0
    force: bool = False
    checkpoint_seconds: float | None = None

    def facts(self) -> Facts:
        """What the bytes depend on."""
        return {name: value for name, value in asdict(self).items() if name not in ("force", "checkpoint_seconds")}

    def open(
        self,
        target: Target,
        spec: Spec,
        like: Format,
        frames: int | None,
        resume: Position | None,
        continuable: bool = False,
        film: Film | None = None,
        first: int = 0,
    ) -> Sink:
        """A sink for sound of `spec`, new or resumed; if `continuable`, it can be resumed later; see `open_sink`."""
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
            continuable=continuable,
            resume=resume,
            film=film,
            first=first,
        )


@dataclass
class Report:
    """What became of a recording.

    Attributes:
        frames: read; of a range: written.
        clipped: samples in each output.
        warnings: for the user.
        found: findings of repairs, by name.
        sample_rate: in Hz.
        peak: the highest magnitude of a sample of what was restored, 1 at full scale; None if it was not measured.
    """

    frames: int = 0
    clipped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    found: dict[str, Mapping[str, float]] = field(default_factory=dict)
    sample_rate: int = 1
    peak: float | None = None

    @property
    def seconds(self) -> float:
        """Duration of the frames."""
        return self.frames / self.sample_rate


class BlockAccumulator(Protocol):
    """An accumulator for a first pass; `stream_restore.engine.state` must be able to save it."""

    def add(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""


@dataclass(frozen=True)
class Job:
    """What a pass reads and writes.

    The first output also gets what a film holds beside its sound, if it can hold that.
    Outputs get their final names only when complete: the first one last, which shows that all are complete. If input
    and outputs are files, a journal is written beside the first output; a stopped run then continues with `resume` and
    gives the same bytes. Meanwhile encoded outputs (FLAC, MP3, ...) need additional disk space: 2 bytes a sample up to
    16 bits, else 4. Outputs are locked against other runs.

    Attributes:
        input, targets: where sound comes from and goes to.
        stored: how outputs are stored.
        work: the parameters of the processing, serialisable as JSON; a run resumes only with equal ones.
        resume: resume a stopped run; if there is none, begin.
        first: where in the recording the outputs begin, for the dither.
    """

    input: Target
    targets: Sequence[Target]
    stored: Output
    work: Facts
    resume: bool
    first: int = 0

    def first_pass(
        self,
        source: Source,
        stage: Stage[Any],
        accumulator: BlockAccumulator,
        ticker: Callable[[int], None],
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        """Accumulate the output of `stage` for all of `source`, then rewind `source`.

        Resumable if the run is, until the run is complete; the journal is OUTPUT.first.journal.

        Args:
            settle: called before the accumulator is saved, to flush what it keeps to the disk.

        Raises:
            ConfigError, SinkError: as `run`, if already known.
            SourceError: if the input cannot be read to its end.
        """
        self._refuse_clashes()
        facts = self._input_facts(source)
        journal, whole = self._journal(facts, ".first"), self._journal(facts)
        with claimed(Path(str(self.targets[0]))) if journal else nullcontext():
            if not self.resume:
                self._refuse_existing()
                if journal and whole:
                    self._begin_anew(whole)
                    journal.remove()
            failed = failures(source.name)
            state = stage.initial_state()
            for (block,) in run_pass([source], [state, accumulator], journal, progress=ticker, settle=settle):
                accumulator.add(stage.advance(state, block))
            refuse_loss(source.name, failed)
            accumulator.add(stage.drain(state))
        source.rewind()

    def recording(self, source: Source, channels: int) -> Recording:
        """What a first pass keeps for the second: in OUTPUT.first.part if the run is resumable, else without a name."""
        facts = self._input_facts(source)
        journals = [each.path for each in (self._journal(facts, ".first"), self._journal(facts)) if each]
        path = _recording_of(Path(str(self.targets[0]))) if journals else None
        return Recording(channels, path, journals, self.resume)

    def run(self, source: Source, stage: Stage[Any], ticker: Callable[[int], None]) -> Report:
        """Read `source` from its first frame to its end.

        Raises:
            ConfigError: if an output is the input or another output, or the run cannot be resumed.
            SinkError: if an output exists, cannot be written or is locked by another run, or a stopped run left files.
            SourceError: if the input cannot be read to its end.
        """
        self._refuse_clashes()
        facts = self._input_facts(source)
        failed = failures(source.name)
        journal = self._journal(facts)
        checkpoint = self._checkpoint(journal)
        with ExitStack() as stack:
            sinks = self._sinks(stack, source, stage, checkpoint, continuable=journal is not None)
            report = Report(checkpoint.frames if checkpoint else 0, sample_rate=source.spec.sample_rate)
            if not (checkpoint and checkpoint.finished):
                try:
                    self._process(source, stage, sinks, journal, checkpoint, report, ticker)
                except ClosedPipeError as error:
                    raise self._if_others_wait(error) from error
            refuse_loss(source.name, failed)
            report.found = stage.findings()
            report.warnings = source.warnings + self._changes_of_input(facts)
            report.clipped = {sink.name: sink.clipped for sink in sinks if sink.clipped}
        report.warnings += dict.fromkeys(text for sink in sinks for text in sink.warnings)
        for done in (journal, self._journal(facts, ".first")):
            if done:
                done.remove()
        return report

    def _process(
        self,
        source: Source,
        stage: Stage[Any],
        sinks: Sequence[Sink],
        journal: Journal | None,
        checkpoint: Checkpoint | None,
        report: Report,
        ticker: Callable[[int], None],
    ) -> None:
        if checkpoint:
            skip(source, checkpoint.frames)
            stage.resume(checkpoint.state)
            ticker(checkpoint.frames)

        def counted(frames: int) -> None:
            report.frames += frames
            ticker(frames)
            if journal:
                journal.tick(report.frames, sinks, stage.checkpoint)

        run(source, stage, sinks, counted)
        if journal and journal.saved:
            journal.save(report.frames, sinks, None)

    def _if_others_wait(self, error: ClosedPipeError) -> SinkError:
        """A closed pipe ends the run quietly, unless there are also files to write."""
        files = [str(target) for target in self.targets if _is_path(target)]
        return SinkError(f"{error}; not written: {', '.join(files)}") if files else error

    def _refuse_clashes(self) -> None:
        paths = [Path(target).resolve() for target in self.targets if _is_path(target)]
        streams = [target for target in self.targets if not _is_path(target)]
        if len(set(paths)) < len(paths) or len(set(streams)) < len(streams):
            raise ConfigError(f"two outputs would be one file: {', '.join(map(str, self.targets))}")
        for target in self.targets:
            refuse_same_file(self.input, target)
        for path in paths:
            refuse_busy(part_of(path))

    def _refuse_existing(self) -> None:
        for target in self.targets if not self.stored.force else ():
            if is_url(target):
                refuse_existing_object(target)
            elif _is_path(target) and _is_regular(target):
                refuse_existing(Path(target))

    def _input_facts(self, source: Source) -> Facts | None:
        """What identifies the input, if it is a file or an object."""
        named = isinstance(self.input, str | Path) and str(self.input) != "-"
        return input_facts(str(self.input)) if source.rereadable and named else None

    def _changes_of_input(self, before: Facts | None) -> list[str]:
        """A warning if the input changed while it was read.

        Raises:
            SourceError: if it became shorter, so sound may be missing.
        """
        now = input_facts(str(self.input)) if before else None
        if before is None or now is None or now == before:  # a file that was deleted is read to its end
            return []
        sizes = f"from {before['bytes']} to {now['bytes']} bytes"
        change = f"{place_of(str(self.input))}: was changed while it was read, {sizes}"
        if now["bytes"] < before["bytes"]:
            raise SourceError(f"{change}; start again when it is complete")
        return [f"{change}; the result is of what was there at each moment"]

    def _journal(self, facts: Facts | None, suffix: str = "") -> Journal | None:
        """The journal of this run, or of its pass with this suffix, if input and outputs are files."""
        if facts is None or not all(_is_path(target) and _is_regular(target) for target in self.targets):
            return None
        outputs = [str(Path(str(target)).resolve()) for target in self.targets]
        about = {"input": facts, "outputs": outputs, "stored": self.stored.facts(), "work": self.work}
        about["versions"] = versions()
        return Journal(Path(f"{self.targets[0]}{suffix}"), about, self.stored.checkpoint_seconds)

    def _checkpoint(self, journal: Journal | None) -> Checkpoint | None:
        if journal is None:
            if self.resume:
                raise ConfigError(
                    "a pipe or an upload cannot be continued: --resume needs files as outputs, and no pipe as input"
                )
            return None
        if self.resume:
            return journal.load()
        self._begin_anew(journal)
        return None

    def _begin_anew(self, journal: Journal) -> None:
        if journal.path.exists() and not self.stored.force:
            raise SinkError(f"{journal.path}: a run was stopped here; --resume goes on with it, --force starts again")
        journal.remove()

    def _sinks(
        self,
        stack: ExitStack,
        source: Source,
        stage: Stage[Any],
        checkpoint: Checkpoint | None,
        continuable: bool,
    ) -> list[Sink]:
        spec = Spec(stage.output.sample_rate, stage.output.channels // len(self.targets))
        frames = None if source.frames is None else stage.output_frames(source.frames)
        sinks = []
        for index, target in enumerate(self.targets):
            position = checkpoint.outputs[index] if checkpoint else None
            if checkpoint and not checkpoint.finished and not self.stored.force:
                refuse_existing(Path(str(target)))
            if checkpoint and checkpoint.finished and _is_published(target):
                continue  # it was stopped between giving one name and the next
            film = None if index else source.film
            sink = self.stored.open(target, spec, source.format, frames, position, continuable, film, self.first)
            sinks.append(stack.enter_context(sink))
        return sinks


def files_of_first_pass(output: Path) -> list[Path]:
    """What a run of two passes may leave beside its output if it is killed when that has its name."""
    return [output.with_name(f"{output.name}.first.journal"), _recording_of(output)]


def _recording_of(output: Path) -> Path:
    return part_of(output.with_name(f"{output.name}.first"))


def _is_path(target: Target) -> TypeGuard[str | Path]:
    return isinstance(target, str | Path) and str(target) != "-" and not is_url(target)


def _is_regular(target: Target) -> bool:
    path = Path(str(target))
    return path.is_file() or not path.exists()


def _is_published(target: Target) -> bool:
    path = Path(str(target))
    return path.exists() and not part_of(path).exists()
