"""How well ✓ and ✗ tell true statements from false ones.

    python benchmarks/marks.py --people 12

Writes true replies about simulated recordings in many wordings, plants one error at a time (a
number, a site, a unit, a direction or a time), and counts how often the check finds it, and how
often it marks a true reply as false. No wording is one that the program itself uses.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from trl import TrlParser

from emg_llm.bridge.text import Text
from emg_llm.chat.levels import levels
from emg_llm.data.datasets import load_dataset
from emg_llm.report.check import check
from emg_llm.report.measured import measured
from emg_llm.scripts import run
from emg_llm.signal.montage import at_site

ERRORS = "number", "site", "unit", "direction", "time"
DATA = "simulated:subjects={},trials=1,seed=11"
# {a}, {b}: sites, {b} the weaker one. Numbers: {rms_a}, {snr}, …; {µV}: their unit. {more}: a
# direction, and {less} the other one; {start}, {peak}, …: times.
REPLIES = (
    "The {a} has an RMS of {rms_a} {µV}.",
    "I measured {rms_a} {µV} at the {a}.",
    "At the {a} the amplitude is about {rms_a} {µV}, which is more than {rms_b} {µV} at the {b}.",
    "{a}: {rms_a} {µV}, {b}: {rms_b} {µV}.",
    "Looking at the numbers, the {a} reaches {rms_a} {µV} while the {b} only shows {rms_b} {µV}.",
    "RMS values: {a} {rms_a} {µV}; {b} {rms_b} {µV}",
    "The muscle at the {a} works with {rms_a} {µV} RMS.",
    "The {a} is {more} than the {b}.",
    "It is {more} at the {a} than at the {b}.",
    "The {b} is {less} than the {a}.",
    "Compared with the {b}, activity is {more} at the {a}.",
    "Yes, the {a} ({rms_a} {µV}) is {more} than the {b} ({rms_b} {µV}).",
    "The {most} channel is {top}.",
    "The {most} activity is at the {top}, with {rms_top} {µV}.",
    "{top} is the {most} site here.",
    "The {least} site is {bottom} with {rms_bottom} {µV}.",
    "The {least} muscle is at the {bottom}.",
    "{most} is {top}, {least} is {bottom}.",
    "The signal-to-noise ratio is {snr} {dB}.",
    "SNR is {snr} {dB}, so the signal quality is {quality}.",
    "On the median channel the SNR reaches {snr} {dB}.",
    "The SNR of the {a} is {snr_a} {dB}.",
    "At the {a} the signal to noise ratio is {snr_a} {dB}, and at the {b} it is {snr_b} {dB}.",
    "The level at the {a} is {level_a} {dB}.",
    "The {a} lies at {level_a} {dB}, which is {above_a} a typical recording.",
    "The signal quality is {quality}.",
    "I would call the quality {quality}: the SNR is {snr} {dB}.",
    "The recording lasts {duration} {s}.",
    "This file is {duration} {s} long and has {channels} channels.",
    "It was recorded at {rate} {Hz} for {duration} {s}.",
    "The sampling rate is {rate} {Hz}.",
    "It has {channels} channels, sampled at {rate} {Hz}.",
    "There are {channels} electrodes in this recording.",
    "The muscles are active from {start} to {end} {s}.",
    "The activity starts at {start} {s} and ends at {end} {s}.",
    "The contraction begins at {start} {s}.",
    "The activity peaks at {peak} {s}.",
    "The burst lasts {lasts} {s}, with its peak at {peak} {s}.",
    "The peak comes at {peak} {s}, the activity stops at {end} {s}.",
    "The muscle at the {a} is active from {on_a} to {off_a} {s}.",
    "There is no signal at the {dead}.",
    "The {dead} is dead, all others work.",
    "The electrode at the {dead} is broken.",
    "The quality is {quality} because there is no signal on the {dead}.",
    "Strong mains hum is at the {hum}.",
    "There is mains hum on the {hum}, so check its ground.",
    "No channel is clipped, and the SNR is {snr} {dB}.",
    "Hi! The emotion is not measured, but the {a} shows {rms_a} {µV}.",
    "I can't tell that. What I know: the recording is {duration} {s} long, the SNR is {snr} {dB}.",
    "Der Kanal {a} hat {rms_a} {µV}.",
    "El canal {a} tiene {rms_a} {µV}.",
    "Le canal {a} a {rms_a} {µV}.",
)
SLOT = re.compile(r"\{([^}]+)\}")
PAIRS = {"more": ("stronger", "weaker"), "less": ("weaker", "stronger"),
         "most": ("strongest", "weakest"), "least": ("weakest", "strongest")}  # fmt: skip
OTHER_UNITS = {"µV": ("mV", "dB", "V"), "dB": ("µV", "Hz", "%"), "Hz": ("kHz", "dB", "s"),
               "s": ("ms", "Hz", "minutes")}  # fmt: skip
TIMES = "start", "end", "peak", "on_a", "off_a"
SITES = "a", "b", "top", "bottom", "dead", "hum"


@dataclass
class MarksArguments:
    """Settings of the benchmark."""

    people: int = field(default=12, metadata={"help": "Simulated people, 12 recordings of each."})
    show: int = field(default=0, metadata={"help": "Failures to print, at most."})


@dataclass(frozen=True)
class Slot:
    """What stands in a reply's slot, and what may stand there instead; error: one of ERRORS."""

    right: str
    wrong: tuple[str, ...]
    error: str


def slots(report, rng):
    """{name: Slot} of a report, for two random sites of clearly different strength."""
    rms = {s.on: s.numbers[0] for s in report.of("rms")}
    names = list(rms)
    pairs = [(a, b) for a in names for b in names if rms[a] > 1.3 * rms[b]]
    a, b = pairs[rng.integers(len(pairs))]
    found = {}
    found["a"] = _site(report, a, [n for n in names if rms[n] < 0.8 * rms[b]])
    found["b"] = _site(report, b, [n for n in names if rms[n] > 1.3 * rms[a]])
    numbers = {"snr": "snr", "channels": "channels", "rate": "sampling_rate"}
    numbers |= {"duration": "duration", "lasts": "active_for"}
    for x, site in (("a", a), ("b", b), ("top", ""), ("bottom", "")):
        site = site or report.value({"top": "strongest", "bottom": "weakest"}[x])
        numbers |= {f"rms_{x}": f"rms:{site}", f"snr_{x}": f"site_snr:{site}"}
        numbers |= {f"level_{x}": f"level:{site}"}
    for name, id in numbers.items():
        if (s := report.get(id)) and s.numbers:
            found[name] = _number(s, rng)
    for names_of, id in ((("start", "end"), "active"), (("peak",), "peak"),
                         (("on_a", "off_a"), f"onset:{a}")):  # fmt: skip
        s = report.get(id)
        for name, value in zip(names_of, s.numbers if s else (), strict=False):
            shift = rng.uniform(0.35, 1.2)
            found[name] = Slot(f"{value:.2f}", (f"{value + shift:.2f}",), "time")
    others = {s.on for s in report.of("rms")}
    strong = sorted(rms, key=rms.__getitem__)
    found["top"] = _site(report, strong[-1], strong[:3])
    found["bottom"] = _site(report, strong[0], strong[-3:])
    for kind in ("dead", "hum"):
        if on := report.value(kind):
            found[kind] = _site(report, on[0], sorted(others - {*on}))
    word = report.value("quality")
    found["quality"] = Slot(word, tuple({"good", "usable", "poor"} - {word}), "direction")
    if level := report.get(f"level:{a}"):
        words = ("above", "below") if level.numbers[0] > 0 else ("below", "above")
        if level.numbers[0]:
            found["above_a"] = Slot(words[0], words[1:], "direction")
    found |= {name: Slot(right, (wrong,), "direction") for name, (right, wrong) in PAIRS.items()}
    return found | {unit: Slot(unit, wrong, "unit") for unit, wrong in OTHER_UNITS.items()}


def _site(report, site, others):
    plain = at_site(site).removeprefix("at the ").removeprefix("at ")
    return Slot(plain, tuple(o for o in others if o != site), "site")


def _elsewhere(report, slot, names):
    """A site's slot without the sites at which the same number is measured."""
    used = {"on_a": "onset", "snr_a": "site_snr", "level_a": "level"}
    kinds = [kind for name, kind in used.items() if name in names]
    sites = {at_site(n).removeprefix("at the ").removeprefix("at "): n for n in report.sites}

    def differs(other):
        pair = [report.get(f"{kind}:{site}") for kind in kinds for site in
                (sites[slot.right], other)]  # fmt: skip
        if None in pair:
            return False
        off = [abs(x - y) for x, y in zip(pair[0].numbers, pair[-1].numbers, strict=True)]
        return max(off) > 3 * pair[0].tolerance

    return Slot(slot.right, tuple(filter(differs, slot.wrong)), slot.error)


def _number(statement, rng):
    """A number in print, rounded as people do, and one that is clearly another."""
    value = statement.numbers[0]
    if statement.kind in ("channels", "sampling_rate", "duration"):
        wrong = value * rng.choice([0.5, 2, 4]) if value > 1 else value + 3
        return Slot(f"{value:g}", (f"{wrong:g}",), "number")
    step = max(3 * statement.tolerance, 0.25 * abs(value), 1.5)
    wrong = value + rng.choice([-1, 1]) * step * rng.uniform(1, 2)
    form = "{:+.0f}" if statement.kind == "level" else "{:.1f}"
    return Slot(form.format(value), (form.format(wrong),), "number")


def replies(report, rng):
    """(wording, reply, error or "", where the error is) of every wording that fits a report."""
    for wording in REPLIES:
        found = slots(report, rng)
        names = SLOT.findall(wording)
        if not {*names} <= {*found}:
            continue
        right = {name: found[name].right for name in names}
        yield wording, wording.format(**right), ""
        if any(n in names for n in ("on_a", "snr_a", "level_a")):
            found |= {n: _elsewhere(report, found[n], names) for n in ("a", "b")}
        planted = {found[n].error: n for n in rng.permutation(names) if found[n].wrong}
        for error, name in planted.items():
            wrong = str(rng.choice(found[name].wrong))
            yield wording, wording.format(**right | {name: wrong}), error


def count(reports, seed=0):
    """{error: [found, planted]}, with "" for true replies marked as false, and the failures."""
    rng, counts, missed = np.random.default_rng(seed), {}, []
    for report in reports:
        for _, reply, error in replies(report, rng):
            false = any(fact.holds is False for fact in check(reply, report))
            row = counts.setdefault(error, Counter())
            row.update(n=1, false=false)
            if false != bool(error):
                missed.append((error, reply, report.recording))
    return counts, missed


def reports_of(people):
    """Reports of simulated recordings, each third with a dead electrode and hum on another."""
    dataset = load_dataset(DATA.format(people))
    bridge = Text.fit(dataset, range(len(dataset.recordings)))
    for k, recording in enumerate(dataset.recordings):
        if k % 3 == 1:
            x = recording.signal.copy()
            t = np.arange(len(x)) / recording.sampling_rate
            first, second = k % 8, (k + 3) % 8
            x[:, first] = 0
            x[:, second] += (100 * np.sin(2 * np.pi * 50 * t)).astype(np.float32)
            recording = recording.replace(signal=x)
        yield measured(recording).adding(levels(bridge.read(recording)))


def main(args):
    counts, missed = count(reports_of(args.people))
    print("| planted | n | found |\n|---|---|---|")
    for error in ERRORS:
        row = counts.get(error, Counter())
        print(f"| {error} | {row['n']} | {row['false'] / max(1, row['n']):.1%} |")
    n, found = (sum(counts[e][key] for e in ERRORS if e in counts) for key in ("n", "false"))
    print(f"| all | {n} | {found / n:.1%} |\n")
    true = counts[""]
    print(f"{true['false'] / true['n']:.1%} of {true['n']} true replies are marked as false.")
    for error, reply, recording in missed[: args.show]:
        print(f"{recording} [{error or 'true'}] {reply}")


if __name__ == "__main__":
    run(main, TrlParser(MarksArguments))
