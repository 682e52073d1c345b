"""Sites of electrodes: what channels are called, and channels in the order that a model reads.

A channel belongs to a site of the face if its name says so, as a position ("above_eye") or as a
muscle ("Corrugator L", "EMG_zyg"). The muscle under each site follows the atlas of Fridlund &
Cacioppo (Psychophysiology 1986, 23(5):567). Names that fit more than one site belong to none:
"orbicularis oculi" surrounds the eye, and "OO" may be that or "orbicularis oris".
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from emg_llm.signal.recording import MONTAGE, Recording, RecordingError

FACE = "face"  # the name of MONTAGE where a montage is asked for
FEWEST = 0.5  # share of a model's sites that a recording must have

# Names of each site beside its own. Sides, articles, units and numbers don't matter, see `parse`.
SYNONYMS = {
    "above the eye": "over the eye, brow, eyebrow, corrugator, corrugator supercilii, corr, cor, "
    "cs",
    "below the eye": "under the eye, lower eyelid, lower lid, orbicularis oculi inferior, "
    "inferior orbicularis oculi, orbicularis oculi lower, lower orbicularis oculi",
    "beside the eye": "outer corner of the eye, lateral canthus, crows feet, "
    "orbicularis oculi lateral, lateral orbicularis oculi",
    "forehead": "frontalis, occipitofrontalis, frontalis medialis, frontalis lateralis, fro, "
    "frontalis medial, medial frontalis, frontalis lateral, lateral frontalis",
    "beside the mouth": "corner of the mouth, mouth corner, lip corner, risorius, ris",
    "above the mouth beside the nose": "beside the nose, beside the nose above the mouth, lls, "
    "levator labii, levator labii superioris, levator labii superioris alaeque nasi, llsan",
    "cheek": "zygomaticus, zygomaticus major, zygomatic, zygomatic major, zygo, zyg, zm, zmaj",
    "jaw": "lower jaw, angle of the jaw, jaw angle, mandible, masseter, mas",
}
IGNORED = {"power", "log", "rms", "mean", "raw", "ch", "chan", "channel", "electrode", "sensor",
           "site", "muscle", "musculus", "m", "the", "of", "u", "uv", "mv", "v"}  # fmt: skip
# With numbers and single letters, these words name a channel without telling where it was.
COUNTED = IGNORED | {"channels", "kanal", "canal", "voie", "lead", "input", "in", "analog", "ai",
                     "adc", "exg", "col", "column", "var", "signal", "data", "filt", "filtered",
                     "clean", "cleaned"}  # fmt: skip
SIDE_WORDS = dict.fromkeys(("left", "l", "lt"), "left")
SIDE_WORDS |= dict.fromkeys(("right", "r", "rt"), "right")
SIDES = "", "left", "right"  # in order of preference
PREPOSITIONS = "above|below|beside|under|behind|near"  # of which a site's name may begin with one
UNNAMED = re.compile(r"(?i)channel \d+")
MOST_LISTED = 16  # channels in a message


class SitesError(RecordingError):
    """A recording that doesn't name, or doesn't have, the sites that a model reads."""


@dataclass(frozen=True)
class Name:
    """What a channel's name says. place: one of MONTAGE, or else its words; side: one of SIDES."""

    place: str
    side: str = ""

    @property
    def is_site(self) -> bool:
        """Whether it names a site of the face."""
        return self.place in SYNONYMS


@lru_cache(4096)
def parse(name: str) -> Name:
    """The site and side in a channel's name: "EMG 3 (Corrugator L)" is "above the eye", "left"."""
    parts = _parts(name)
    side, kept = "", []
    for part in map(str.lower, parts):
        if part in SIDE_WORDS:
            side = SIDE_WORDS[part]
        elif part not in IGNORED and not part.isdigit():
            kept.append(part)
    words = " ".join(kept)
    if words in _SITES:
        return Name(_SITES[words], side)
    if words.upper() in parts:  # "RZM", "ZML"
        for rest, letter in ((words[1:], words[0]), (words[:-1], words[-1])):
            if rest in _SITES and letter in SIDE_WORDS:
                return Name(_SITES[rest], SIDE_WORDS[letter])
    return Name(" ".join(re.findall(r"[^\W\d_]+|\d+", name.lower())))


def _parts(name):
    """The words and numbers of a name, without "EMG"."""
    rest = re.sub(r"(?i)(?<![a-z])s?emg", " ", name)
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", rest)


def _sites():
    for site, others in SYNONYMS.items():
        for name in (site, *others.split(", ")):
            yield " ".join(w for w in name.split() if w not in IGNORED), site


_SITES = dict(_sites())


def is_named(names: Sequence[str]) -> bool:
    """Whether channels have names of their own, not "channel 1", "channel 2", …"""
    return not all(UNNAMED.fullmatch(name) for name in names)


def is_counted(name: str) -> bool:
    """Whether a name only counts, as "channel 3", "EMG 3" and "Ch A" do, or tells just a side."""
    parts = map(str.lower, _parts(name))
    # Words of other alphabets are no parts, and may tell much.
    return name.isascii() and all(
        len(part) == 1 or part.isdigit() or part in COUNTED or part in SIDE_WORDS for part in parts
    )


def places(
    names: Sequence[str], sites: Sequence[str], dead: Sequence[bool] | None = None
) -> list[int | None]:
    """The index in `names`, of channels, of each of a model's `sites`; None for a missing one.

    A side counts only where both have one. Of several channels for a site, the one with the same
    name is taken; then one that isn't `dead`; then one on the same side, without a side, on the
    left (which Fridlund & Cacioppo recommend). The channels' order makes no difference.
    """
    channels, free, found = [parse(name) for name in names], set(range(len(names))), []
    for site in sites:
        wanted = parse(site)

        def rank(i, site=site, wanted=wanted):
            side = channels[i].side
            is_dead = dead is not None and bool(dead[i])
            order = side != wanted.side, SIDES.index(side), names[i]
            return names[i] != site, is_dead, *order

        fits = [
            i
            for i in free
            if channels[i].place == wanted.place
            and (not channels[i].side or not wanted.side or channels[i].side == wanted.side)
        ]
        found.append(min(fits, key=rank, default=None))
        free.discard(found[-1])
    return found


def arrange(recording: Recording, sites: Sequence[str]) -> Recording:
    """The recording with a model's `sites` as its channels, in their order, under their names.

    A site without a channel is silent: zeros. Other channels are left out. Raises SitesError if
    the channels aren't named, or if fewer than half of the sites are there. Unnamed sites of a
    model, "channel 1", …, need just as many unnamed channels.
    """
    sites = tuple(sites)
    if recording.channel_names == sites:
        return recording
    return recording.once(("sites", sites), lambda: _arrange(recording, sites))


def _arrange(recording, sites):
    names, x = recording.channel_names, recording.signal
    if is_named(names) != is_named(sites) or (not is_named(sites) and len(names) != len(sites)):
        raise SitesError(_unknown(recording, sites))
    dead = (x == x[np.argmax(recording.valid)])[recording.valid].all(axis=0)
    channels = places(names, sites, dead)
    there = [site for site, i in zip(sites, channels, strict=True) if i is not None]
    if len(there) < FEWEST * len(sites):
        raise SitesError(
            f"This recording, with the channels {listed(names[:MOST_LISTED])}, has "
            f"{f'only {listed(there)}' if there else 'none'} of the sites that the models read; "
            f"record at least half of {listed(sites)}, or give the montage, the site of each "
            "channel."
        )
    signal, gaps = np.zeros((len(x), len(sites)), np.float32), recording.gaps
    for k, i in enumerate(channels):
        if i is not None:
            signal[:, k] = x[:, i]
    if gaps is not None:
        lacks = np.zeros((len(x), 1), bool)
        gaps = np.hstack([lacks if i is None else gaps[:, [i]] for i in channels])
    return recording.replace(signal=signal, gaps=gaps, channel_names=sites)


def missing_and_unused(
    names: Sequence[str], sites: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(the `sites` of a model without a channel, the channels in `names` without such a site)."""
    channels = places(names, sites)
    missing = tuple(s for s, i in zip(sites, channels, strict=True) if i is None)
    return missing, tuple(n for i, n in enumerate(names) if i not in channels)


def site_warnings(names: Sequence[str], sites: Sequence[str]) -> Iterator[str]:
    """A sentence on the `sites` without a channel, and one on the channels that no model reads."""
    missing, unused = missing_and_unused(names, sites)
    if missing:
        yield (
            f"No channel is at {listed(missing)}; the models take what is likely there, given "
            "the others, and are less sure."
        )
    if unused:
        yield f"No model reads {listed(unused)}."


def common_sites(channel_names: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The sites of several recordings, in the order in which they first occur.

    A site of the face has its name in MONTAGE, with the side where both sides occur. Names stay as
    they are where a recording has two channels for one site and side, and where channels aren't
    named (then those of the first recording).
    """
    every = list(dict.fromkeys(map(tuple, channel_names)))
    if not all(map(is_named, every)):
        return every[0]
    parsed = [list(map(parse, names)) for names in every]
    if any(len(set(names)) < len(names) for names in parsed):
        return tuple(dict.fromkeys(name for names in every for name in names))
    sites = {}
    for names, known in zip(every, parsed, strict=True):
        for name, meant in zip(names, known, strict=True):
            sites.setdefault(meant, name)
    sides = Counter(meant.place for meant in sites)

    def called(meant, name):
        if not meant.is_site:
            return name
        return meant.place if sides[meant.place] == 1 else f"{meant.place} {meant.side}".strip()

    return tuple(called(*pair) for pair in sites.items())


def montage_sites(montage: str | Sequence[str], n_channels: int) -> tuple[str, ...]:
    """The site of each channel from "face" (MONTAGE, in that order) or from a list of sites.

    A list may be one string, separated by commas or semicolons. Raises SitesError unless it names
    each channel once.
    """
    parts = [montage] if isinstance(montage, str) else list(montage)
    sites: tuple[str, ...] = MONTAGE
    if [part.strip().lower() for part in parts] != [FACE]:
        split = parts if len(parts) > 1 else re.split("[,;]", parts[0] if parts else "")
        sites = tuple(part.strip() for part in split)
    if len(sites) != n_channels:
        raise SitesError(
            f"The montage has {count(len(sites), 'site')} and the recording "
            f"{count(n_channels, 'channel')}; name the site of each channel, in the channels' "
            f"order, or '{FACE}' for {listed(MONTAGE)}."
        )
    if len(set(sites)) < len(sites) or not all(sites):
        raise SitesError(
            f"The montage {', '.join(sites)} must have a different name for each channel."
        )
    return sites


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else str(last)


def count(n: int, word: str) -> str:
    """`3 channels`, `1 channel`."""
    return f"{n} {word}{'s' * (n != 1)}"


@lru_cache(1000)  # conversations name the same few sites hundreds of times
def at_site(site: str) -> str:
    """A site within a sentence: `above the eye`, `at the jaw`, `at Ch 3`."""
    if re.match(rf"({PREPOSITIONS})\b", site):
        return site
    return f"at the {site}" if re.fullmatch("[a-z ]+", site) else f"at {site}"


def _unknown(recording, sites):
    n = count(recording.n_channels, "channel")
    if is_named(sites):
        order = f"'{FACE}'" if tuple(sites) == MONTAGE else "their names"
        return (
            f"This recording doesn't say where its {n} were recorded; name the channels in the "
            f"file, or give the montage (in the app, Sites): {order} if they are, in this order, "
            f"{listed(sites)}, or else the site of each channel."
        )
    return (
        f"This recording has {n}{' with names' if is_named(recording.channel_names) else ''} and "
        f"this model reads {count(len(sites), 'channel')} without names; give it recordings of the "
        "same electrodes, or train it again on recordings whose channels have names."
    )
