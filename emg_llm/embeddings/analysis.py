"""Runs an encoder over recordings that it has not seen and measures its embeddings: what they
hold, and whether the encoder goes wrong where the signal is weak."""

from dataclasses import dataclass

import numpy as np
from tqdm.auto import tqdm

from emg_llm.data.datasets import DatasetError
from emg_llm.embeddings.measures import distribution, project, separability, sparsity, structure
from emg_llm.encoders.examples import encoder_inputs
from emg_llm.evaluation.metrics import bootstrap_interval, results_of
from emg_llm.experiments.measure import unseen_rows
from emg_llm.signal.quality import snr_db

N_BOOTSTRAP = 1000
SNR_BINS = 5


@dataclass(frozen=True, eq=False)
class Embedded:
    """segments: float32 (segments, d) of all recordings in turn; recordings: float32
    (recordings, d), each the mean of its segments; snr_db: float (recordings,), the median
    over the channels."""

    segments: np.ndarray
    recordings: np.ndarray
    snr_db: np.ndarray


def unseen_recordings(folder, encoder, dataset):
    """(rows that the encoder was not trained on, the protocol that says so).

    Raises DatasetError where the data is what it was trained on and nobody knows which people.
    """
    rows, protocol = unseen_rows(folder, dataset)
    if protocol["name"] == "other_data" and encoder.config.trained_on == dataset.name:
        raise DatasetError(
            f"The encoder was trained on {dataset.name} and its results.json, which tells on which "
            "people, is missing; put it beside the encoder or choose other data."
        )
    return rows, protocol


def embed_recordings(encoder, dataset, progress=True):
    """An Embedded of every recording; raises DatasetError for a feature table."""
    import torch

    from emg_llm.encoders.examples import Examples

    inputs = encoder_inputs(dataset, encoder.config)
    examples = Examples(encoder, inputs, dataset.targets, dataset.groups)
    examples.shift_to_people(encoder)
    segments, snr = [], []
    bar = tqdm(dataset.recordings, desc="embedding", unit="recording", disable=not progress)
    with torch.inference_mode():
        for i, recording in enumerate(bar):
            segments.append(examples.segments(encoder, i).numpy())
            snr.append(np.median(snr_db(recording)))
    means = [each.mean(axis=0) for each in segments]
    return Embedded(np.concatenate(segments), np.stack(means), np.array(snr))


def snr_by_label(snr, labels, label_names):
    """{"overall" or label: mean, min, max, sd in dB} of float (recordings,)."""
    labels = np.array(labels)
    by_label = {name: distribution(snr[labels == name]) for name in label_names}
    return {"overall": distribution(snr), "by_label": by_label}


def snr_accuracy(snr, correct, labels, groups, seed=0, bins=SNR_BINS):
    """Does a weak signal make errors? All over recordings, intervals over people.

    snr: dB (recordings,); correct: bool; labels, groups: (recordings,).
    bins: equally many recordings in each, from weak to strong. point_biserial: correlation of
    being right with the SNR; within_label: the same after both were taken from their label's
    mean, as some expressions are weaker and harder at once. odds_ratio_per_db: of being right,
    by logistic regression. None where all recordings are right, or all wrong.
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    correct = np.asarray(correct, float)
    rows_of_bins = np.array_split(np.argsort(snr, kind="stable"), min(bins, len(snr)))
    varies = np.ptp(correct) > 0 and np.ptp(snr) > 0
    odds = LogisticRegression(C=1e3).fit(snr[:, None], correct).coef_.item() if varies else None
    return {
        "bins": [
            {
                "low_db": float(snr[rows].min()),
                "high_db": float(snr[rows].max()),
                "median_db": float(np.median(snr[rows])),
                "n": len(rows),
                "accuracy": float(correct[rows].mean()),
                "ci95": bootstrap_interval(correct[rows], groups[rows], rng),
            }
            for rows in rows_of_bins
        ],
        "point_biserial": _correlation(snr, correct, groups, rng),
        "within_label": _correlation(
            _from_mean(snr, labels), _from_mean(correct, labels), groups, rng
        ),
        "odds_ratio_per_db": None if odds is None else float(np.exp(odds)),
    }


def measure_embeddings(encoder, dataset, protocol, method="pca", seed=0, progress=True):
    """Every measure of recordings that the encoder has not seen.

    method: how the map is drawn, "pca" or "tsne". Returns what results.json holds, a pandas
    table with one row for each recording, and the Embedded. Raises DatasetError for labels that
    the encoder doesn't know.
    """
    import pandas as pd
    import torch

    known, names = encoder.config.labels, dataset.label_names
    if extra := sorted(set(names) - set(known)):
        raise DatasetError(
            f"The encoder doesn't know the labels {', '.join(extra)} of {dataset.name}; choose "
            "recordings with --labels."
        )
    embedded = embed_recordings(encoder, dataset, progress)
    x = embedded.recordings
    probabilities = encoder.classify(torch.from_numpy(x))[:, [known.index(name) for name in names]]
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    correct = predicted == dataset.targets
    labels, groups = np.array(dataset.labels), dataset.groups
    xy, shares = project(x, method, seed)
    about = encoder.config.arch, dataset.name, protocol, names
    results = results_of(*about, dataset.targets, probabilities, groups, seed) | {
        "segments": structure(embedded.segments),
        "recordings": structure(x),
        "separability": separability(x, dataset, seed),
        "map": {"method": method, "explained_variance": shares},
        "snr_db": snr_by_label(embedded.snr_db, labels, names),
        "snr_accuracy": snr_accuracy(embedded.snr_db, correct, labels, groups, seed),
    }
    table = pd.DataFrame(
        {
            "recording_id": dataset.ids,
            "subject": dataset.subjects,
            "label": labels,
            "predicted": np.array(names)[predicted],
            "snr_db": embedded.snr_db,
            "x": xy[:, 0],
            "y": xy[:, 1],
            "sparsity": sparsity(x),
        }
    )
    return results, table, embedded


def _from_mean(values, labels):
    """Each value's distance from the mean of its label."""
    _, member = np.unique(labels, return_inverse=True)
    return values - (np.bincount(member, values) / np.bincount(member))[member]


def _correlation(a, b, groups, rng):
    """Pearson's r and its interval over people; None where one of the two doesn't vary.

    With b 0 or 1 it is the point-biserial correlation.
    """

    def r(rows):
        x, y = a[rows], b[rows]
        return np.corrcoef(x, y)[0, 1] if np.ptp(x) > 0 and np.ptp(y) > 0 else np.nan

    value = r(np.arange(len(a)))
    if np.isnan(value):
        return None
    names, member = np.unique(groups, return_inverse=True)
    if len(names) == 1:  # as in bootstrap_interval
        member = np.arange(len(a))
    rows = [np.flatnonzero(member == k) for k in range(member.max() + 1)]
    drawn = rng.integers(len(rows), size=(N_BOOTSTRAP, len(rows)))
    values = [r(np.concatenate([rows[k] for k in some])) for some in drawn]
    return {
        "value": float(value),
        "ci95": [float(q) for q in np.nanpercentile(values, (2.5, 97.5))],
    }
