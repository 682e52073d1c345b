"""The mean of several language models, as a model of its own: what the app answers with."""

from collections.abc import Sequence

import numpy as np

from emg_llm.evaluation.confidence import Confidence, log
from emg_llm.experiments.results import Measured


def mean_of(models: Sequence[Measured]) -> Measured:
    """The mean of the probabilities of models that were measured on the same recordings.

    Where the models have calibration people in common, the mean has a confidence of its own: a
    temperature and sets, and no prior, so that its answer is that of the plain mean.
    """
    first = models[0]
    data, mean = first.dataset, Measured(first.dataset, first.seed)
    rows, probabilities = first.scored[0], _mean(m.scored[1] for m in models)
    if all(m.calibrating for m in models):
        others, theirs = first.calibrating[0], _mean(m.calibrating[1] for m in models)
        of = log(theirs), data.targets[others], data.groups[others]
        fitted_on = first.confidence.fitted_on
        mean.confidence = Confidence.fit(*of, fitted_on, with_prior=False)
        probabilities = mean.confidence.probabilities(log(probabilities))
    mean.add("emg", rows, {"probabilities": probabilities})
    return mean


def _mean(probabilities):
    return np.mean(list(probabilities), axis=0)
