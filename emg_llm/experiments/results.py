"""Collect the probabilities of all folds and turn them into the dict of results.json."""

import numpy as np

from emg_llm.evaluation.metrics import accuracy_of, bootstrap_interval, control, results_of


class Measured:
    """The outputs of all folds; `results` computes the figures.

    calibration: (targets, probabilities) of validation people, for a trained model.
    """

    def __init__(self, dataset, seed):
        self.dataset, self.seed, self.calibration = dataset, seed, None
        self._parts = {}
        self.words = {}  # name -> one entry per fold; not probabilities

    def _named(self, kind):
        return [what for what in self._parts if isinstance(what, tuple) and what[0] == kind]

    def add_words(self, what, value):
        """Add the "answers" or "replies" of one fold."""
        self.words.setdefault(what, []).append(value)

    def add(self, what, rows, arrays):
        """Add one fold's probabilities of `rows`; `what` is "emg" for the original recordings."""
        self._parts.setdefault(what, []).append((rows, arrays["probabilities"]))

    def of(self, what):
        """(rows, their probabilities) over all folds, sorted by row."""
        rows, probabilities = (np.concatenate(x) for x in zip(*self._parts[what], strict=True))
        order = np.argsort(rows, kind="stable")
        return rows[order], probabilities[order]

    @property
    def scored(self):
        return self.of("emg")

    def calibrate(self, rows, arrays):
        """Fit temperature and threshold on these validation people instead of the scored ones."""
        self.calibration = self.dataset.targets[rows], arrays["probabilities"]

    def results(self, name, protocol):
        """The dict of results.json."""
        rows, probabilities = self.scored
        data, seed = self.dataset, self.seed
        targets, groups = data.targets[rows], data.groups[rows]
        about = name, data.name, protocol, data.label_names
        results = results_of(*about, targets, probabilities, groups, seed, self.calibration)
        for what in ("noise_emg", "shuffled_labels", *self._named("control")):
            if what in self._parts:
                name = what if isinstance(what, str) else what[1]
                results["controls"][name] = control(targets, self.of(what)[1], groups, seed)
        for what in self._named("beside"):
            theirs = self.of(what)[1]
            more = gain(data, rows, probabilities, theirs, seed)
            results[what[1]] = point(data, rows, theirs, seed) | more
        if self.words:
            results |= self._of_words()
        if alone := self._named("channel"):
            results["channels"] = [
                {"channel": k[2]} | point(data, *self.of(k), seed) for k in alone
            ]
        if counts := [k[1] for k in self._named("few_shot")]:
            results["few_shot"] = self._few_shot(counts)
        return results

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

    def _few_shot(self, counts):
        every, before = self.scored
        curve = [{"trials": 0, **point(self.dataset, every, before, self.seed)}]
        for n in sorted(counts):
            rows, after = self.of(("few_shot", n))
            if not len(rows):
                continue
            same = before[np.searchsorted(every, rows)]
            figures = point(self.dataset, rows, after, self.seed)
            figures |= {"n_recordings": len(np.unique(rows))}
            figures |= gain(self.dataset, rows, after, same, self.seed)
            curve.append({"trials": n} | figures)
        return curve

    def learning_curve(self, sizes, most):
        """A list of points, without the sizes that some fold could not be fitted with."""
        curve = [(size, *self.of(("people", size))) for size in sizes]
        curve.append((most, *self.scored))
        return [
            {"n_people": size, **point(self.dataset, rows, p, self.seed)}
            for size, rows, p in curve
            if np.isfinite(p).all()
        ]


def point(dataset, rows, probabilities, seed):
    """Accuracy, interval over people and counts, for one point of a curve."""
    targets, groups = dataset.targets[rows], dataset.groups[rows]
    figures = accuracy_of(targets, probabilities, groups, seed)
    return figures | {"n_recordings": len(rows), "n_subjects": len(np.unique(groups))}


def gain(dataset, rows, after, before, seed):
    """{"gain": difference in accuracy, "gain_ci95": its interval over people}."""
    targets, groups = dataset.targets[rows], dataset.groups[rows]
    more = (after.argmax(axis=1) == targets).astype(float) - (before.argmax(axis=1) == targets)
    interval = bootstrap_interval(more, groups, np.random.default_rng(seed))
    return {"gain": float(more.mean()), "gain_ci95": interval}
