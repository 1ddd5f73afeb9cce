"""`stream-restore degrade`."""

from typing import Annotated

from . import degradation_options as chain
from . import options
from .progress import progress as meter

__all__ = ["command"]


def command(
    input: options.Input,
    output: Annotated[str | None, options.output("degraded")] = None,
    cutoff: chain.Cutoff = "7000",
    order: chain.Order = 6,
    phase: chain.Phase = "zero",
    rate: chain.Rate = "16000",
    bits: chain.Bits = "8",
    snr: chain.Snr = "20",
    power: chain.Power = None,
    seed: chain.Seed = 0,
    range: options.Range = None,
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
    """Degrade a recording: low-pass, down-sampling, quantisation, noise, up-sampling. `none` leaves a step out."""
    from .. import api
    from ..ranges import Range

    degradation = chain.degradation(cutoff=cutoff, order=order, phase=phase, rate=rate, bits=bits, snr=snr, seed=seed)
    target = options.default_output(input, output, "degraded")
    stored = api.Output(container, options.encoding(float32, int24, int16), clip_mode, seed, force)
    with meter(progress, quiet) as shown:
        report = api.degrade(
            input,
            target,
            degradation=degradation,
            power=chain.mean_square(power),
            range=Range.parse(range) if range is not None else None,
            raw=options.parsed_raw(raw),
            on_damage=on_damage,
            track=track,
            stored=stored,
            resume=resume,
            progress=shown,
        )
    options.report_to_stderr(report, target, quiet, as_json=progress == "json")
