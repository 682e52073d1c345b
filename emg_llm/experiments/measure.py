"""Models measured: trained anew in every fold of a protocol, or trained before and asked.

A recipe is what `train/evaluate.py` trains afresh in every fold: the SVM, an encoder, or a
language model that reads text.
"""

import hashlib
import json
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from emg_llm.data.datasets import DatasetError
from emg_llm.data.splits import given_split, held_out_split
from emg_llm.experiments.controls import Inputs
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
from emg_llm.experiments.signal_models import _encoder, _svm, encoder_on, svm_on
from emg_llm.hub.client import resolve
from emg_llm.registry import REGISTRY
from emg_llm.svm import EmotionSVM


def fitter(name, how=None, material=None):
    """fit(dataset, split, seed) -> a Fitted of the kind `name`, from the split's training part.

    how: a FoldTraining. material: what language models share, see language_models.Material.
    """
    from emg_llm.encoders import ARCHITECTURES

    how = how or FoldTraining()
    if name == "svm":
        return svm_on
    if name in ARCHITECTURES:
        more = {"scaling": how.scaling, "lead": how.lead}
        return lambda dataset, split, seed: encoder_on(name, dataset, split, seed, **more)
    if name in REGISTRY:
        from emg_llm.experiments.language_models import llm_on

        return lambda dataset, split, seed: llm_on(name, dataset, split, seed, how, material)
    known = ", ".join(["svm", *ARCHITECTURES, *REGISTRY])
    raise DatasetError(f"{name} is neither a folder of a trained model nor one of {known}.")


def load_fitted(folder, encoder=None, codebook=None):
    """A saved model of any kind as a Fitted; raises DatasetError where the folder has none."""
    path = Path(folder) / "config.json"
    if not path.exists():
        raise DatasetError(f"{folder} holds no trained model: there is no config.json in it.")
    config = json.loads(path.read_text())
    if config.get("kind") == "emg-svm":
        return _svm(EmotionSVM.from_pretrained(folder))
    if "arch" in config:
        from emg_llm.encoders import load_encoder

        return _encoder(load_encoder(folder))
    if config.get("kind") == "emg-llm-adapter":
        from emg_llm.experiments.language_models import as_fitted
        from emg_llm.llms.model import EmgLLM

        llm = EmgLLM.from_pretrained(folder, encoder, codebook)
        if llm.bridge is None:
            raise DatasetError(f"{folder} doesn't say how a recording becomes its prompt.")
        return as_fitted(llm, progress=True)
    raise DatasetError(f"{folder} holds a model of a kind that is not known here.")


def measure_recipe(name, dataset, protocol, seed, extras=None, store=None, how=None, material=None):
    """Train `name` on every fold of a protocol: (results, test rows, probabilities of them).

    protocol(dataset, seed) -> Splits. extras: what else to measure. store: a FoldStore, where
    finished folds are kept and found again. how: a FoldTraining. material: see `fitter`.
    """
    extras, store = extras or Extras(), store or FoldStore()
    how = how or FoldTraining()
    fit = fitter(name, how, material)
    splits = list(protocol(dataset, seed))
    check_extras(extras, dataset, splits)
    used = np.unique(np.concatenate([p for s in splits for p in (s.train, s.validation, s.scored)]))
    inputs = Inputs(dataset, used, as_features=name == "svm")
    sizes, most = curve_sizes(dataset, splits) if extras.learning_curve else ([], 0)
    key = {"model": name, "seed": seed, "data": fingerprint(dataset), **asdict(how)}
    found = Measured(dataset, seed)
    bar = tqdm(splits, desc=name, unit="fold", disable=len(splits) == 1)
    for split in bar:

        def keep(what, make, split=split, **more):
            bar.set_postfix_str(what.replace("_", " "))
            return store.recall(make, what=what, fold=split.hash, **key, **more)

        # Fitted when it is first asked: a fold that was kept needs no model.
        fitted = cache(lambda split=split: fit(inputs.dataset, split, seed))
        _ask(found, fitted, inputs, split.scored, split.train, extras, keep)
        if extras.controls:
            refit = partial(refit_on_shuffled_labels, fit, inputs, split, seed)
            found.add("shuffled_labels", split.scored, keep("shuffled_labels", refit))
        for n in sizes:
            refit = partial(refit_on_fewer_people, fit, inputs, split, seed, n)
            found.add(("people", n), split.scored, keep(f"people_{n}", refit))
    if len(splits) == 1 and len(split.test) and len(split.validation):
        found.calibrate(
            split.validation, keep("validation", _asked(fitted, inputs, split.validation))
        )
    described = splits[0].protocol()
    if len(splits) > 1:
        every = hashlib.sha256("".join(s.hash for s in splits).encode()).hexdigest()[:16]
        described |= {"split_hash": every, "folds": len(splits)}
    results = found.results(name, described)
    if extras.learning_curve:
        results["learning_curve"] = found.learning_curve(sizes, most)
    return results, *found.scored


def measure_trained(folder_or_id, dataset, seed=0, encoder=None, codebook=None, extras=None):
    """Measure a saved model of any kind: (results, test rows, probabilities of them).

    It is asked about the test people of its own training split when the data is the same,
    about the rows marked `test` where the data has a split column, otherwise about all.
    """
    extras = extras or Extras()
    folder = resolve(folder_or_id)
    fitted = load_fitted(folder, encoder, codebook)
    split, rows, protocol = _unseen(folder, dataset)
    check_extras(extras, dataset, [] if split is None else [split], trained=True)
    # Where there is no test part, the validation people are those who are scored.
    others = split.validation if split is not None and len(split.test) else rows[:0]
    inputs = Inputs(dataset, np.union1d(rows, others), as_features=fitted.name == "svm")
    found = Measured(dataset, seed)
    train = split.train if split is not None else rows[:0]

    def keep(what, make, **more):
        return make()

    _ask(found, lambda: fitted, inputs, rows, train, extras, keep, reference=rows)
    if len(others):
        found.calibrate(others, _asked(lambda: fitted, inputs, others)())
    return found.results(fitted.name, protocol), *found.scored


def unseen_rows(folder, dataset):
    """(rows that a saved model was not trained on, the protocol that says so).

    Raises DatasetError where nobody can tell which people it has seen.
    """
    return _unseen(folder, dataset)[1:]


def _unseen(folder, dataset):
    """(the Split that keeps them unseen or None, rows, protocol)."""
    trained = training_of(folder)
    if "calibrated_from" in trained:
        if trained["data"] == dataset.name:
            raise DatasetError(
                f"The encoder has learned all of {dataset.name}; its results.json says how each "
                "recording was read after learning the others."
            )
        trained = trained["calibrated_from"]
    protocol = trained.get("protocol", {})
    seed, same = protocol.get("seed", 0), trained.get("data") == dataset.name
    if dataset.splits is None and not same:
        rows = np.arange(len(dataset))
        other = {"name": "other_data", "grouping": "all", "split_hash": None, "seed": seed}
        return None, rows, other
    split = held_out_split(dataset, seed) if dataset.splits is None else given_split(dataset, seed)
    if same and split.hash != protocol.get("split_hash"):
        raise DatasetError(
            f"The model was trained on {dataset.name} with another split, so nobody can tell which "
            "people it has seen; train it again on this data."
        )
    if not len(split.test):
        raise DatasetError(f"{dataset.name}: no row of the 'split' column says 'test'.")
    return split, split.test, split.protocol()


def training_of(folder):
    """What the results file says of a model's training; in a bundle it lies above the models."""
    folder = Path(folder)
    for place in (folder, folder.parent, folder.parent.parent):
        path = place / "results.json"
        if path.exists() and (place == folder or (place / "config.json").exists()):
            return json.loads(path.read_text())
    return {}


def _ask(found, fitted, inputs, rows, train, extras, keep, reference=None):
    """Add what one fitted model says of `rows`, and of what was made of them."""
    reference = train if reference is None else reference
    found.add("emg", rows, keep("emg", _asked(fitted, inputs, rows)))
    if inputs.has_signal:
        found.add("noise_emg", rows, keep("noise", _asked(fitted, inputs, rows, "noise")))
    for kind in ("control", "beside"):
        for name, p in keep(kind, partial(_others, fitted, inputs, rows, train, kind)).items():
            found.add((kind, name), rows, {"probabilities": p})
    _tell(found, fitted, inputs, rows, extras, keep)
    if extras.channels:
        kept = keep("channels", lambda: ask_by_channel(fitted(), inputs, rows, reference))
        for c, name in enumerate(inputs.channels):
            found.add(("channel", c, name), rows, {"probabilities": kept[str(c)]})
    for n in extras.few_shot:
        teach = partial(few_shot, fitted, inputs, rows, n, found.seed, extras.draws)
        kept = keep(f"few_shot_{n}", teach, draws=extras.draws)
        found.add(("few_shot", n), kept["rows"], kept)


def _others(fitted, inputs, rows, train, kind):
    """{name: probabilities of `rows`} of a model's controls, or of what reads beside it."""
    model = fitted()
    if kind == "control":
        return model.ask_controls(inputs.dataset, rows)
    return model.beside(inputs.dataset, train, rows) if model.beside else {}


def _tell(found, fitted, inputs, rows, extras, keep):
    """What a language model answers in words, and whether its reasons hold."""
    some = np.sort(np.random.default_rng(found.seed).permutation(rows)[: extras.answers])

    def answers():
        answer = fitted().answers
        return {"answers": np.array(answer(inputs.dataset, some))} if answer else {}

    def reasons():
        if fitted().reasons is None:
            return {}
        counts = fitted().reasons(inputs.dataset, rows, extras.replies, found.seed)
        return {"reasons": np.array(json.dumps(counts))}

    if extras.answers and (kept := keep("answers", answers, n=extras.answers)):
        found.tell("answers", (some, kept["answers"]))
    if extras.replies and (kept := keep("reasons", reasons, n=extras.replies)):
        found.tell("reasons", json.loads(str(kept["reasons"])))


def _asked(fitted, inputs, rows, data="dataset"):
    """A function that asks when it is called, for what a store may have already."""
    return lambda: {"probabilities": fitted().ask(getattr(inputs, data), rows)}
