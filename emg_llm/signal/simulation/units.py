"""Motor units: a pool with recruitment and rate coding, and action potentials at the electrodes.

The pool is that of Fuglevand, Winter & Patla, J. Neurophysiol. 1993, 70(6):2470. A muscle is driven
so strongly that its expected power, by Campbell's theorem the sum of each unit's firing rate times
the energy of its action potential, is the one asked for. An action potential is the derivative of
a Gaussian, as a bipolar electrode sees it; tissue makes the deeper units wider.
"""

import numpy as np

UNITS = 40
RECRUITMENT_RANGE = 30.0  # threshold of the last unit over that of the first
SIZE_RANGE = 12.0  # amplitude of the last unit over that of the first
FIRST_RATE, PEAK_RATE, PEAK_RATE_RANGE = 8.0, 35.0, 10.0  # Hz
RATE_GAIN = 60.0  # Hz for the whole range of excitation
IRREGULARITY = 0.2  # coefficient of variation of the intervals between firings
STRONGEST = 46.0  # dB re 1 µV², the power of a maximal contraction
EXCITATIONS = np.concatenate([[0.0], np.geomspace(1e-3, 1.0, 120)])
DEPTHS = np.array([0.45, 0.65, 0.95, 1.4, 2.0])  # times the width of action potentials
# Of ALS: the share of units that is lost and how many sizes the others gain, at severity 1.
LOST, GROWN = 0.8, 1.5
FASCICULATIONS = 0.3  # Hz, of one muscle at severity 1


class Pool:
    """The motor units of one muscle: thresholds (units,), amplitudes (units,), depths (units,)."""

    def __init__(self, rng: np.random.Generator, severity: float = 0.0) -> None:
        place = np.arange(1, UNITS + 1) / UNITS
        self.threshold = RECRUITMENT_RANGE ** (place - 1)
        self.peak_rate = PEAK_RATE - PEAK_RATE_RANGE * place
        size = SIZE_RANGE**place * np.exp(0.2 * rng.standard_normal(UNITS))
        self.depth = rng.integers(len(DEPTHS), size=UNITS)
        lost, growth = rng.random(UNITS) < LOST * severity, rng.random(UNITS)
        size = np.where(lost, 0.0, size * (1 + GROWN * severity * growth))
        self.severity = severity
        of_healthy = SIZE_RANGE ** (2 * place) @ self._rates(np.ones(1))[:, 0]
        self.size = size * np.sqrt(10 ** (STRONGEST / 10) / of_healthy)
        power = np.square(self.size) @ self._rates(EXCITATIONS)
        self._power = np.maximum.accumulate(power) + 1e-9 * EXCITATIONS

    def _rates(self, excitation):
        """Firing rates (units, times) for excitations (times,) from 0 to 1."""
        above = excitation - self.threshold[:, None]
        rate = np.minimum(FIRST_RATE + RATE_GAIN * above, self.peak_rate[:, None])
        # Below its threshold the first unit fires now and then.
        rate[0] = np.where(above[0] < 0, FIRST_RATE * excitation / self.threshold[0], rate[0])
        rate[1:][above[1:] < 0] = 0
        return rate

    def excitation(self, power: np.ndarray) -> np.ndarray:
        """The excitations, 0 to 1, that make the expected powers, µV², in the same shape."""
        return np.interp(power, self._power, EXCITATIONS)

    def firings(
        self, excitation: np.ndarray, duration: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """(unit, time in s) of every firing under excitations (times,) over `duration`."""
        step = duration / len(excitation)
        rates = self._rates(excitation) * (self.size > 0)[:, None]
        active = np.flatnonzero(rates.any(axis=1))
        expected = np.cumsum(rates[active], axis=1) * step  # firings so far
        most = int(expected[:, -1].max(initial=0)) + 8
        intervals = 1 + IRREGULARITY * rng.standard_normal((len(active), most))
        at = np.cumsum(np.maximum(intervals, 0.3), axis=1) - rng.random((len(active), 1))
        ends = step * np.arange(1, len(excitation) + 1)
        rows = [np.interp(a[a < e[-1]], e, ends) for a, e in zip(at, expected, strict=True)]
        unit = np.repeat(active, [len(row) for row in rows])
        times = np.concatenate(rows) if rows else np.empty(0)
        if self.severity:
            n = rng.poisson(FASCICULATIONS * self.severity * duration)
            alive = np.flatnonzero(self.size)
            if len(alive) and n:
                unit = np.concatenate([unit, rng.choice(alive, n)])
                times = np.concatenate([times, duration * rng.random(n)])
        return unit, times


def potentials(frequency: np.ndarray, width: float, tilt: float, rate: float) -> np.ndarray:
    """Spectra (depths, frequencies) of action potentials with a mean energy of 1 s.

    frequency: Hz, of `rfft`; width: seconds, of the Gaussian at depth 1; tilt: how amplitude
    changes with the width, as its power; rate: Hz.
    """
    x = 2 * np.pi * frequency * width * DEPTHS[:, None]
    shape = x * np.exp(-np.square(x) / 2)
    n = 2 * (len(frequency) - 1)
    energy = 2 * np.square(shape).sum(axis=1) / n / rate
    size = DEPTHS**tilt
    size = size / np.sqrt(np.mean(np.square(size)))
    return 1j * shape * (size / np.sqrt(energy))[:, None]
