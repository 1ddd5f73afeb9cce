"""NumPy, SciPy and fast_bss_eval on whole recordings in memory: `python -m benchmarks.whole_arrays WHAT FILE FILE`."""

import sys

import fast_bss_eval
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt

Samples = NDArray[np.float64]


def figures(reference: str, estimate: str) -> None:
    """SDR, SI-SDR and BSS-eval SDR."""
    r, e = read(reference)[0], read(estimate)[0]
    scaled = np.vdot(r, e) / np.vdot(r, r) * r
    for signal, rest in ((r, r - e), (scaled, e - scaled)):
        print(10 * np.log10(np.square(signal).sum() / np.square(rest).sum()))
    print(fast_bss_eval.sdr(r, e))


def degrade(source: str, target: str) -> None:
    """The chain of the evaluation with its defaults: the same filters, noise of another generator."""
    sound, rate = read(source)
    low = resample_poly(sosfiltfilt(butter(6, 7000, fs=rate, output="sos"), sound, axis=1), 16000, rate, axis=1)
    rng = np.random.default_rng(0)
    dither = rng.random(low.shape) - rng.random(low.shape)
    low = np.clip(np.rint(low * 127 + dither), -127, 127) / 127
    low += np.sqrt(np.square(low).mean() / 100) * rng.standard_normal(low.shape)
    out = resample_poly(low, rate, 16000, axis=1)[:, : sound.shape[1]]
    soundfile.write(target, out.clip(-1, 1).T, rate, subtype="PCM_16")


def read(path: str) -> tuple[Samples, int]:
    sound, rate = soundfile.read(path, always_2d=True)
    return np.ascontiguousarray(sound.T), rate


if __name__ == "__main__":
    {"figures": figures, "degrade": degrade}[sys.argv[1]](*sys.argv[2:])
