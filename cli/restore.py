"""`stream-restore restore`."""

from pathlib import Path
from typing import Annotated

import typer

from . import network_options as network
from . import options, paths
from .progress import progress as meter

__all__ = ["command"]


def command(
    input: options.Input,
    output: Annotated[str | None, options.output("restored")] = None,
    name: network.Name = "compact",
    repo: network.Repo = None,
    backend: network.Backend = "auto",
    device: network.Device = "cpu",
    provider: network.Provider = None,
    precision: network.Precision = "f32",
    threads: network.Threads = None,
    jobs: network.Jobs = 1,
    segment: network.Segment = None,
    overlap: network.Overlap = 0.25,
    context: network.Context = 0,
    shifts: network.Shifts = 0,
    seed: network.Seed = 0,
    normalise: network.Normalise = "constant",
    dry: network.Dry = None,
    stems: network.Stems = None,
    repair: network.Repair = None,
    strength: network.Strength = None,
    max_reduction: network.MaxReduction = None,
    noise_profile: network.NoiseProfile = None,
    latency: network.Latency = None,
    range: options.Range = None,
    headroom: network.Headroom = 0.0,
    save_stems: Annotated[
        Path | None,
        typer.Option(metavar="DIR", parser=paths.folder_on_disk,
                     help="Also write each of these stems as DIR/STEM.SUFFIX."),
    ] = None,
    residual: Annotated[
        str | None,
        typer.Option(metavar="FILE", parser=paths.file_or_stream,
                     help="Also write what was taken away, input - result; '-' is stdout."),
    ] = None,
    float32: options.Float32 = False,
    int24: options.Int24 = False,
    int16: options.Int16 = False,
    clip_mode: options.ClipMode = "clamp",
    raw: options.Raw = None,
    on_damage: options.OnDamage = "conceal",
    track: options.Track = None,
    container: options.FormatName = None,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:  # fmt: skip
    """Restore a recording: clipping, scratches, clicks, hum, noise by a network, and treble, in bounded memory."""
    from .. import api
    from ..models import Model, load
    from ..ranges import Range

    target = options.default_output(input, output, "restored")
    stored = api.Output(container, options.encoding(float32, int24, int16), clip_mode, seed, force)
    restoration = network.restoration(
        overlap=overlap, segment=segment, context=context, shifts=shifts, seed=seed, jobs=jobs, dry=dry, stems=stems,
        repair=repair, strength=strength, max_reduction=max_reduction, headroom=headroom,
        noise_profile=noise_profile, latency=latency,
    )  # fmt: skip
    model: str | Model = name
    if restoration.uses_network:
        model = load(
            name, repo=repo, backend=backend, device=device, provider=provider, precision=precision, threads=threads
        )
    with meter(progress, quiet) as shown:
        report = api.restore(
            input,
            target,
            model=model,
            restoration=restoration,
            normalise=normalise == "track",
            range=Range.parse(range) if range is not None else None,
            residual=residual,
            save_stems=save_stems,
            raw=options.parsed_raw(raw),
            on_damage=on_damage,
            track=track,
            stored=stored,
            resume=resume,
            progress=shown,
        )
    options.report_to_stderr(report, target, quiet, as_json=progress == "json", cure=network.CLIPPED)
