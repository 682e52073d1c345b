"""Measure models: either a recipe, trained on every fold of a protocol, or a trained model.

A recipe is a kind of model: the SVM, an encoder architecture or a registered language model.
"""

import hashlib
import json
from dataclasses import asdict
from functools import cache, partial

import numpy as np
from tqdm.auto import tqdm

from emg_llm.data.datasets import DatasetError
from emg_llm.data.known import (
    NEUTRAL,
    knowing,
    known_rows,
    neutral_rows,
    with_known,
    without_neutral,
)
from emg_llm.evaluation.confidence import Confidence
from emg_llm.experiments.controls import LEAST_DRAWS, Inputs
from emg_llm.experiments.extras import (
    Extras,
    ask_by_channel,
    check_extras,
    curve_sizes,
    few_shot,
    refit_on_fewer_people,
    refit_on_shuffled_labels,
)
from emg_llm.experiments.fitted import FoldTraining
from emg_llm.experiments.folds import FoldStore, fingerprint
from emg_llm.experiments.results import Measured
from emg_llm.experiments.signal_models import (
    READOUTS,
    encoder_on,
    readout_on,
    svm_on,
)
from emg_llm.experiments.trained import opened
from emg_llm.experiments.unseen import unseen
from emg_llm.registry import REGISTRY
from emg_llm.signal.levels import ANY, PRIVILEGES, unless_any


def fitter(name, how=None, material=None):
    """fit(dataset, split, seed) -> a Fitted of the kind `name`, from the split's training part.

    how: a FoldTraining. material: a language_models.Material, shared by language models.
    """
    from emg_llm.encoders import ARCHITECTURES

    how = how or FoldTraining()
    if name == "svm":
        return partial(svm_on, scaling=how.scaling)
    if name in READOUTS:
        return partial(readout_on, name, scaling=how.scaling)
    if name in ARCHITECTURES:
        more = {"scaling": how.scaling, "lead": how.lead}
        return lambda dataset, split, seed: encoder_on(name, dataset, split, seed, **more)
    if name in REGISTRY:
        from emg_llm.experiments.language_models import llm_on

        return lambda dataset, split, seed: llm_on(name, dataset, split, seed, how, material)
    names = ", ".join(["svm", *READOUTS, *ARCHITECTURES, *REGISTRY])
    raise DatasetError(f"{name} is neither a folder of a trained model nor one of {names}.")


def measure_recipe(
    name, dataset, protocol, seed, extras=None, store=None, how=None, material=None, into=None
):
    """Train `name` on every fold of a protocol: (results, test rows, probabilities of them).

    protocol(dataset, seed) -> Splits. extras: what else to measure. store: a FoldStore for
    finished folds. how: a FoldTraining. material: see `fitter`.
    into: a Measured for all outputs.
    """
    extras, store = extras or Extras(), store or FoldStore()
    how = how or FoldTraining()
    fit = fitter(name, how, material)
    dataset = with_known(dataset, how.scaling, seed)
    splits = list(protocol(dataset, seed))
    check_extras(extras, dataset, splits)
    parts = ((s.train, s.validation, s.calibration, s.scored) for s in splits)
    used = np.unique(np.concatenate([rows for part in parts for rows in part]))
    splits = [without_neutral(dataset, split) for split in splits]
    inputs = Inputs(dataset, used, as_features=name == "svm")
    sizes, most = curve_sizes(dataset, splits) if extras.learning_curve else ([], 0)
    key = {"model": name, "seed": seed, "data": fingerprint(dataset), **asdict(how)}
    measured = into or Measured(dataset, seed)
    bar = tqdm(splits, desc=name, unit="fold", disable=len(splits) == 1)
    for split in bar:

        def keep(what, make, split=split, **more):
            bar.set_postfix_str(what.replace("_", " "))
            return store.recall(make, what=what, fold=split.hash, **key, **more)

        # Fitted on first use: a fold read from the store needs no model.
        fitted = cache(lambda split=split: fit(inputs.dataset, split, seed))
        _add_scores(measured, fitted, inputs, split.scored, split.train, extras, keep)
        for privilege in inputs.dataset.known if how.scaling == ANY else ():
            data, rows = knowing(inputs.dataset, privilege), split.scored
            if privilege == NEUTRAL:
                rows = np.setdiff1d(rows, known_rows(data, rows))
            ask = partial(_ask, fitted, data, rows)
            measured.add(("known", privilege), rows, keep(f"known_{privilege}", ask))
        # One model may know a label by luck: several are needed, and folds count.
        for draw in range(-(-LEAST_DRAWS // len(splits)) if extras.controls else 0):
            refit = partial(refit_on_shuffled_labels, fit, inputs, split, seed, draw)
            kept = keep(f"shuffled_labels_{draw}", refit)
            measured.add(
                ("control", "shuffled_labels"), split.scored, kept, draw=f"{split.hash} {draw}"
            )
        for n in sizes:
            refit = partial(refit_on_fewer_people, fit, inputs, split, seed, n)
            measured.add(("people", n), split.scored, keep(f"people_{n}", refit))
    if len(splits) == 1:
        _add_confidence(measured, fitted, inputs, split, keep)
    protocol_info = splits[0].protocol() | {"known": unless_any(how.scaling)}
    if len(splits) > 1:
        every = hashlib.sha256("".join(s.hash for s in splits).encode()).hexdigest()[:16]
        protocol_info |= {"split_hash": every, "folds": len(splits)}
    results = measured.results(name, protocol_info)
    if extras.learning_curve:
        results["learning_curve"] = measured.learning_curve(sizes, most)
    return results, *measured.scored


def measure_trained(
    folder_or_id,
    dataset,
    seed=0,
    encoder=None,
    codebook=None,
    extras=None,
    into=None,
    scaling=PRIVILEGES[0],
):
    """Measure a saved model of any kind, or one on a server: (results, test rows, probabilities).

    Scores the test people of the model's training split if the data is the same, the rows
    marked `test` if the data has a split column, otherwise all rows. into: a Measured for
    all outputs. scaling: one of PRIVILEGES, what a model of scaling "any" is told of the people.
    """
    extras = extras or Extras()
    folder, fitted = opened(folder_or_id, encoder, codebook)
    scaling = known_by(fitted, scaling)
    dataset = with_known(dataset, scaling, seed)
    split, rows, protocol = unseen(folder, dataset)
    check_extras(extras, dataset, [] if split is None else [split], trained=True)
    zeros = neutral_rows(dataset)
    others = split.calibrating[0] if split is not None else rows[:0]
    used = np.concatenate([rows, others])
    used = np.unique(np.concatenate([used, known_rows(dataset, used)]))
    inputs = Inputs(dataset, used, as_features=fitted.name == "svm")
    rows = np.setdiff1d(rows, zeros)
    split = split and without_neutral(dataset, split)
    measured = into or Measured(dataset, seed)
    train = split.train if split is not None else rows[:0]

    def keep(what, make, **more):
        return make()

    _add_scores(measured, lambda: fitted, inputs, rows, train, extras, keep, reference=rows)
    _add_confidence(measured, lambda: fitted, inputs, split, keep)
    return measured.results(fitted.name, protocol | {"known": scaling}), *measured.scored


def known_by(fitted, scaling):
    """What a model knows of the people who are read: of "any" scaling, `scaling`."""
    if fitted.scaling != ANY:
        return fitted.scaling
    if scaling not in PRIVILEGES:
        raise DatasetError(
            f"{fitted.name} can be told of a person what one of --scaling {', '.join(PRIVILEGES)} "
            f"says, and not {scaling}."
        )
    return scaling


def _add_scores(measured, fitted, inputs, rows, train, extras, keep, reference=None):
    """Add the probabilities of one fitted model for `rows` and for their controls."""
    reference = train if reference is None else reference
    measured.add("emg", rows, keep("emg", _scorer(fitted, inputs, rows)))
    _add_controls(measured, fitted, inputs, rows, extras, keep)
    measured.leads.append(str(keep("lead", lambda: {"lead": np.array(fitted().lead)})["lead"]))
    for name, p in keep("paths", lambda: fitted().ask_paths(inputs.dataset, rows)).items():
        measured.add(("path", name), rows, {"probabilities": p})
    beside = partial(_beside, fitted, inputs, rows, train)
    for name, p in keep("beside", beside).items():
        measured.add(("beside", name), rows, {"probabilities": p})
    _add_words(measured, fitted, inputs, rows, extras, keep)
    _add_inputs(measured, fitted, inputs, rows, extras, keep)
    if extras.channels:
        kept = keep("channels", lambda: ask_by_channel(fitted(), inputs, rows, reference))
        for c, name in enumerate(inputs.channels):
            measured.add(("channel", c, name), rows, {"probabilities": kept[str(c)]})
    for n in extras.few_shot:
        more = n, measured.seed, extras.draws, reference
        for what, blocked in (("few_shot", False), ("few_shot_blocked", True)):
            teach = partial(few_shot, fitted, inputs, rows, *more, blocked)
            kept = keep(f"{what}_{n}", teach, draws=extras.draws)
            measured.add((what, n), kept["rows"], kept)
            nearest = {"probabilities": kept["nearest"]}
            measured.add((what.replace("few_shot", "nearest_trial"), n), kept["rows"], nearest)


def _add_confidence(measured, fitted, inputs, split, keep):
    """Add the confidence of the one model, and its probabilities of the people who calibrate it."""
    kept = keep(
        "confidence", lambda: {"values": np.array(json.dumps(fitted().confidence.to_dict()))}
    )
    measured.confidence = Confidence.from_dict(json.loads(str(kept["values"])))
    rows = split.calibrating[0] if split is not None else ()
    if len(rows):
        kept = keep("calibrating", _scorer(fitted, inputs, rows))
        measured.calibrating = rows, kept["probabilities"]


def _add_controls(measured, fitted, inputs, rows, extras, keep):
    """Add what the model makes of noise and other recordings, and its own controls."""
    if inputs.has_signal:
        noise = keep("noise", _scorer(fitted, inputs, rows, "noise"))
        measured.add(("control", "noise_emg"), rows, noise)
    if inputs.has_signal and extras.controls:
        kept = keep("powers_alone", _scorer(fitted, inputs, rows, "powers_alone"))
        measured.add(("beside", "powers_alone"), rows, kept)
    for name in ("same_person", "other_person") if extras.controls else ():
        if getattr(inputs, name) is not None:
            kept = keep(name, _scorer(fitted, inputs, rows, name))
            measured.add(("control", name), rows, kept)
    own = keep("control", lambda: fitted().ask_controls(inputs.dataset, rows))
    for name, p in own.items():
        for draw, one in enumerate(p) if p.ndim == 3 else [(None, p)]:
            measured.add(("control", name), rows, {"probabilities": one}, draw)


def _beside(fitted, inputs, rows, train):
    """{name: probabilities of `rows`} of a model's fellow readers."""
    model = fitted()
    return model.beside(inputs.dataset, train, rows) if model.beside else {}


def _add_words(measured, fitted, inputs, rows, extras, keep):
    """Add a language model's free answers and the check of its replies."""
    some = _some(rows, extras.answers, measured.seed)

    def answers():
        answer = fitted().answers
        return {"answers": np.array(answer(inputs.dataset, some))} if answer else {}

    def replies():
        if fitted().replies is None:
            return {}
        counts = fitted().replies(inputs.dataset, rows, extras.replies, measured.seed)
        return {"counts": np.array(json.dumps(counts))}

    if extras.answers and (kept := keep("answers", answers, n=extras.answers)):
        measured.add_words("answers", (some, kept["answers"]))
    if extras.replies and (kept := keep("replies", replies, n=extras.replies)):
        measured.add_words("replies", json.loads(str(kept["counts"])))


def _add_inputs(measured, fitted, inputs, rows, extras, keep):
    """Add a language model's scores of some recordings with one input changed."""
    rows = np.sort(rows)
    some = _some(rows, extras.inputs, measured.seed)

    def changed():
        change = fitted().changed
        return change(inputs.dataset, rows, some, measured.seed) if change else {}

    if extras.inputs and (kept := dict(keep("inputs", changed, n=extras.inputs))):
        measured.add_words("donors", (some, kept.pop("donors")))
        for name, p in kept.items():
            measured.add(("input", name), some, {"probabilities": p})


def _some(rows, n, seed):
    """`n` random rows, sorted."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:n])


def _ask(fitted, dataset, rows):
    """{"probabilities": those of `rows`} of fitted()."""
    return {"probabilities": fitted().ask(dataset, rows)}


def _scorer(fitted, inputs, rows, data="dataset"):
    """A function that scores `rows` when called: a store may have the result already."""
    return lambda: _ask(fitted, getattr(inputs, data), rows)
