"""Measurements on a fold beyond its score: learning curve, single channels, few-shot trials."""

from dataclasses import dataclass, replace

import numpy as np

from emg_llm.data.datasets import DatasetError
from emg_llm.experiments.controls import shuffled_labels


@dataclass(frozen=True)
class Extras:
    """What to measure besides the score, on each fold."""

    # Other recordings in the place of each, powers alone, and, for a kind of model, refitting on
    # labels shuffled within the training people.
    controls: bool = False
    channels: bool = False  # score each channel alone
    learning_curve: bool = False  # refit on 1, 2, 4, … of the training people
    few_shot: tuple[int, ...] = ()  # labelled trials per label from the new person
    draws: int = 5  # of these trials
    replies: int = 0  # chat replies of a language model to fact-check
    answers: int = 0  # greedy answers of a language model to bare prompts
    inputs: int = 0  # recordings to score with one input of a language model changed


def check_extras(extras, dataset, splits, trained=False):
    """Raise DatasetError for a measurement that this data or model doesn't allow."""
    if trained and extras.learning_curve:
        raise DatasetError(
            "--learning_curve trains a new model, but --model names a trained one; name a kind of "
            "model, such as svm, instead of a folder."
        )
    flags = [f"--{n}" for n in ("learning_curve", "few_shot") if getattr(extras, n)]
    if flags and (None in dataset.subjects or any(s.grouping == "session" for s in splits)):
        raise DatasetError(
            f"{' and '.join(flags)} needs named test people that training has not seen; add a "
            "'subject' column, or choose another protocol."
        )
    if extras.few_shot and min(extras.few_shot) < 1:
        raise DatasetError("--few_shot is a number of trials per label; the smallest is 1.")
    for split in splits if extras.few_shot else ():
        most = max(_spare(dataset, rows) for rows in _by_person(dataset, split.scored))
        if min(extras.few_shot) > most:
            raise DatasetError(
                f"--few_shot {min(extras.few_shot)} leaves no trial to score: each label needs at "
                f"least one more, and the people of {dataset.name} have {most + 1}."
            )


def refit_on_shuffled_labels(fit, inputs, split, seed, draw=0):
    """{"probabilities": (scored rows, labels)} of a model fitted on shuffled labels.

    Each fold and draw has a shuffle of its own, so that what they get by luck is independent.
    """
    training = np.setdiff1d(np.concatenate([split.train, split.validation]), split.scored)
    shuffle = seed, draw, int(split.hash, 16)
    fitted = fit(shuffled_labels(inputs.dataset, training, shuffle), split, seed)
    return {"probabilities": fitted.ask(inputs.dataset, split.scored)}


def curve_sizes(dataset, splits):
    """([1, 2, 4, …], n): numbers of training people, all below the smallest fold's number n."""
    least = min(len(np.unique(dataset.groups[s.train])) for s in splits)
    return [2**k for k in range(least.bit_length()) if 2**k < least], least


def refit_on_fewer_people(fit, inputs, split, seed, size):
    """{"probabilities": (scored rows, labels)} of a model fitted on `size` random people.

    A smaller draw is part of every larger one. NaN where so few people can't fit a model.
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
    """{channel index: probabilities of `rows`} with that channel alone (see Inputs.only)."""
    return {
        str(c): fitted.ask(inputs.only(c, reference), rows) for c in range(len(inputs.channels))
    }


def few_shot(model, inputs, rows, trials, seed, draws, reference, blocked=False):
    """Scores after the model has learned `trials` labelled trials per label from each person.

    model: a function that returns the Fitted. blocked: give the first trials of each label, in
    the order of the data, instead of `draws` random ones: what drifts within a session then
    counts. reference: the rows that fit the scale of levels.

    Returns {"rows": int (n,), "probabilities", "nearest": float (n, labels)} of the person's other
    trials among `rows`, over all draws. "nearest" is the label of the given trial with the nearest
    levels, without any model. Trials that were given, and exact copies of them, are never scored;
    people with no trial to spare are skipped.
    """
    fitted, dataset = model(), inputs.dataset
    if fitted.adapt is None:
        raise DatasetError(
            f"{fitted.name} can't learn from a few trials; --few_shot works with encoders, with "
            "--model svm, and with language models on the bridges text and both."
        )
    none = np.empty((0, len(dataset.label_names)))
    scored, answers, nearest = [np.empty(0, int)], [none], [none]
    levels = inputs.levels(reference)
    for theirs in _by_person(dataset, rows):
        if _spare(dataset, theirs) < trials:
            continue
        copies = {i: _content(dataset.item(i)) for i in theirs}
        for draw in range(1 if blocked else draws):
            rng = np.random.default_rng((seed, draw, theirs[0]))
            # One order for every number of trials: fewer trials are part of more.
            order = np.sort(theirs) if blocked else rng.permutation(theirs)
            shown = np.unique(dataset.targets[theirs])
            given = np.concatenate([order[dataset.targets[order] == t][:trials] for t in shown])
            rest = np.array([i for i in theirs if copies[i] not in {copies[j] for j in given}], int)
            if not len(rest):
                continue
            scored.append(rest)
            answers.append(fitted.adapt(dataset, given, seed).ask(dataset, rest))
            off = np.square(levels[rest][:, None] - levels[given]).sum(axis=2)
            label = dataset.targets[given[off.argmin(axis=1)]]
            nearest.append(np.eye(none.shape[1])[label])
    return {
        "rows": np.concatenate(scored),
        "probabilities": np.concatenate(answers),
        "nearest": np.concatenate(nearest),
    }


def _content(item):
    """The values of a recording or a table row as bytes, to recognise copies."""
    return np.ascontiguousarray(getattr(item, "signal", item)).tobytes()


def _by_person(dataset, rows):
    groups = dataset.groups[rows]
    return [rows[groups == g] for g in np.unique(groups)]


def _spare(dataset, rows):
    """How many trials per label a person can give and still have one left."""
    return int(np.unique(dataset.targets[rows], return_counts=True)[1].min()) - 1
