"""Which recordings of a dataset a trained model has not learned from."""

from pathlib import Path

import numpy as np

from emg_llm.data.contents import content_hashes
from emg_llm.data.datasets import PARTS, DatasetError
from emg_llm.data.splits import Split, given_split, held_out_split
from emg_llm.hub.saved import read_json
from emg_llm.signal.simulation import is_simulated

MEASURED = "measured"  # the folder, within that of a refitted model, of the one that was measured


def training_of(folder):
    """results.json of a model's training; a bundle keeps it above the models.

    folder: None for a model of others.
    """
    if folder is None:
        return {}
    folder = Path(folder)
    for place in (folder, folder.parent, folder.parent.parent):
        path = place / "results.json"
        if path.exists() and (place == folder or (place / "config.json").exists()):
            return read_json(path)
    return {}


def unseen_rows(folder, dataset):
    """(rows that a saved model was not trained on, the protocol as a dict).

    Raises DatasetError if the people it was trained on can't be determined.
    """
    return unseen(folder, dataset)[1:]


def unseen(folder, dataset):
    """(the Split or None, unseen rows, protocol).

    Data is compared by the contents of its recordings where the training has stored them, and by
    name otherwise. protocol["left_out"]: the recordings of people whom the model has seen.
    """
    trained = training_of(folder)
    if "calibrated_from" in trained:
        if trained["data"] == dataset.name or _learned(trained, dataset).any():
            raise DatasetError(
                f"The encoder has learned all of {trained['data']}, which {dataset.name} holds; "
                "its results.json has the score of each recording after learning only the others."
            )
        trained = trained["calibrated_from"]
    protocol = trained.get("protocol", {})
    seed, same = protocol.get("seed", 0), trained.get("data") == dataset.name
    other = {"name": "other_data", "grouping": "all", "split_hash": None, "seed": seed}
    if "contents" in protocol:
        return _by_content(trained, dataset, other)
    if same and trained.get("refit"):
        raise DatasetError(_learned_all(trained))
    if dataset.splits is None and not same:
        return None, np.arange(len(dataset)), other
    split = held_out_split(dataset, seed) if dataset.splits is None else given_split(dataset, seed)
    if same and split.hash != protocol.get("split_hash"):
        raise DatasetError(
            f"The model was trained on {dataset.name} with another split, so the people it has "
            "seen are unknown; train it again on this data."
        )
    return _tested(dataset, split), split.test, split.protocol()


def _by_content(trained, dataset, other):
    learned = _learned(trained, dataset)
    if dataset.splits is not None:
        split = _tested(dataset, given_split(dataset, other["seed"]))
        if n := learned[split.test].sum():
            raise DatasetError(
                f"The model has learned from {n} of the {len(split.test)} recordings that "
                f"{dataset.name} marks as 'test'; mark others."
            )
        return split, split.test, split.protocol()
    if not learned.any():
        return None, np.arange(len(dataset)), other
    protocol = dict(trained["protocol"])
    contents = protocol.pop("contents")
    if sorted(" ".join(contents.values()).split()) == sorted(content_hashes(dataset)):
        if trained.get("refit"):
            raise DatasetError(_learned_all(trained))
        split = _same_split(dataset, contents, protocol)
        return _tested(dataset, split), split.test, protocol
    rows = np.flatnonzero(~np.isin(dataset.groups, dataset.groups[learned]))
    if not len(rows):
        raise DatasetError(
            f"The model has learned from everybody in {dataset.name}; give recordings of people "
            "who were not in its training data."
        )
    left_out = len(dataset) - len(rows)
    return None, rows, other | {"name": "unseen_people", "left_out": left_out}


def _learned_all(trained):
    return (
        f"The model has learned all of {trained['data']} (--refit), so nobody in it is unseen; its "
        f"results.json has the figures of the model in its folder '{MEASURED}', which you can "
        "evaluate instead."
    )


def _learned(trained, dataset):
    """bool (recordings,), True where the model has learned the recording, not only been tested."""
    contents = trained.get("protocol", {}).get("contents")
    if not contents or is_simulated(dataset.name):
        return np.zeros(len(dataset), bool)
    tested = None if trained.get("refit") else "test"
    known = " ".join(hashes for part, hashes in contents.items() if part != tested)
    return np.isin(content_hashes(dataset), known.split())


def _same_split(dataset, contents, protocol):
    """The training's Split of the same recordings, which may have other names."""
    hashes, rows = content_hashes(dataset), [[] for _ in PARTS]
    share = np.stack([np.isin(hashes, contents.get(part, "").split()) for part in PARTS])
    for group in np.unique(dataset.groups):  # a copy of another person's may be among them
        mine = np.flatnonzero(dataset.groups == group)
        rows[share[:, mine].sum(axis=1).argmax()].extend(mine)
    grouping = protocol["grouping"]
    return Split.of(dataset, protocol["name"], grouping, protocol["seed"], rows)


def _tested(dataset, split):
    """The split; raises DatasetError if it has no test part."""
    if not len(split.test):
        raise DatasetError(f"{dataset.name}: mark the test rows; no row's 'split' says 'test'.")
    return split
