"""Why a recording is unlike those that an encoder learned from, in one sentence.

`Familiar` decides; the reason comes from simple quantities, and from whether the recording would
be familiar at another scale or rate.
"""

from collections.abc import Callable, Iterator

import numpy as np

from emg_llm.encoders.familiar import Familiar
from emg_llm.signal.preprocessing import BAND
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.signal.spectrum import MAINS

COPIES = 0.98  # median correlation between channels from which on they carry one signal
ALONE = 0.9  # share of the power from which on hum or a tone is all there is
LINE_HZ = 1.5  # half the width of a spectral line
SLIPS = 1e3, 1e6, 1e9, 1e-3, 1e-6, 1e-9  # factors between units
UNITS = {1e3: "millivolts", 1e6: "volts", 1e-3: "nanovolts"}
RATES = 2.0, 0.5, 4.0, 0.25, 7.5, 1 / 7.5
HUGE = 1e12  # an amplitude whose power no filter can handle in float32
FAR = 5.0  # times outside the usual range of amplitudes
ANOTHER_RATE = 1.35  # times the usual mean frequency, from which on the rate is doubted

# Gives (QUANTITIES of a recording, its excess over the limit).
Look = Callable[[Recording], tuple[dict[str, float], float]]


def unlike(recording: Recording, look: Look, familiar: Familiar) -> str:
    """An empty string for a recording like the training people's, or the sentence of why it isn't.

    Raises RecordingError for a recording that can't be filtered.
    """
    x = recording.signal[recording.valid].astype(np.float64)
    if not len(x) or not np.ptp(x, axis=0).any():
        return (
            "All channels are flat, so there is no muscle activity to read; check the electrodes, "
            "their leads and the amplifier."
        )
    size = float(np.sqrt(np.mean(np.square(x - x.mean(axis=0)))))
    if size > HUGE:
        return _scale(recording, (familiar.usual("amplitude")[1] or 1.0) / size)
    found, excess = look(recording)
    if found["likeness"] > COPIES:
        return (
            "All channels carry the same signal; check that each electrode was recorded and "
            "exported as a channel of its own."
        )
    if excess <= 1:
        return ""
    return next(_reasons(recording, found, look, familiar))


def _reasons(
    recording: Recording, found: dict[str, float], look: Look, familiar: Familiar
) -> Iterator[str]:
    """Sentences, the likeliest reason first."""
    hum, mains, tone, frequency = lines(recording)
    of_mains = min(abs(frequency - m) for m in MAINS) <= LINE_HZ
    if hum > ALONE and (of_mains or tone <= ALONE):
        yield (
            f"Almost all of the signal is {mains:g} Hz mains hum; check the ground electrode, the "
            "leads and that the electrodes touch the skin."
        )
    if tone > ALONE:
        yield (
            f"The signal is a steady tone of {frequency:.0f} Hz, which muscles don't make; check "
            "what was recorded, and the leads."
        )
    low, typical, high = familiar.usual("amplitude")
    amplitude = found["amplitude"]
    factor = _rescaling(amplitude, low, typical, high)
    if factor and _fits(_scaled(recording, factor), look):
        yield _scale(recording, factor)
    if (
        found["activity"] < familiar.usual("activity")[1]
        and found["contrast"] < familiar.usual("contrast")[0]
        and found["likeness"] <= familiar.usual("likeness")[2]
    ):
        yield (
            "The signal looks like noise alone, steady and equally strong on all channels; check "
            "that the electrodes touch the skin and are connected to the amplifier."
        )
    usual = familiar.usual("mean frequency")[1]
    rate = _other_rate(recording, look) if _far(found["mean frequency"], usual) else None
    if rate:
        yield (
            f"The signal's frequencies are unlike EMG at {recording.sampling_rate:g} Hz but would "
            f"fit {rate:g} Hz; check the sampling rate."
        )
    if factor and (amplitude > FAR * high or amplitude < low / FAR):
        yield _scale(recording, factor)
    yield (
        f"This is unlike the facial EMG that the models learned from: {_pattern(found, familiar)}; "
        "check that the electrodes are on the face, at the sites named, and that "
        f"{recording.sampling_rate:g} Hz is the sampling rate."
    )


def _rescaling(amplitude, low, typical, high):
    """The factor that would make the amplitude usual, a slip of units if that does; or None."""
    if low <= amplitude <= high or not amplitude or not typical:
        return None
    slips = [f for f in SLIPS if low / 2 <= f * amplitude <= 2 * high]
    return slips[0] if slips else typical / amplitude


def _scale(recording, factor):
    times = factor if factor > 1 else 1 / factor
    times = float(f"{times:.0e}")
    size = "small" if factor > 1 else "large"
    shown = f"{times:,.0f}" if times < 1e9 else f"{times:.0e}"
    unit = "microvolts" if recording.unit == "uV" else "the unit of the training data"
    guess = f", as if it were in {UNITS[factor]}" if factor in UNITS else ""
    return (
        f"The signal is about {shown} times too {size} for facial EMG in {unit}{guess}; check its "
        "unit and the amplifier's gain."
    )


def _scaled(recording, factor):
    return recording.replace(signal=recording.signal * np.float64(factor))


def _other_rate(recording, look):
    """A sampling rate, Hz, at which the recording would be familiar, or None."""
    for factor in RATES:
        rate = recording.sampling_rate * factor
        if _fits(recording.replace(sampling_rate=rate), look):
            return rate
    return None


def _fits(recording, look):
    try:
        return look(recording)[1] <= 1
    except RecordingError:  # too short, or too slow to filter
        return False


def _pattern(found, familiar):
    """What stands out most of a recording that no simple fault explains."""
    if not _usual_frequency(found, familiar):
        low, _, high = familiar.usual("mean frequency")
        frequency = found["mean frequency"]
        return f"its mean frequency is {frequency:.0f} Hz where {low:.0f} to {high:.0f} are usual"
    if found["likeness"] > 1.5 * familiar.usual("likeness")[2]:
        return "its channels resemble one another more than those of a face"
    return "its power is spread differently over electrodes and frequencies"


def _far(frequency, usual):
    """Whether a mean frequency is so far from the usual one that the rate may be wrong."""
    return not 1 / ANOTHER_RATE < frequency / max(usual, 1e-9) < ANOTHER_RATE


def _usual_frequency(found, familiar):
    low, _, high = familiar.usual("mean frequency")
    return 0.9 * low <= found["mean frequency"] <= 1.1 * high


def lines(recording: Recording) -> tuple[float, float, float, float]:
    """(hum's share of the power in EMG's band, its frequency, a tone's share, its frequency).

    Of the signal as recorded, before hum is removed; frequencies in Hz.
    """
    x = recording.signal[recording.valid].astype(np.float64)
    x = (x - x.mean(axis=0)) * np.hanning(len(x))[:, None]
    x /= np.abs(x).max() or 1.0  # squares of any finite number are finite
    power = np.square(np.abs(np.fft.rfft(x, axis=0))).mean(axis=1)
    f = np.fft.rfftfreq(len(x), 1 / recording.sampling_rate)
    power[(f < BAND[0]) | (f > BAND[1])] = 0
    total = power.sum()
    if not total > 0:
        return 0.0, MAINS[0], 0.0, 0.0
    width = max(LINE_HZ, 2 * float(f[1]))  # of the window's main lobe in a short recording

    def share(near):
        return float(power[near <= width].sum() / total)

    hum, mains = max((share(np.abs(f - m * np.maximum(1, np.rint(f / m)))), m) for m in MAINS)
    tone = float(f[power.argmax()])
    return hum, mains, share(np.abs(f - tone)), tone
