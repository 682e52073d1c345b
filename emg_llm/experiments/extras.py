"""What one fold can tell beyond its score: fewer training people, a new person's own trials."""

from dataclasses import dataclass, replace

import numpy as np

from emg_llm.data.datasets import DatasetError
from emg_llm.experiments.controls import shuffled_labels


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
            shown = np.unique(dataset.targets[theirs])
            given = np.concatenate([order[dataset.targets[order] == t][:trials] for t in shown])
            rest = np.array([i for i in theirs if copies[i] not in {copies[j] for j in given}], int)
            if not len(rest):
                continue
            asked.append(rest)
            answers.append(fitted.adapt(dataset, given, seed).ask(dataset, rest))
    return {"rows": np.concatenate(asked), "probabilities": np.concatenate(answers)}


def _content(item):
    """What tells a recording, or a row of a table, from another one."""
    return np.ascontiguousarray(getattr(item, "signal", item)).tobytes()


def _by_person(dataset, rows):
    groups = dataset.groups[rows]
    return [rows[groups == g] for g in np.unique(groups)]


def _spare(dataset, rows):
    """How many trials of each label a person can give away and still have one left."""
    return int(np.unique(dataset.targets[rows], return_counts=True)[1].min()) - 1
