"""All features of the bank by name, and their values for given segments."""

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from emg_llm.signal.bank.amplitude import AMPLITUDE
from emg_llm.signal.bank.block import BLOCK_VALUES, Block, Feature
from emg_llm.signal.bank.complexity import COMPLEXITY
from emg_llm.signal.bank.frequency import FREQUENCY
from emg_llm.signal.bank.models import AUTOREGRESSIVE, CEPSTRAL
from emg_llm.signal.preprocessing import Segments

DEFAULT = ("mean", "variance", "rms", "mean_frequency")
FAMILIES = {
    "amplitude": AMPLITUDE,
    "frequency": FREQUENCY,
    "complexity": COMPLEXITY,
    "autoregressive": AUTOREGRESSIVE,
    "cepstral": CEPSTRAL,
}
BANK = {feature.name: feature for family in FAMILIES.values() for feature in family}
GROUPS = {
    "all": tuple(BANK),
    "default": DEFAULT,
    "hudgins": ("mav", "zc", "ssc", "wl"),  # Hudgins et al. 1993
    **{name: tuple(feature.name for feature in family) for name, family in FAMILIES.items()},
}
OTHER_NAMES = {"var": "variance", "mnf": "mean_frequency", "iav": "iemg", "ls": "lscale"}
# What stands for the papers that `Feature.source` names.
SOURCES = {
    "Arjunan 2010": "Arjunan and Kumar, J. NeuroEng. Rehabil. 2010, 7:53",
    "Bandt 2002": "Bandt and Pompe, Phys. Rev. Lett. 2002, 88(17):174102",
    "Chen 2007": "Chen et al., IEEE Trans. Neural Syst. Rehabil. Eng. 2007, 15(2):266",
    "Graupe 1975": "Graupe and Cline, IEEE Trans. Syst. Man Cybern. 1975, SMC-5(2):252",
    "Higuchi 1988": "Higuchi, Physica D 1988, 31(2):277",
    "Hjorth 1970": "Hjorth, Electroencephalogr. Clin. Neurophysiol. 1970, 29(3):306",
    "Hosking 1990": "Hosking, J. R. Stat. Soc. B 1990, 52(1):105",
    "Hudgins 1993": "Hudgins et al., IEEE Trans. Biomed. Eng. 1993, 40(1):82",
    "Inouye 1991": "Inouye et al., Electroencephalogr. Clin. Neurophysiol. 1991, 79(3):204",
    "Kang 1995": "Kang et al., IEEE Trans. Biomed. Eng. 1995, 42(8):777",
    "Katz 1988": "Katz, Comput. Biol. Med. 1988, 18(3):145",
    "Peng 1994": "Peng et al., Phys. Rev. E 1994, 49(2):1685",
    "Phinyomark 2012": "Phinyomark et al., Expert Syst. Appl. 2012, 39(8):7420",
    "Phinyomark 2018": "Phinyomark et al., Sensors 2018, 18(5):1615",
    "Richman 2000": "Richman and Moorman, Am. J. Physiol. 2000, 278(6):H2039",
}


def choose(features: str | Sequence[str] | None = None) -> tuple[Feature, ...]:
    """Features by name, or by the name of one of GROUPS; each once, DEFAULT for None.

    Upper and lower case are the same. Raises ValueError for a name that is neither.
    """
    if features is None:
        features = DEFAULT
    asked = [features] if isinstance(features, str) else features
    names = [name for each in asked for name in _names(each)]
    if not names:
        raise ValueError("No features were asked for; name one, such as rms, or all.")
    return tuple(BANK[name] for name in dict.fromkeys(names))


def _names(asked):
    name = str(asked).lower()
    name = OTHER_NAMES.get(name, name)
    if name in GROUPS:
        return GROUPS[name]
    if name in BANK:
        return (name,)
    known = (*BANK, *OTHER_NAMES, *GROUPS)
    near = get_close_matches(name, known, n=3, cutoff=0.5) or ("rms", "zc", "all")
    raise ValueError(
        f"There is no feature or group of features {str(asked)!r}; the nearest are "
        f"{', '.join(near)}, and docs/features.md lists all."
    )


def bank_features(
    segments: Segments,
    features: str | Sequence[str] | None = None,
    threshold: float | np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Features by name, each float32 (n, channels); see `choose` for what may be asked for.

    threshold: from which level on `wamp` and `myop` count, in the signal's unit, a number or
    (channels,); by default `rest_level`. Where a formula has no value, as the ratio of two zeros in
    a silent segment, a feature is 0.
    """
    chosen = choose(features)
    x = np.asarray(segments.signal, np.float32)
    n, length, channels = x.shape
    if threshold is None and {"wamp", "myop"} & {feature.name for feature in chosen}:
        threshold = rest_level(segments)
    level = np.broadcast_to(np.float32(0 if threshold is None else threshold), channels)
    out = np.empty((len(chosen), n, channels), np.float32)
    step = max(1, BLOCK_VALUES // (length * channels))
    for start in range(0, n, step):
        block = Block(x[start : start + step], segments.sampling_rate, level)
        for values, feature in zip(out, chosen, strict=True):
            values[start : start + step] = feature.compute(block).reshape(block.shape)
    return {feature.name: values for feature, values in zip(chosen, out, strict=True)}


def rest_level(segments: Segments) -> np.ndarray:
    """The RMS of each channel at rest, in the signal's unit: float32 (channels,).

    Rest is the tenth percentile of the segments. `wamp` and `myop` of surface EMG are best with a
    threshold of 0.1 to 1 times that RMS, and `zc` and `ssc` without any (Waris and Kamavuako,
    Biomed. Signal Process. Control 2018, 45:267).
    """
    return np.percentile(bank_features(segments, "rms")["rms"], 10, axis=0).astype(np.float32)
