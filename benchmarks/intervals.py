"""How often the intervals cover the truth, and "above chance" is a false alarm, in simulated data.

    python benchmarks/intervals.py
    python benchmarks/intervals.py --people 8 12 --datasets 5000

Coverage: people with true accuracies from a beta distribution of a given mean and spread, 10 to 60
recordings each; the share of the 95 % intervals that hold the truth, for one model and for the
difference of two. False alarms: twelve labels, answers that know nothing of them, and how often
`above_chance` is below 0.05; power: answers that know a little.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import stats
from trl import TrlParser

from emg_llm.evaluation.statistics import chance_p, difference, share_limits
from emg_llm.scripts import run

SPREADS = {  # between-person standard deviation by mean accuracy
    0.3: (0.0, 0.05, 0.1, 0.2),
    0.6: (0.0, 0.05, 0.1, 0.2),
    0.9: (0.0, 0.03, 0.06, 0.1),
    0.97: (0.0, 0.02, 0.03, 0.04),
}
NOTHING = ("independent", "clusters", "favourites", "half in clusters", "knows the person")
SOMETHING = ("one label", "one label in 70 %", "one in ten")


@dataclass
class StatisticsArguments:
    """How much to simulate."""

    people: list[int] = field(
        default_factory=lambda: [3, 5, 8, 12, 20], metadata={"help": "Numbers of people."}
    )
    datasets: int = field(default=2000, metadata={"help": "Simulated data sets for each figure."})
    seed: int = field(default=0, metadata={"help": "Seed."})


def main(args):
    rng = np.random.default_rng(args.seed)
    heads = [f"{k} people" for k in args.people]
    print("## Coverage of 95 % intervals\n")
    rows = []
    for mean, spreads in SPREADS.items():
        for spread in spreads:
            covered = [coverage(mean, spread, k, args.datasets, rng) for k in args.people]
            rows.append((f"{mean} ± {spread}", *covered))
    covered = [coverage_of_differences(k, args.datasets, rng) for k in args.people]
    print(table("accuracy", heads, [*rows, ("difference of two models", *covered)]))
    for title, kinds in (("False alarms", NOTHING), ("Power", SOMETHING)):
        print(f"\n## {title} of above chance, twelve labels\n")
        rows = [
            (kind, *(alarms(kind, k, args.datasets, rng) for k in args.people)) for kind in kinds
        ]
        print(table("answers", heads, rows))


def table(name, heads, rows):
    """A Markdown table of shares."""
    lines = [f"| {' | '.join((name, *heads))} |", "|---" * (len(heads) + 1) + "|"]
    lines += [f"| {row[0]} | {' | '.join(f'{x:.3f}' for x in row[1:])} |" for row in rows]
    return "\n".join(lines)


def coverage(mean, spread, people, n, rng):
    """Share of `n` intervals that hold the mean of people's true accuracies."""
    counts = rng.integers(10, 61, (n, people))
    true = np.full(counts.shape, mean)
    if spread:
        size = mean * (1 - mean) / spread**2 - 1
        true = stats.beta.rvs(mean * size, (1 - mean) * size, size=counts.shape, random_state=rng)
    low, high = share_limits(rng.binomial(counts, true).astype(float), counts)
    return float(np.mean((low <= mean) & (mean <= high)))


def coverage_of_differences(people, n, rng, mean=0.7, spread=0.1, each=0.05):
    """Share of `n` intervals of the difference of two equally good models that hold 0.

    Models share the `spread` of the people, and each has a spread of its own.
    """
    held = 0
    for _ in range(n):
        groups = np.repeat(np.arange(people), rng.integers(10, 61, people))
        shared = rng.normal(mean, spread, people)
        true = np.clip(shared + rng.normal(0, each, (2, people)), 0, 1)[:, groups]
        low, high = difference(*(rng.random(true.shape) < true), groups)["gain_ci95"]
        held += low <= 0 <= high
    return held / n


def alarms(kind, people, n, rng, labels=12, each=10):
    """Share of `n` data sets in which answers of a `kind` are above chance at 5 %."""
    counts = confusions(kind, people, n, rng, labels, each)
    return float(np.mean(chance_p(counts, by_person=True) < 0.05))


def confusions(kind, people, n, rng, labels=12, each=10):
    """Counts (n, people, true, predicted) of a `kind` of answers, `each` recordings a label."""
    shape = n, people, labels * each
    true = np.broadcast_to(np.repeat(np.arange(labels), each), shape)
    luck = rng.integers(labels, size=shape)
    alike = rng.integers(labels, size=(n, people, labels))  # one answer for an emotion of a person
    if kind == "favourites":
        likely = rng.dirichlet(np.full(labels, 0.5), n).cumsum(-1)[:, None, None]
        alike = (rng.random((*alike.shape, 1)) > likely).sum(-1).clip(0, labels - 1)
    if kind == "knows the person":
        often = rng.dirichlet(np.ones(labels), (n, people)).cumsum(-1)[:, :, None]
        true = (rng.random((*shape, 1)) > often).sum(-1).clip(0, labels - 1)
        favourite = np.diff(often[:, :, 0], prepend=0.0).argmax(-1)[..., None]
    answers = {
        "independent": lambda: luck,
        "clusters": lambda: np.take_along_axis(alike, true, -1),
        "favourites": lambda: np.take_along_axis(alike, true, -1),
        "half in clusters": lambda: mixed(np.take_along_axis(alike, true, -1), 0.5),
        "knows the person": lambda: mixed(favourite, 0.5),
        "one label": lambda: np.where(true == 0, 0, rng.integers(1, labels, shape)),
        "one label in 70 %": lambda: np.where(
            (true == 0) & (rng.random(shape) < 0.7), 0, rng.integers(1, labels, shape)
        ),
        "one in ten": lambda: mixed(true, 0.1),
    }

    def mixed(answer, share):
        return np.where(rng.random(shape) < share, answer, luck)

    place = np.arange(n * people).reshape(n, people, 1) * labels + true
    flat = np.bincount((place * labels + answers[kind]()).ravel(), minlength=n * people * labels**2)
    return flat.reshape(n, people, labels, labels).astype(float)


if __name__ == "__main__":
    run(main, TrlParser(StatisticsArguments))
