"""The bridge from signal to language model: a recording becomes a Reading, a few tokens of text.

`tokens` passes on the codes of the encoder's embedding, `text` the level of each site in
words and numbers, `both` does both.
"""

import re
from dataclasses import asdict, dataclass

import numpy as np

from emg_llm.features import LevelScale, channel_power
from emg_llm.preprocessing import clean
from emg_llm.quality import snr_db
from emg_llm.recording import Recording, RecordingError

BRIDGES = ("text", "tokens", "both")

# How much a reading is varied for training: dB (or tenths of an interquartile range).
OVERALL_NOISE, SITE_NOISE = 2.0, 1.5


class BridgeError(ValueError):
    """A bridge that can't be built from what was given; the text says what to do."""


@dataclass(frozen=True)
class Reading:
    """What is told to a language model about one recording.

    levels: one whole number for each of `sites` (see LevelScale), in `unit`; empty for the
    tokens bridge. codes: codebook indices, coarse to fine; empty for the text bridge.
    snr: dB, or None where there is no signal to measure it from.
    """

    sites: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    unit: str = ""
    codes: tuple[int, ...] = ()
    snr: int | None = None

    @property
    def tokens(self):
        """The codes as the tokens that a language model reads."""
        return tuple(code_token(depth, code) for depth, code in enumerate(self.codes))

    def prompt(self):
        """The user's first turn, as the original project wrote it: `EMG features: …`."""
        codes = "".join(self.tokens)
        return "EMG features: " + (", ".join(filter(None, [codes, self.measured])) or "none")

    @property
    def measured(self):
        """The levels, the SNR and which sites are strongest and weakest; empty without levels."""
        if not self.levels:
            return ""
        parts = [f"{site} {level:+d}" for site, level in zip(self.sites, self.levels, strict=True)]
        parts += [] if self.snr is None else [f"SNR {self.snr:+d}"]
        return ", ".join(parts) + (f". {self.extremes}" if self.extremes else "")

    @property
    def extremes(self):
        """The strongest and the weakest sites in words; empty for fewer than three."""
        if len(self.levels) < 3:
            return ""
        first, second, *_, last = (f"{site} {level:+d}" for site, level in self.ranking)
        return f"Strongest: {first}, {second}. Weakest: {last}."

    @property
    def ranking(self):
        """(site, level) from the strongest to the weakest; the montage's order where equal."""
        pairs = zip(self.sites, self.levels, strict=True)
        return sorted(pairs, key=lambda pair: -pair[1])


def code_token(depth, code):
    return f"<emg_{depth}_{code}>"


def site_name(column):
    """A short name for a site: `power_above_eye` and `above the eye` -> `above eye`."""
    name = re.sub(r"^(power|rms|log_power)_", "", column).replace("_", " ")
    return re.sub(r"\bthe ", "", name)


@dataclass(eq=False)
class Bridge:
    """Turns recordings, or rows of a feature table, into Readings.

    kind: one of BRIDGES. scale: of the training people's levels (text, both).
    encoder, codebook: what made the codes (tokens, both).
    """

    kind: str
    scale: LevelScale | None = None
    encoder: object = None
    codebook: object = None

    def __post_init__(self):
        if self.kind not in BRIDGES:
            raise BridgeError(f"No bridge {self.kind!r}; choose one of {', '.join(BRIDGES)}.")
        if self.kind != "text" and (self.encoder is None or self.codebook is None):
            raise BridgeError(
                f"The bridge '{self.kind}' needs the encoder and the codebook: give --encoder and "
                "--codebook, or use the bridge 'text'."
            )

    @classmethod
    def fit(cls, kind, dataset, rows, encoder=None, codebook=None):
        """A bridge whose scale comes from the recordings `rows`, the training people's."""
        if kind == "tokens":
            return cls(kind, None, encoder, codebook)
        if dataset.table is not None:
            scale = LevelScale.fit(dataset.table[rows], dataset.columns)
        else:
            powers = np.stack([channel_power(dataset.recordings[i]) for i in rows])
            scale = LevelScale.fit(powers, dataset.recordings[rows[0]].channel_names)
        return cls(kind, scale, encoder, codebook)

    def read(self, recording, rng=None):
        """A Reading of one Recording; with `rng`, a variant of it for training."""
        recording = clean(recording)
        levels = {} if self.scale is None else self._levels(channel_power(recording), rng)
        if self.scale is not None:
            levels["snr"] = int(np.clip(round(float(np.median(snr_db(recording)))), -40, 40))
        return Reading(**levels, codes=() if self.kind == "text" else self._codes(recording, rng))

    def read_row(self, values, rng=None):
        """A Reading of one row of a feature table; it has no signal, so no codes and no SNR."""
        if self.kind != "text":
            raise BridgeError(
                "A feature table has no signal to make codes from; use --bridge text."
            )
        return Reading(**self._levels(values, rng))

    def read_dataset(self, dataset, rows, rng=None):
        """A list of Readings, one for each of `rows`."""
        return [self.read_item(dataset.item(i), rng) for i in rows]

    def read_item(self, item, rng=None):
        """A Reading of whatever a dataset holds."""
        return (self.read if isinstance(item, Recording) else self.read_row)(item, rng)

    def _levels(self, values, rng):
        if len(values) != len(self.scale.names):
            raise RecordingError(
                f"This model reads {len(self.scale.names)} channels and this recording has "
                f"{len(values)}; plots, quality and features work with any number."
            )
        noise = None
        if rng is not None:
            noise = OVERALL_NOISE * rng.standard_normal()
            noise = noise + SITE_NOISE * rng.standard_normal(len(values))
        return {
            "sites": tuple(site_name(c) for c in self.scale.names),
            "levels": tuple(int(v) for v in self.scale.levels(np.asarray(values)[None], noise)[0]),
            "unit": "dB" if all(self.scale.is_power) else "",
        }

    def _codes(self, recording, rng):
        tensor = self.encoder.config.tensor(recording)
        if rng is not None:  # most of each segment, and electrodes of another gain
            length = tensor.shape[1]
            size = int(length * rng.uniform(0.7, 1))
            start = rng.integers(length - size + 1)
            tensor = tensor[:, start : start + size].copy()
            channels = self.encoder.config.n_channels
            tensor[..., :channels] *= 10 ** (0.05 * rng.standard_normal(channels))
        codes = self.codebook.encode(self.encoder.encode(tensor)[None])[0]
        return tuple(int(c) for c in codes)

    def to_dict(self):
        """What must be kept to read in the same way again, without encoder and codebook."""
        return {"kind": self.kind, "scale": None if self.scale is None else asdict(self.scale)}

    @classmethod
    def from_dict(cls, config, encoder=None, codebook=None):
        scale = config["scale"] and LevelScale(**{k: tuple(v) for k, v in config["scale"].items()})
        return cls(config["kind"], scale, encoder, codebook)
