"""Measure an encoder's embeddings of unseen recordings: their content, and whether errors go with
a weak signal."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from emg_llm.data.datasets import DatasetError
from emg_llm.embeddings.measures import distribution, project, separability, sparsity, structure
from emg_llm.encoders.examples import examples_of
from emg_llm.evaluation.metrics import results_of
from emg_llm.evaluation.statistics import correlation_interval, share_interval
from emg_llm.experiments.fitted import check_labels
from emg_llm.experiments.unseen import unseen_rows
from emg_llm.signal.quality import snr_db

SNR_BINS = 5


@dataclass(frozen=True, eq=False)
class Embedded:
    """The embeddings of a dataset, and how strong its signals are."""

    segments: np.ndarray  # float32 (segments, d), recording by recording
    recordings: np.ndarray  # float32 (recordings, d), means over segments
    snr_db: np.ndarray  # float (recordings,), medians over the channels


def unseen_recordings(folder, encoder, dataset):
    """(rows that the encoder was not trained on, the protocol as a dict).

    Raises DatasetError if the encoder was trained on this data, but on which people is unknown.
    """
    rows, protocol = unseen_rows(folder, dataset)
    if protocol["name"] == "other_data" and encoder.config.trained_on == dataset.name:
        raise DatasetError(
            f"The encoder was trained on {dataset.name}, but its results.json, which says who the "
            "test people are, is missing; put it beside the encoder or choose other data."
        )
    return rows, protocol


def embed_recordings(encoder, dataset, progress=True):
    """Embed every recording. Raises DatasetError for a feature table."""
    examples = examples_of(encoder, dataset, range(len(dataset)))
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


def snr_accuracy(snr, correct, labels, groups, bins=SNR_BINS):
    """Relation between SNR and accuracy over recordings, with intervals over people.

    snr: dB (recordings,); correct: bool; labels, groups: (recordings,).
    Returns bins, from weak to strong, with equally many recordings each; point_biserial, the
    correlation of correctness with SNR; within_label, the same after subtracting the mean of each
    label, as some expressions are both weaker and harder; odds_ratio_per_db of being correct, by
    logistic regression. None if all recordings are right, or all wrong.
    """
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
                "ci95": share_interval(correct[rows], groups[rows]),
            }
            for rows in rows_of_bins
        ],
        "point_biserial": _correlation(snr, correct, groups),
        "within_label": _correlation(_from_mean(snr, labels), _from_mean(correct, labels), groups),
        "odds_ratio_per_db": None if odds is None else float(np.exp(odds)),
    }


def measure_embeddings(encoder, dataset, protocol, method="pca", seed=0, progress=True):
    """All measures of recordings that the encoder has not seen.

    method: of the map, "pca" or "tsne". Returns the dict of results.json, a pandas table with one
    row per recording, and the Embedded. Raises DatasetError for labels unknown to the encoder.
    """
    import pandas as pd

    labels, names = encoder.config.labels, dataset.label_names
    check_labels("The encoder", labels, dataset)
    embedded = embed_recordings(encoder, dataset, progress)
    x = embedded.recordings
    probabilities = encoder.classify(torch.from_numpy(x))[:, [labels.index(n) for n in names]]
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    correct = predicted == dataset.targets
    truth, groups = np.array(dataset.labels), dataset.groups
    xy, shares = project(x, method, seed)
    about = encoder.config.arch, dataset.name, protocol, names
    results = results_of(*about, dataset.targets, probabilities, groups) | {
        "segments": structure(embedded.segments),
        "recordings": structure(x),
        "separability": separability(x, dataset, seed),
        "map": {"method": method, "explained_variance": shares},
        "snr_db": snr_by_label(embedded.snr_db, truth, names),
        "snr_accuracy": snr_accuracy(embedded.snr_db, correct, truth, groups),
    }
    table = pd.DataFrame(
        {
            "recording_id": dataset.ids,
            "subject": dataset.subjects,
            "label": truth,
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


def _correlation(a, b, groups):
    """Pearson's r (point-biserial for b 0 or 1) and its interval over people; None if a or b is
    constant."""

    def r(rows):
        x, y = a[rows], b[rows]
        return np.corrcoef(x, y)[0, 1] if np.ptp(x) > 0 and np.ptp(y) > 0 else np.nan

    value = r(np.arange(len(a)))
    if np.isnan(value):
        return None
    return {"value": float(value), "ci95": correlation_interval(r, groups)}
