"""Recording -> QualityReport: how far the signal can be trusted, channel by channel."""

from dataclasses import dataclass

import numpy as np

from emg_llm.signal.preprocessing import TINY, clean, detect_mains
from emg_llm.signal.recording import Recording, RecordingError

WINDOW_S = 0.1
GOOD_SNR_DB, USABLE_SNR_DB = 10.0, 3.0
STRONG_MAINS_DB = 20.0
MUCH_CLIPPED = 0.01
STUCK_S, MUCH_STUCK = 0.5, 0.05  # a value that stays so long is no signal; share of samples
WILD, FEW_WILD = 30.0, 1e-3  # times as far as nearly all samples; at most this share of them
LARGEST_UV = 1e4  # RMS; on the skin, EMG stays below
MANY = 200_000  # samples, of which some suffice to see that none is wild
MOSTLY_REPEATED = 0.45  # share of samples that equal the one before in every channel


@dataclass(frozen=True)
class ChannelQuality:
    """One channel. snr_db and mains_db in dB; clipped and stuck are shares of samples (0..1), wild
    is the number of single samples far outside all others."""

    name: str
    snr_db: float
    mains_db: float
    clipped: float
    flat: bool
    verdict: str  # good | usable | poor
    stuck: float = 0.0
    wild: int = 0


@dataclass(frozen=True)
class QualityReport:
    """All channels, the share of invalid samples, the verdict, and messages for the user."""

    channels: tuple[ChannelQuality, ...]
    invalid: float
    verdict: str
    messages: tuple[str, ...]

    @property
    def snr_db(self) -> float:
        """The median over the channels with a signal, dB; -inf if there is none."""
        return float(np.median([c.snr_db for c in self.channels if not c.flat] or [-np.inf]))


def snr_db(recording: Recording, window: float = WINDOW_S) -> np.ndarray:
    """Signal-to-noise ratio of each channel in dB: float (channels,).

    The noise floor is the tenth percentile of the power in 0.1 s windows of the cleaned signal,
    the quiet moments of the trial; the signal is the mean power above that floor. The ratio is
    therefore low for a trial without a quiet moment. Invalid samples are ignored, because their
    zeros are not quiet moments.
    """
    recording = clean(recording)
    x = recording.valid_signal
    length = max(2, min(int(window * recording.sampling_rate), len(x) // 4))
    n = len(x) // length
    # (samples, channels) -> (windows, length, channels)
    windows = x[: n * length].reshape(n, length, -1)
    power = np.einsum("wlc,wlc->wc", windows, windows, dtype=np.float64) / length
    mean = power.mean(axis=0)
    floor = np.maximum(np.percentile(power, 10, axis=0), 1e-12 * mean + TINY)
    above = np.maximum(mean - floor, 1e-2 * floor)
    return 10 * np.log10(above / floor)


def assess_quality(recording: Recording) -> QualityReport:
    """SNR, mains hum, clipping, flat channels and invalid samples of a recording."""
    return recording.once("quality", lambda: _assess(recording))


def _assess(recording):
    try:
        ratio = snr_db(recording)
    except RecordingError as error:
        return QualityReport((), float(1 - recording.valid.mean()), "poor", (str(error),))
    x = recording.valid_signal
    _, mains = detect_mains(recording)
    flat = np.ptp(x, axis=0) == 0
    clipped = np.where(flat, 0.0, clipped_share(x))
    stuck = np.where(flat, 0.0, stuck_share(x, recording.sampling_rate))
    wild = np.where(flat, 0, wild_samples(x))
    channels = tuple(
        ChannelQuality(
            name,
            round(float(ratio[i]), 1) if not flat[i] else float("-inf"),
            round(float(mains[i]), 1),
            round(float(clipped[i]), 4),
            bool(flat[i]),
            _verdict(ratio[i], mains[i], clipped[i], flat[i] or stuck[i] > MUCH_STUCK or wild[i]),
            round(float(stuck[i]), 4),
            int(wild[i]),
        )
        for i, name in enumerate(recording.channel_names)
    )
    invalid = float(1 - recording.valid.mean())
    poor = [c.name for c in channels if c.verdict == "poor"]
    if len(poor) * 2 > len(channels) or invalid > 0.5:
        verdict = "poor"
    elif poor or invalid > 0.1 or any(c.verdict == "usable" for c in channels):
        verdict = "usable"
    else:
        verdict = "good"
    messages = *_messages(channels, invalid), *_together(recording, x)
    return QualityReport(channels, invalid, verdict, messages)


def clipped_share(x: np.ndarray) -> np.ndarray:
    """Share of samples at a channel's extremes, counted only where they repeat in a row."""
    shares = np.zeros(x.shape[1])
    for i, column in enumerate(x.T):
        at_rail = (column == column.max()) | (column == column.min())
        shares[i] = (at_rail[1:] & at_rail[:-1] & (column[1:] == column[:-1])).mean()
    return shares


def stuck_share(x: np.ndarray, rate: float) -> np.ndarray:
    """Share of samples (channels,) in stretches of one value, at no rail, of at least STUCK_S."""
    out, least = np.zeros(x.shape[1]), max(2, round(STUCK_S * rate))
    for i, column in enumerate(x.T):
        edges = np.flatnonzero(np.diff(column)) + 1
        lengths = np.diff(np.concatenate([[0], edges, [len(column)]]))
        at = np.concatenate([[0], edges])
        inside = (column[at] != column.max()) & (column[at] != column.min())
        out[i] = lengths[(lengths >= least) & inside].sum() / len(column)
    return out


def wild_samples(x: np.ndarray) -> np.ndarray:
    """How many single samples (channels,) lie far outside nearly all others."""
    counts = np.zeros(x.shape[1], int)
    for i, column in enumerate(x.T):
        away = np.abs(column - np.median(column))
        if away.max() <= WILD * max(np.percentile(away[:: 1 + len(x) // MANY], 99.5), TINY):
            continue  # some of the samples say enough where none is wild
        counts[i] = (away > WILD * max(np.percentile(away, 99.5), TINY)).sum()
    return np.where(counts <= max(1, FEW_WILD * len(x)), counts, 0)


def _together(recording, x):
    """What all channels say together."""
    names, unit = recording.channel_names, recording.unit
    seen: dict[bytes, str] = {}
    for i, name in enumerate(names):
        column = np.ascontiguousarray(x[:, i])
        first = seen.setdefault(column.tobytes(), name)
        if first != name and np.ptp(column):
            yield f"{first} and {name} hold the same signal; check where they were connected."
    again = np.ones(len(x) - 1, bool)
    for column in x.T:
        again &= column[1:] == column[:-1]
    repeated = float(again.mean())
    if repeated > MOSTLY_REPEATED:
        times = round(1 / (1 - repeated)) if repeated < 1 else 0
        yield (
            f"Each value comes about {times} times: it was read faster than the device measured, "
            "so its own rate is lower."
        )
    if unit == "uV":
        rms = [float(np.std(column, dtype=np.float64)) for column in x.T]
        if large := [n for n, r in zip(names, rms, strict=True) if r > LARGEST_UV]:
            yield (
                f"Tens of millivolts on: {', '.join(large)}. EMG on the skin stays below; check "
                "the unit and the amplifier's gain."
            )


def _verdict(ratio, mains, clipped, flat):
    if flat or clipped > 10 * MUCH_CLIPPED or ratio < 0:
        return "poor"
    if ratio < GOOD_SNR_DB or clipped > MUCH_CLIPPED or mains > STRONG_MAINS_DB:
        return "usable"
    return "good"


def _messages(channels, invalid):
    def names(test):
        return ", ".join(c.name for c in channels if test(c))

    if invalid:
        yield f"{invalid:.1%} of the samples are invalid and are ignored."
    if flat := names(lambda c: c.flat):
        yield f"No signal on: {flat}. Check the electrode and its lead."
    if stuck := names(lambda c: c.stuck > MUCH_STUCK):
        yield f"The value stays the same for long on: {stuck}. An electrode may have come off."
    if wild := names(lambda c: c.wild):
        yield f"Single samples far outside all others on: {wild}. They distort what is measured."
    if clipped := names(lambda c: c.clipped > MUCH_CLIPPED):
        yield f"The amplifier clips on: {clipped}. Lower the gain."
    if hum := names(lambda c: c.mains_db > STRONG_MAINS_DB):
        yield f"Strong mains hum on: {hum}. It is filtered out; check the ground electrode."
    if quiet := names(lambda c: not c.flat and c.snr_db < USABLE_SNR_DB):
        yield f"Little activity above the noise floor on: {quiet}."
    if weak := names(lambda c: USABLE_SNR_DB <= c.snr_db < GOOD_SNR_DB):
        yield f"SNR below {GOOD_SNR_DB:g} dB on: {weak}."
