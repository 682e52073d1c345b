"""The original project's tensor and split, unchanged, to measure their leak.

Don't train a model for use on them: a segment's noisy copy and its neighbours are in both
training and validation, and features computed after z-scoring carry no information.
"""

import numpy as np
from tqdm.auto import tqdm

from emg_llm.data.datasets import DatasetError
from emg_llm.signal.features import segments_tensor
from emg_llm.signal.preprocessing import SEGMENT_LENGTH, Segments, segment
from emg_llm.signal.recording import MONTAGE

NOISE = 0.01  # standard deviation of the noise on a copy; the segment's is 1
MOST = 100_000  # segments; more would not fit into memory (600 MB, plus the model's copies)


def original_tensor(dataset, seed=0):
    """(tensor, owner): float32 (n, 128, 12), and int (n,), the recording of each segment.

    Segments of 128 samples of the raw signal, sentinels included, with each channel z-scored
    within the segment; then mean, variance, RMS and mean frequency, repeated over time; then a
    copy of each segment with Gaussian noise. A recording's copies follow its segments. Raises
    DatasetError unless the data is recordings of eight channels.
    """
    if dataset.recordings is None:
        raise DatasetError(
            f"--preset original needs recordings; {dataset.name} is a feature table. Leave it out."
        )
    counts = {r.n_channels for r in dataset.recordings}
    if counts != {len(MONTAGE)}:
        raise DatasetError(
            f"--preset original needs {len(MONTAGE)} channels and {dataset.name} has "
            f"{', '.join(map(str, sorted(counts)))}; leave it out."
        )
    total = 2 * sum(r.n_samples // SEGMENT_LENGTH for r in dataset.recordings)
    if total > MOST:
        raise DatasetError(
            f"--preset original makes {total:,} segments of {dataset.name}, more than {MOST:,}; "
            "choose fewer recordings with --labels."
        )
    rng = np.random.default_rng(seed)
    tensor = np.empty((total, SEGMENT_LENGTH, len(MONTAGE) + 4), np.float32)
    owner = np.empty(total, int)
    at = 0
    for i, recording in enumerate(tqdm(dataset.recordings, desc="segments", unit="rec")):
        plain = segments_tensor(_z_scored(segment(recording.replace(valid=None))))
        noise = rng.standard_normal(plain.shape, dtype=np.float32)
        both = np.concatenate([plain, plain + NOISE * noise])
        tensor[at : at + len(both)], owner[at : at + len(both)] = both, i
        at += len(both)
    return tensor, owner


def original_split(n, seed=0):
    """(train, validation, rest): int arrays, random 64, 20 and 16 % of n segments."""
    from sklearn.model_selection import train_test_split

    others, validation = train_test_split(np.arange(n), test_size=0.2, random_state=seed)
    train, rest = train_test_split(others, test_size=0.2, random_state=seed)
    return train, validation, rest


def _z_scored(segments):
    x = segments.signal - segments.signal.mean(axis=1, keepdims=True)
    x /= np.maximum(x.std(axis=1, keepdims=True), 1e-9)
    return Segments(x, segments.start, segments.sampling_rate)
