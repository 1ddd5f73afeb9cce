"""Demucs' spectrogram and its inverse in float32, outside the network.

Inside an ONNX graph they become dense convolutions. This is `_spec` and `_ispec` of the hybrid Demucs classes without
the steps that cancel. They pad a segment of L frames by 3/2 hop on the left and up to 3/2 hop beyond a whole number of
hops on the right, let `torch.stft` pad by half a window more, and drop the two columns that touch the second padding on
each side. This leaves ceil(L / hop) windows of n_fft = 4 hop frames, scaled by 1 / sqrt(n_fft), without the Nyquist
bin; window k begins at frame (k - 3/2) hop.
"""

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..spec import Audio
from .manifest import Stft

__all__ = ["Spectrum"]

Floats = NDArray[np.float32]


class Spectrum:
    """The spectrogram of segments of one length, with real and imaginary parts as channels.

    >>> spectrum = Spectrum(Stft(n_fft=64, hop=16), frames=100)
    >>> spectrum.shape
    (32, 7)
    >>> sound = np.sin(np.arange(200, dtype=np.float32)).reshape(2, 100)
    >>> columns = spectrum.forward(sound)
    >>> columns.shape
    (4, 32, 7)
    >>> bool(np.abs(spectrum.inverse(columns) - sound)[:, 32:-32].max() < 0.01)  # no Nyquist, and the ends lack windows
    True
    """

    def __init__(self, stft: Stft, frames: int) -> None:
        self._stft, self._frames = stft, frames
        self._columns = math.ceil(frames / stft.hop)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(stft.n_fft) / stft.n_fft)
        self._window = (hann / math.sqrt(stft.n_fft)).astype(np.float32)
        self._synthesis = self._synthesis_gain(hann)

    @property
    def shape(self) -> tuple[int, int]:
        """(frequencies, columns) of the spectrogram."""
        return self._stft.n_fft // 2, self._columns

    def forward(self, segment: Audio) -> Floats:
        """(channels, frames) -> (2 * channels, frequencies, columns)."""
        hop, columns = self._stft.hop, self._columns
        hops = self._padded(segment).reshape(len(segment), columns + 3, hop)
        windows = np.concatenate([hops[:, part : part + columns] for part in range(4)], axis=-1)
        bins = scipy.fft.rfft(windows * self._window, axis=-1)[..., :-1]
        parts = np.stack([bins.real, bins.imag], axis=1)  # (channels, 2, columns, frequencies)
        return np.ascontiguousarray(parts.swapaxes(-1, -2)).reshape(-1, *self.shape)

    def inverse(self, columns: Floats) -> Audio:
        """(2 * channels, frequencies, columns) -> (channels, frames)."""
        bins = np.zeros((len(columns) // 2, self._columns, self._stft.n_fft // 2 + 1), np.complex64)
        bins.real[..., :-1] = columns[0::2].swapaxes(-1, -2)
        bins.imag[..., :-1] = columns[1::2].swapaxes(-1, -2)
        windows = scipy.fft.irfft(bins, self._stft.n_fft, axis=-1) * self._window
        hops = windows.reshape(len(bins), self._columns, 4, self._stft.hop)
        sound = np.zeros((len(bins), self._columns + 3, self._stft.hop), np.float32)
        for part in range(4):
            sound[:, part : part + self._columns] += hops[:, :, part]
        start = self._lead
        return sound.reshape(len(bins), -1)[:, start : start + self._frames] * self._synthesis

    @property
    def _lead(self) -> int:
        """Frames by which the first window precedes the segment; the inverse of `hybrid_old` ignores them."""
        return self._stft.hop // 2 * 3 if self._stft.padding == "reflect" else 0

    def _padded(self, segment: Audio) -> Audio:
        """`segment` padded as by demucs' `pad1d` to (columns + 3) * hop frames."""
        left = self._stft.hop // 2 * 3
        right = (self._columns + 3) * self._stft.hop - left - self._frames
        if self._stft.padding == "constant":
            return np.pad(segment, ((0, 0), (left, right)))
        extra = max(0, max(left, right) - self._frames + 1)  # too short to reflect: zeros first
        extra_right = min(right, extra)
        extra_left = extra - extra_right
        longer = np.pad(segment, ((0, 0), (extra_left, extra_right)))
        return np.pad(longer, ((0, 0), (left - extra_left, right - extra_right)), mode="reflect")

    def _synthesis_gain(self, hann: NDArray[np.float64]) -> Floats:
        """n_fft divided by the overlap-added squared windows, with two empty windows before and after."""
        hop = self._stft.hop
        squares = np.square(hann).reshape(4, hop)
        total = np.zeros((self._columns + 7, hop))
        for part in range(4):
            total[part : part + self._columns + 4] += squares[part]
        start = 2 * hop + self._lead
        return (self._stft.n_fft / total.reshape(-1)[start : start + self._frames]).astype(np.float32)
