"""What one fold can tell beyond its score: fewer training people, a new person's own trials."""

from dataclasses import dataclass, replace

import numpy as np

from emg_llm.controls import shuffled_labels
from emg_llm.datasets import DatasetError
from emg_llm.evaluation import accuracy_of, bootstrap_interval, control, evaluate


@dataclass(frozen=True)
class Extras:
    """What is measured besides the score.

    controls: refit on labels shuffled within the training people. channels: ask with one
    channel left at a time. learning_curve: refit on 1, 2, 4, … of the training people.
    few_shot: labelled trials of each label that the new person gives, each over `draws` draws.
    Of language models: replies, to questions, whose statements are checked; answers, greedy ones
    to bare prompts, of a fold.
    """

    controls: bool = False
    channels: bool = False
    learning_curve: bool = False
    few_shot: tuple[int, ...] = ()
    draws: int = 5
    replies: int = 0
    answers: int = 0


def check_extras(extras, dataset, splits, trained=False):
    """Raises DatasetError where something was asked for that can't be measured."""
    refits = [f"--{n}" for n in ("controls", "learning_curve") if getattr(extras, n)]
    if trained and refits:
        raise DatasetError(
            f"{' and '.join(refits)} trains a model anew, which a trained one can't be; name a "
            "kind of model, such as svm, instead of a folder."
        )
    asked = [f"--{n}" for n in ("learning_curve", "few_shot") if getattr(extras, n)]
    if asked and (None in dataset.subjects or any(s.grouping == "session" for s in splits)):
        raise DatasetError(
            f"{' and '.join(asked)} needs test people who have names and whom training has not "
            "seen; add a 'subject' column, or choose another protocol."
        )
    if extras.few_shot and min(extras.few_shot) < 1:
        raise DatasetError("--few_shot counts the trials of each label, from 1 on.")
    for split in splits if extras.few_shot else ():
        most = max(_spare(dataset, rows) for rows in _by_person(dataset, split.scored))
        if min(extras.few_shot) > most:
            raise DatasetError(
                f"--few_shot {min(extras.few_shot)} would leave nothing to score: each label needs "
                f"a trial more, and the people of {dataset.name} have {most + 1}."
            )


def refit_on_shuffled_labels(fit, inputs, split, seed):
    """{"probabilities": (scored rows, labels)} of a model whose training labels mean nothing."""
    known = np.setdiff1d(np.concatenate([split.train, split.validation]), split.scored)
    fitted = fit(shuffled_labels(inputs.dataset, known, seed), split, seed)
    return {"probabilities": fitted.ask(inputs.dataset, split.scored)}


def curve_sizes(dataset, splits):
    """Numbers of training people to refit with: 1, 2, 4, … below those of the smallest fold."""
    least = min(len(np.unique(dataset.groups[s.train])) for s in splits)
    return [2**k for k in range(least.bit_length()) if 2**k < least], least


def refit_on_fewer_people(fit, inputs, split, seed, size):
    """{"probabilities": (scored rows, labels)} of a model of `size` training people, drawn.

    A smaller draw is part of every larger one. NaN where so few people are too little to fit.
    """
    dataset = inputs.dataset
    groups = dataset.groups[split.train]
    people = np.random.default_rng((seed, int(split.hash, 16))).permutation(np.unique(groups))
    smaller = replace(split, train=split.train[np.isin(groups, people[:size])])
    try:
        return {"probabilities": fit(dataset, smaller, seed).ask(dataset, split.scored)}
    except DatasetError:
        return {"probabilities": np.full((len(split.scored), len(dataset.label_names)), np.nan)}


def ask_by_channel(fitted, inputs, rows, reference):
    """{place of a channel: probabilities of `rows`} when the others tell nothing (Inputs.only)."""
    return {
        str(c): fitted.ask(inputs.only(c, reference), rows) for c in range(len(inputs.channels))
    }


def few_shot(model, inputs, rows, trials, seed, draws):
    """What a model says that got `trials` labelled trials of each label from each person.

    model: a function that gives the Fitted. Returns {"rows": int (n,), "probabilities": float
    (n, labels)} of the person's other trials among `rows`, over all draws. What was given, or is
    an exact copy of it, is never scored; people without a trial to spare are left out.
    """
    fitted, dataset = model(), inputs.dataset
    if fitted.adapt is None:
        raise DatasetError(
            f"A model of the kind {fitted.name} can't learn from a few trials; --few_shot is for "
            "encoders, for --model svm, and for language models that read text or both."
        )
    asked, answers = [np.empty(0, int)], [np.empty((0, len(dataset.label_names)))]
    for theirs in _by_person(dataset, rows):
        if _spare(dataset, theirs) < trials:
            continue
        copies = {i: _content(dataset.item(i)) for i in theirs}
        for draw in range(draws):
            rng = np.random.default_rng((seed, draw, theirs[0]))
            # One order for every number of trials: fewer trials are part of more.
            order = rng.permutation(theirs)
            given = [order[dataset.targets[order] == t][:trials] for t in _shown(dataset, theirs)]
            given = np.concatenate(given)
            rest = np.array([i for i in theirs if copies[i] not in {copies[j] for j in given}], int)
            if not len(rest):
                continue
            asked.append(rest)
            answers.append(fitted.adapt(dataset, given, seed).ask(dataset, rest))
    return {"rows": np.concatenate(asked), "probabilities": np.concatenate(answers)}


class Measured:
    """What the folds said, gathered; `results` makes figures of it.

    calibration: (targets, probabilities) of validation people, where a trained model has them.
    """

    def __init__(self, dataset, seed):
        self.dataset, self.seed, self.calibration = dataset, seed, None
        self._found = {}
        self.told = {}  # what is no probability, by fold

    def _named(self, kind):
        return [what for what in self._found if isinstance(what, tuple) and what[0] == kind]

    def tell(self, what, value):
        """Something else that one fold told: "answers" or "reasons"."""
        self.told.setdefault(what, []).append(value)

    def add(self, what, rows, arrays):
        """Probabilities of `rows` from one fold; `what` is "emg" for the recordings as they are."""
        self._found.setdefault(what, []).append((rows, arrays["probabilities"]))

    def of(self, what):
        """(rows, probabilities of them) over all folds, by row."""
        rows, probabilities = (np.concatenate(x) for x in zip(*self._found[what], strict=True))
        order = np.argsort(rows, kind="stable")
        return rows[order], probabilities[order]

    @property
    def scored(self):
        return self.of("emg")

    def calibrate(self, rows, arrays):
        """Fit temperature and threshold on these validation people instead of the other ones."""
        self.calibration = self.dataset.targets[rows], arrays["probabilities"]

    def results(self, name, protocol):
        """The dict of results.json."""
        rows, probabilities = self.scored
        data, seed = self.dataset, self.seed
        targets, groups = data.targets[rows], data.groups[rows]
        results = {
            "model": name,
            "data": data.name,
            "protocol": protocol,
            **evaluate(data.label_names, targets, probabilities, groups, seed, self.calibration),
        }
        for what in ("noise_emg", "shuffled_labels", *self._named("control")):
            if what in self._found:
                name = what if isinstance(what, str) else what[1]
                results["controls"][name] = control(targets, self.of(what)[1], groups, seed)
        for what in self._named("beside"):
            theirs = self.of(what)[1]
            results[what[1]] = {
                **point(data, rows, theirs, seed),
                **gain(data, rows, probabilities, theirs, seed),
            }
        if "answers" in self.told:
            results["free_text"] = self._free_text()
        if "reasons" in self.told:
            from emg_llm.reasons import reasons_figures

            results["reasons"] = reasons_figures(self.told["reasons"])
        alone = [(k[2], self.of(k)) for k in self._named("channel")]
        if alone:
            results["channels"] = [
                {"channel": c, **point(data, *asked, seed)} for c, asked in alone
            ]
        counts = [k[1] for k in self._named("few_shot")]
        if counts:
            results["few_shot"] = self._few_shot(counts)
        return results

    def _free_text(self):
        from emg_llm.llms.answers import free_text

        rows, probabilities = self.scored
        asked, said = zip(*self.told["answers"], strict=True)
        same = probabilities[np.searchsorted(rows, np.concatenate(asked))]
        return free_text(self.dataset.label_names, same, np.concatenate(said))

    def _few_shot(self, counts):
        every, before = self.scored
        curve = [{"trials": 0, **point(self.dataset, every, before, self.seed)}]
        for n in sorted(counts):
            rows, after = self.of(("few_shot", n))
            if not len(rows):
                continue
            figures = point(self.dataset, rows, after, self.seed)
            figures["n_recordings"] = len(np.unique(rows))
            same = before[np.searchsorted(every, rows)]
            curve.append(
                {"trials": n, **figures, **gain(self.dataset, rows, after, same, self.seed)}
            )
        return curve

    def learning_curve(self, sizes, most):
        """A list of points; sizes that some fold could not be fitted with are left out."""
        curve = [(size, *self.of(("people", size))) for size in sizes]
        curve.append((most, *self.scored))
        return [
            {"n_people": size, **point(self.dataset, rows, p, self.seed)}
            for size, rows, p in curve
            if np.isfinite(p).all()
        ]


def point(dataset, rows, probabilities, seed):
    """Accuracy, interval over people and counts of one point of a curve."""
    targets, groups = dataset.targets[rows], dataset.groups[rows]
    figures = accuracy_of(targets, probabilities, groups, seed)
    return figures | {"n_recordings": len(rows), "n_subjects": len(np.unique(groups))}


def gain(dataset, rows, after, before, seed):
    """How much more often the recordings are read rightly: {"gain", "gain_ci95" over people}."""
    targets, groups = dataset.targets[rows], dataset.groups[rows]
    more = (after.argmax(axis=1) == targets).astype(float) - (before.argmax(axis=1) == targets)
    interval = bootstrap_interval(more, groups, np.random.default_rng(seed))
    return {"gain": float(more.mean()), "gain_ci95": interval}


def _content(item):
    """What tells a recording, or a row of a table, from another one."""
    return np.ascontiguousarray(getattr(item, "signal", item)).tobytes()


def _by_person(dataset, rows):
    groups = dataset.groups[rows]
    return [rows[groups == g] for g in np.unique(groups)]


def _shown(dataset, rows):
    return np.unique(dataset.targets[rows])


def _spare(dataset, rows):
    """How many trials of each label a person can give away and still have one left."""
    return int(np.unique(dataset.targets[rows], return_counts=True)[1].min()) - 1
