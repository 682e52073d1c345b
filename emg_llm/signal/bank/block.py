"""A block of segments small enough for the processor's cache, and what features share of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import fft

from emg_llm.signal.spectrum import TINY

BLOCK_VALUES = 2**17  # samples times channels of a block: 512 KB


class Block:
    """Segments of all channels, a row for each segment and channel; N samples in a row.

    signal: float32 (segments, N, channels). sampling_rate: Hz. threshold: float32 (channels,), the
    level from which `wamp` and `myop` count. Arrays that several features need are computed on the
    first use, in float32.
    """

    def __init__(self, signal: np.ndarray, sampling_rate: float, threshold: np.ndarray) -> None:
        segments, self.length, channels = signal.shape
        self.shape = segments, channels
        self.sampling_rate = sampling_rate
        self.threshold = np.tile(threshold, segments)  # (rows,)
        self._signal = signal

    @cached_property
    def rows(self) -> np.ndarray:
        """(rows, N)."""
        return np.ascontiguousarray(self._signal.transpose(0, 2, 1)).reshape(-1, self.length)

    @cached_property
    def mean(self) -> np.ndarray:
        return np.add.reduce(self.rows, axis=1) / self.length

    @cached_property
    def constant(self) -> np.ndarray:
        """bool (rows,): all samples are equal."""
        return (self.rows == self.rows[:, :1]).all(axis=1)

    @cached_property
    def centred(self) -> np.ndarray:
        """The rows less their means, (rows, N)."""
        return self.rows - self.mean[:, None]

    @cached_property
    def variance(self) -> np.ndarray:
        power, offset = inner(self.rows, self.rows) / self.length, np.square(self.mean)
        variance = power - offset
        far = offset > power / 4  # of two nearly equal numbers the difference is inexact
        if far.any():
            centred = self.rows[far] - self.mean[far, None]
            variance[far] = inner(centred, centred) / self.length
        return variance

    @cached_property
    def magnitude(self) -> np.ndarray:
        """|x|, (rows, N)."""
        return np.abs(self.rows)

    @cached_property
    def squares(self) -> np.ndarray:
        """x², (rows, N)."""
        return np.square(self.rows)

    @cached_property
    def magnitude_sums(self) -> np.ndarray:
        """|x| summed with the weights of MAV, MAV1, MAV2 and MAVSLP, (rows, 4)."""
        return self.magnitude @ _mav_weights(self.length)

    @cached_property
    def columns(self) -> np.ndarray:
        """The rows with time first, (N, rows): quick for what compares samples with later ones."""
        return np.ascontiguousarray(self._signal.transpose(1, 0, 2)).reshape(self.length, -1)

    @cached_property
    def steps(self) -> np.ndarray:
        """x[i + 1] - x[i], (N - 1, rows)."""
        return self.columns[1:] - self.columns[:-1]

    @cached_property
    def step_sizes(self) -> np.ndarray:
        """|x[i + 1] - x[i]|, (N - 1, rows)."""
        return np.abs(self.steps)

    @cached_property
    def path(self) -> np.ndarray:
        """Waveform length: the sum of |x[i + 1] - x[i]|, (rows,)."""
        return self.step_sizes.sum(axis=0)

    @cached_property
    def standard(self) -> np.ndarray:
        """The rows with mean 0 and standard deviation 1, time first, (N, rows); 0 if constant."""
        deviation = np.where(self.constant, np.inf, np.sqrt(self.variance))
        return (self.columns - self.mean) / np.maximum(deviation, TINY).astype(np.float32)

    @cached_property
    def parts(self) -> np.ndarray:
        """Squared real and imaginary parts of the spectrum, in turn: (segments, M, 2 channels).

        Several channels at once are transformed faster than one after the other.
        """
        spectrum = fft.rfft(self._signal, axis=1).view(np.float32)
        return np.square(spectrum, out=spectrum)

    @cached_property
    def frequency(self) -> np.ndarray:
        """Of each bin of the spectrum, 0 and half the rate included, Hz: float32 (M,)."""
        return frequencies(self.length, self.sampling_rate)

    @cached_property
    def power(self) -> np.ndarray:
        """P[j] = |X[j]|² / N² of the discrete Fourier transform X, u²: (rows, M)."""
        power = (self.parts[..., ::2] + self.parts[..., 1::2]).transpose(0, 2, 1)
        return power.reshape(-1, power.shape[2]) / np.float32(self.length) ** 2

    @cached_property
    def moments(self) -> np.ndarray:
        """The sums of P, f P, f² P and f³ P, (4, rows)."""
        sums = _moment_weights(self.length, self.sampling_rate) @ self.parts
        return (sums[..., ::2] + sums[..., 1::2]).transpose(1, 0, 2).reshape(4, -1)

    def band(self, low: float, high: float) -> np.ndarray:
        """The sum of P in low <= f < high (Hz), (rows,)."""
        inside = (self.frequency >= low) & (self.frequency < high)
        return self.power[:, np.argmax(inside) :][:, : inside.sum()].sum(axis=1)

    @cached_property
    def prediction(self) -> np.ndarray:
        """The coefficients of the autoregressive model of order 4, (4, rows)."""
        return burg(self.columns, 4)


@dataclass(frozen=True)
class Feature:
    """One number of a segment of a channel.

    title: in words. unit: for a signal in u; "1" for a pure number. formula: of the N samples x, or
    the M bins P of the spectrum. source: who defined it. compute: a Block in, float (rows,) out.
    """

    name: str
    title: str
    unit: str
    formula: str
    source: str
    compute: Callable[[Block], np.ndarray]


def inner(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sums of products of each row, (rows,)."""
    return np.einsum("ij,ij->i", a, b)


def over(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 where b is."""
    return np.divide(
        a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape), a.dtype), where=b > 0
    )


def logarithm(a: np.ndarray) -> np.ndarray:
    """The natural logarithm, and 0 where there is none."""
    return np.log(a, out=np.zeros_like(a), where=a > 0)


def count(mask: np.ndarray) -> np.ndarray:
    """How often a bool (times, rows) is true in each row: float32 (rows,)."""
    total = np.zeros(mask.shape[1], np.float32)
    for i in range(0, len(mask), 255):  # bytes are added fastest, and hold no more
        total += np.add.reduce(mask[i : i + 255].view(np.uint8), axis=0, dtype=np.uint8)
    return total


def burg(columns: np.ndarray, order: int) -> np.ndarray:
    """a of x[i] = a[1] x[i-1] + … + a[order] x[i-order] + w[i], by Burg's method: (order, rows).

    columns: (N, rows). All sums come from the products of samples up to `order` apart, as in Vos, A
    Fast Implementation of Burg's Method, 2013. 0 where next to nothing is left to predict.
    """
    x, most = columns.astype(np.float64), min(order, len(columns) - 1)
    products = _lag_products(x, most)
    error = np.zeros((order + 1, x.shape[1]))  # the filter that leaves the prediction's error
    error[0] = 1
    for m in range(1, most + 1):
        c = products[: m + 1, : m + 1].copy()
        for i in range(m, most):  # from the first samples that this order can predict
            before = x[i - m : i + 1][::-1]
            c += before[:, None] * before
        forward, backward = error[: m + 1].copy(), error[: m + 1][::-1].copy()
        ahead, behind = (np.einsum("jkr,kr->jr", c, f) for f in (forward, backward))
        energy = (forward * ahead + backward * behind).sum(axis=0)
        energy[energy <= 1e-12 * products[0, 0]] = 0
        error[: m + 1] -= over(2 * (backward * ahead).sum(axis=0), energy) * backward
    return -error[1:]


def _lag_products(x, order):
    """Sums over i >= order of x[i - j] x[i - k], j and k up to order: (j, k, rows)."""
    n, sums = len(x), np.empty((order + 1, order + 1, x.shape[1]))
    for k in range(order + 1):
        sums[0, k] = sums[k, 0] = np.einsum("ij,ij->j", x[order:], x[order - k : n - k])
    for j in range(order):
        for k in range(j, order):
            first, last = x[order - 1 - j] * x[order - 1 - k], x[n - 1 - j] * x[n - 1 - k]
            sums[j + 1, k + 1] = sums[k + 1, j + 1] = sums[j, k] + first - last
    return sums


@lru_cache(maxsize=8)
def frequencies(length: int, sampling_rate: float) -> np.ndarray:
    """Of the bins of the spectrum of N samples, Hz: float32 (M,)."""
    return np.fft.rfftfreq(length, 1 / sampling_rate).astype(np.float32)


@lru_cache(maxsize=8)
def _moment_weights(length, sampling_rate):
    f = frequencies(length, sampling_rate).astype(np.float64)
    weights = np.stack([np.ones_like(f), f, f**2, f**3])
    return (weights / length**2).astype(np.float32)


@lru_cache(maxsize=8)
def _mav_weights(length):
    place = np.arange(1, length + 1) / length
    middle = (place >= 0.25) & (place <= 0.75)
    ramp = np.where(middle, 1, 4 * np.minimum(place, 1 - place))
    half = length // 2
    slope = np.zeros(length)
    slope[:half], slope[half : 2 * half] = -length / half, length / half
    weights = np.stack([np.ones(length), np.where(middle, 1, 0.5), ramp, slope], axis=1)
    return (weights / length).astype(np.float32)
