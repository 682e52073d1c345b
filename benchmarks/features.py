"""The features against LibEMG 2.0 on one array, and the default ones against copying it.

    python benchmarks/features.py
    python benchmarks/features.py --entropies 28080

The array, float32 (28080, 128, 8), has the size of 80 of the original's recordings, here of
simulated EMG at 2 kHz. Times are seconds of the processor, which other programs hardly change, on
one thread. LibEMG needs an older NumPy, so it gets an environment of its own. Its two entropies
take half an hour; unless `--entropies` says otherwise, 1 % of the segments stand for all.
"""

import argparse
import importlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from emg_llm.signal.bank.table import bank_features, rest_level
from emg_llm.signal.preprocessing import Segments, clean, segment
from emg_llm.signal.recording import EMOTIONS
from emg_llm.signal.simulation import simulate

RATE, LENGTH = 2000.0, 128
INSTALL = (
    "LibEMG is not installed; `python -m venv libemg && libemg/bin/pip install 'libemg==2.0.*' && "
    "PYTHONPATH=. libemg/bin/python benchmarks/features.py` compares with it."
)


@dataclass(frozen=True)
class Shared:
    """A feature of LibEMG and what it corresponds to here.

    same: from our values by name and the array to what LibEMG's should equal, NaN where nothing
    can be compared; None if nothing can. reason: why its values differ from ours, if they do.
    """

    theirs: str
    ours: tuple[str, ...]
    reason: str = ""
    same: Callable | None = field(default=lambda v, x: next(iter(v.values())))
    options: dict = field(default_factory=dict)
    slow: bool = False


def at_half_rate(x):
    """P of the last bin, which LibEMG leaves out."""
    return np.square((x[:, ::2] - x[:, 1::2]).sum(axis=1, dtype=np.float64) / LENGTH)


NO_LAST = "its spectrum ends one bin below half the rate"
AR, CC = tuple(f"ar{p}" for p in range(1, 5)), tuple(f"cc{p}" for p in range(1, 5))
SHARED = (
    Shared("MEAN", ("mean",)),
    Shared("MAV", ("mav",)),
    Shared("ZC", ("zc",)),
    Shared("SSC", ("ssc",), "it counts flat steps, too"),
    Shared("WL", ("wl",)),
    Shared("LS", ("lscale",)),
    Shared("MFL", ("wl", "mfl"), "lg wl: it sums |steps|, not squares",
           lambda v, x: np.log10(v["wl"])),
    Shared("MSR", ("msr",)),
    Shared("WAMP", ("wamp",)),
    Shared("RMS", ("rms",)),
    Shared("IAV", ("iemg",)),
    Shared("DASDV", ("dasdv",)),
    Shared("VAR", ("variance",)),
    Shared("ISD", ("ssi",)),
    Shared("MPK", ("peak",), "max x, not max |x|: compared where x has its peak above 0",
           lambda v, x: np.where(x.max(1) > -x.min(1), v["peak"], np.nan)),
    Shared("SKEW", ("skewness",)),
    Shared("KURT", ("kurtosis",)),
    Shared("MAVSLP", ("mavslp",)),
    Shared("MAVFD", ("aac",), "wl / (N − 1), not wl / N",
           lambda v, x: v["aac"] * LENGTH / (LENGTH - 1)),
    Shared("TM", ("v3", "tm3"), "v3³: it sums |x³|, not x³", lambda v, x: v["v3"] ** 3),
    Shared("LD", ("log",), "it adds 1 to |x|, in whatever unit", None),
    Shared("MOB", ("dasdv", "ssi", "hjorth_mobility"), "mean squares over N, not variances",
           lambda v, x: v["dasdv"] * np.sqrt((LENGTH - 1) / v["ssi"])),
    Shared("COMP", ("hjorth_complexity",), "it sums over the array, not the segment", None),
    Shared("MNF", ("ttp", "sm1", "mean_frequency"), NO_LAST,
           lambda v, x: (v["sm1"] - RATE / 2 * at_half_rate(x)) / (v["ttp"] - at_half_rate(x)),
           {"MNF_fs": RATE}),
    Shared("MDF", ("mdf",), NO_LAST, options={"MDF_fs": RATE}),
    Shared("MNP", ("ttp", "mnp"), NO_LAST,
           lambda v, x: (v["ttp"] - at_half_rate(x)) / (LENGTH / 2)),
    Shared("SM", ("sm2",), NO_LAST, lambda v, x: v["sm2"] - (RATE / 2) ** 2 * at_half_rate(x),
           {"SM_order": 2, "SM_fs": RATE}),
    Shared("AR", AR, "the other sign",
           lambda v, x: -np.stack([v[name] for name in AR], axis=2).reshape(len(x), -1)),
    Shared("CC", CC, "its recursion skips terms; compared is cc1",
           lambda v, x: np.stack([v["cc1"], *[v["cc1"] * np.nan] * 3], axis=2).reshape(len(x), -1)),
    Shared("SAMPEN", ("sampen",), "it compares one pattern more of 2 samples than of 3",
           options={"SAMPEN_tolerance": 0.2}, slow=True),
    Shared("FUZZYEN", ("fuzzyen",), "exp(−d²/r) of unscaled d, which depends on the unit", None,
           {"FUZZYEN_tolerance": 0.2}, slow=True),
)  # fmt: skip


def main(args):
    x = array(args.segments)
    print(f"float32 {x.shape}, {x.nbytes / 2**20:.0f} MiB")
    segments = Segments(x, np.zeros(len(x)), RATE)
    one_thread = importlib.import_module("threadpoolctl")  # scikit-learn brings it
    with one_thread.threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copy = min(cost(x.copy)[0] for _ in range(args.repeats))
        default = min(cost(lambda: bank_features(segments))[0] for _ in range(args.repeats))
        print(f"copy {copy:.4f} s, default features {default:.4f} s: {default / copy:.1f} copies\n")
        try:
            libemg = importlib.import_module("libemg.feature_extractor")
        except ImportError:
            raise SystemExit(INSTALL) from None
        compare(segments, libemg.FeatureExtractor().extract_features, args)


def compare(segments, extract, args):
    """Print LibEMG's times and agreement, and the ratios. extract: LibEMG's function."""
    x = segments.signal
    threshold = float(rest_level(segments).mean())
    n = min(args.entropies, len(x))
    ours, fast = cost(lambda: bank_features(segments, names(slow=False), threshold))
    fuzzy, slow = cost(lambda: bank_features(segments, names(slow=True)))
    values = fast | slow
    print("| LibEMG | s | here | equal, % | why not |\n|---|---|---|---|---|")
    theirs = {False: 0.0, True: 0.0}
    windows = np.ascontiguousarray(x.transpose(0, 2, 1))
    extract(["AR"], windows[:2])  # compiles
    for shared in SHARED:
        rows = slice(n if shared.slow else len(x))
        options = shared.options | (
            {"WAMP_threshold": threshold} if shared.theirs == "WAMP" else {}
        )
        seconds, out = cost(lambda: extract([shared.theirs], windows[rows], options))  # noqa: B023
        seconds *= len(x) / len(x[rows])
        theirs[shared.slow] += seconds
        told = {name: values[name][rows] for name in shared.ours}
        equal = "–"
        if shared.same:
            equal = f"{100 * agreement(out[shared.theirs], shared.same(told, x[rows])):.2f}"
        print(
            f"| {shared.theirs} | {seconds:.2f} | {shared.ours[-1]} | {equal} | {shared.reason} |"
        )
    every = f" ({n} segments, times {len(x) / n:.1f})" if n < len(x) else ""
    rows = (
        ("All but entropies", theirs[False], ours, ""),
        ("Entropies", theirs[True], fuzzy, every),
        ("Total", sum(theirs.values()), ours + fuzzy, ""),
    )
    print()
    for what, libemg, here, note in rows:
        print(f"{what}: LibEMG {libemg:.1f} s{note}, here {here:.2f} s: {libemg / here:.0f} times")


def names(slow):
    """Our features that LibEMG has too, once each."""
    return [*dict.fromkeys(name for s in SHARED if s.slow == slow for name in s.ours)]


def agreement(theirs, expected):
    """The share (0..1) of values that agree within a thousandth, of those that are no NaN."""
    theirs, expected = (np.asarray(v, np.float64).reshape(-1) for v in (theirs, expected))
    compared = np.isfinite(expected)
    spread = 1e-4 * np.abs(expected[compared]).mean()
    return float(np.isclose(theirs, expected, rtol=1e-3, atol=spread)[compared].mean())


def cost(call):
    """(seconds of the processor, result) of a call."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def array(n):
    """n segments of simulated EMG, float32 (n, LENGTH, 8)."""
    parts, have, person = [], 0, 0
    while have < n:
        for emotion in EMOTIONS:
            parts.append(segment(clean(simulate(emotion, person)), LENGTH).signal)
            have += len(parts[-1])
        person += 1
    return np.concatenate(parts)[:n]


def make_parser():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--segments", type=int, default=28080, help="Segments of the array.")
    parser.add_argument(
        "--entropies", type=int, default=280, help="Of them for LibEMG's entropies."
    )
    parser.add_argument("--repeats", type=int, default=9, help="The best of so many counts.")
    return parser


if __name__ == "__main__":
    main(make_parser().parse_args())
