"""Collect the probabilities of all folds and turn them into the dict of results.json."""

from collections import Counter

import numpy as np

from emg_llm.evaluation.metrics import accuracy_of, control, results_of
from emg_llm.evaluation.statistics import difference, share_interval
from emg_llm.experiments.inputs import REPLACED, UNCHANGED


class Measured:
    """The outputs of all folds; `results` computes the figures.

    confidence: of the one model that all was measured with; None for a model per fold.
    calibrating: (rows, probabilities) of the people whom that model's confidence is fitted on.
    """

    def __init__(self, dataset, seed):
        self.dataset, self.seed = dataset, seed
        self.confidence = self.calibrating = None
        self._parts, self._draws = {}, {}
        self.leads = []  # for each fold, the path that an encoder's answer is from, or ""
        self.words = {}  # name -> one entry per fold; not probabilities

    def _named(self, kind):
        return [what for what in self._parts if isinstance(what, tuple) and what[0] == kind]

    def add_words(self, what, value):
        """Add the "answers", "replies" or "donors" of one fold."""
        self.words.setdefault(what, []).append(value)

    def add(self, what, rows, arrays, draw=None):
        """Add one fold's probabilities of `rows`; `what` is "emg" for the original recordings.

        draw: which of several draws of random weights or labels a control is of.
        """
        self._parts.setdefault(what, []).append((rows, arrays["probabilities"]))
        if draw is not None:
            self._draws.setdefault(what, []).append(np.full(len(rows), str(draw)))

    def of(self, what):
        """(rows, their probabilities) over all folds, sorted by row."""
        rows, probabilities = (np.concatenate(x) for x in zip(*self._parts[what], strict=True))
        order = np.argsort(rows, kind="stable")
        return rows[order], probabilities[order]

    @property
    def scored(self):
        return self.of("emg")

    def results(self, name, protocol):
        """The dict of results.json."""
        rows, probabilities = self.scored
        data = self.dataset
        targets, groups = data.targets[rows], data.groups[rows]
        about = name, data.name, protocol, data.label_names
        results = results_of(*about, targets, probabilities, groups, self.confidence)
        for what in self._named("control"):
            results["controls"][what[1]] = self._control(what)
        for what in self._named("beside"):
            theirs = self.of(what)[1]
            more = gain(data, rows, probabilities, theirs)
            more |= agreement(data, rows, probabilities, theirs)
            results[what[1]] = point(data, rows, theirs) | more
        if any(self.leads):
            results["lead"] = led_by(self.leads)
            results["paths"] = {w[1]: point(data, *self.of(w)) for w in self._named("path")}
        for what in self._named("known"):
            some, after = self.of(what)
            before = probabilities[np.searchsorted(rows, some)]
            figures = point(data, some, after) | gain(data, some, after, before)
            results.setdefault("known", {})[what[1]] = figures
        if self.words:
            results |= self._of_words()
        if changes := self._named("input"):
            results["inputs"] = self._inputs(changes)
        if alone := self._named("channel"):
            results["channels"] = [{"channel": k[2]} | point(data, *self.of(k)) for k in alone]
        if counts := [k[1] for k in self._named("few_shot")]:
            results["few_shot"] = self._few_shot(counts)
        return results

    def _control(self, what):
        """The figures of a control; over its draws, with their number and spread, if it has any."""
        if what not in self._draws:
            rows, probabilities = self.of(what)
            return control(self.dataset.targets[rows], probabilities, self.dataset.groups[rows])
        rows, probabilities = (np.concatenate(x) for x in zip(*self._parts[what], strict=True))
        draws, targets = np.concatenate(self._draws[what]), self.dataset.targets[rows]
        figures = control(targets, probabilities, draws)
        correct = probabilities.argmax(axis=1) == targets
        each = [correct[draws == draw].mean() for draw in np.unique(draws)]
        return figures | {"draws": len(each), "sd": float(np.std(each, ddof=1))}

    def _of_words(self):
        from emg_llm.experiments.replies import free_text, replies_figures

        figures, (rows, probabilities) = {}, self.scored
        if "answers" in self.words:
            answered, texts = map(np.concatenate, zip(*self.words["answers"], strict=True))
            same = probabilities[np.searchsorted(rows, answered)]
            figures["free_text"] = free_text(self.dataset.label_names, same, texts)
        if "replies" in self.words:
            figures |= replies_figures(self.words["replies"])
        return figures

    def _inputs(self, changes):
        """A list of points: as it is, then each change of the input, on the same recordings."""
        rows, _ = self.of(changes[0])
        every, p = self.scored
        before = p[np.searchsorted(every, rows)]
        points = [{"input": UNCHANGED} | point(self.dataset, rows, before)]
        some, donors = map(np.concatenate, zip(*self.words["donors"], strict=True))
        other = self.dataset.targets[donors[np.argsort(some, kind="stable")]]
        for change in changes:
            _, after = self.of(change)
            same = agreement(self.dataset, rows, after, before)
            figures = point(self.dataset, rows, after)
            figures |= {
                "changed": 1 - same["agreement"],
                "changed_ci95": [1 - share for share in same["agreement_ci95"][::-1]],
            }
            if change[1] in REPLACED:
                figures["as_the_other"] = float((after.argmax(axis=1) == other).mean())
            points.append({"input": change[1]} | figures)
        return points

    def _few_shot(self, counts):
        every, before = self.scored
        curve = [{"trials": 0, **point(self.dataset, every, before)}]
        for n in sorted(counts):
            rows, after = self.of(("few_shot", n))
            if not len(rows):
                continue
            same = before[np.searchsorted(every, rows)]
            figures = point(self.dataset, rows, after)
            figures |= {"n_recordings": len(np.unique(rows))}
            figures |= gain(self.dataset, rows, after, same)
            for what in ("few_shot_blocked", "nearest_trial", "nearest_trial_blocked"):
                if (what, n) in self._parts:
                    theirs = point(self.dataset, *self.of((what, n)))
                    name = what.replace("few_shot", "accuracy")
                    figures[name] = theirs["accuracy"]
                    figures[f"{name}_ci95"] = theirs["accuracy_ci95"]
            for what in ("", "_blocked"):
                if (nearest := (f"nearest_trial{what}", n)) in self._parts:
                    rows, after = self.of((f"few_shot{what}", n))
                    over = gain(self.dataset, rows, after, self.of(nearest)[1])
                    figures[f"over_{nearest[0]}"] = over["gain"]
                    figures[f"over_{nearest[0]}_ci95"] = over["gain_ci95"]
            curve.append({"trials": n} | figures)
        return curve

    def learning_curve(self, sizes, most):
        """A list of points, without the sizes that some fold could not be fitted with."""
        curve = [(size, *self.of(("people", size))) for size in sizes]
        curve.append((most, *self.scored))
        return [
            {"n_people": size, **point(self.dataset, rows, p)}
            for size, rows, p in curve
            if np.isfinite(p).all()
        ]


def led_by(leads):
    """The path of an encoder's answers, or the paths and in how many folds they led."""
    counts = Counter(leads).most_common()
    if len(counts) == 1:
        return counts[0][0]
    return ", ".join(f"{path} in {n} of {len(leads)} folds" for path, n in counts)


def point(dataset, rows, probabilities):
    """Accuracy, interval over people and counts, for one point of a curve."""
    targets, groups = dataset.targets[rows], dataset.groups[rows]
    figures = accuracy_of(targets, probabilities, groups)
    return figures | {"n_recordings": len(rows), "n_subjects": len(np.unique(groups))}


def gain(dataset, rows, after, before):
    """`difference` of the probabilities `after` and `before` of the same rows."""
    targets, groups = dataset.targets[rows], dataset.groups[rows]
    return difference(*(p.argmax(axis=1) == targets for p in (after, before)), groups)


def agreement(dataset, rows, one, other):
    """How far two models agree: {"agreement": share of recordings with the same label,
    "agreement_ci95": its interval over people, "distance": mean distance of the probabilities, the
    share that lies on other labels}.
    """
    same = (one.argmax(axis=1) == other.argmax(axis=1)).astype(float)
    return {
        "agreement": float(same.mean()),
        "agreement_ci95": share_interval(same, dataset.groups[rows]),
        "distance": float(np.abs(one - other).sum(axis=1).mean() / 2),
    }
