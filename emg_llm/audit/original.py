"""The original project's tensor and split, as they were, so that their leak can be measured.

Nothing here is meant for a model that anyone will use: a segment's noisy twin and its
neighbours are in training and validation alike, and features taken after z-scoring say nothing.
"""

import numpy as np
from tqdm.auto import tqdm

from emg_llm.data.datasets import DatasetError
from emg_llm.signal.features import segments_tensor
from emg_llm.signal.preprocessing import SEGMENT_LENGTH, Segments, segment
from emg_llm.signal.recording import MONTAGE

NOISE = 0.01  # standard deviation of the noise on a segment's copy, in those of the segment
MOST = 100_000  # segments; more would not fit into memory (600 MB, and the model's copies)


def original_tensor(dataset, seed=0):
    """(tensor, owner): float32 (n, 128, 12), and int (n,), the recording of each segment.

    Segments of 128 samples of the signal as it was recorded, sentinels and all, each channel
    z-scored within the segment; mean, variance, RMS and mean frequency taken after that and
    repeated over time; then each segment once more with Gaussian noise. A recording's copies
    follow its segments. Raises DatasetError for anything but recordings of eight channels.
    """
    if dataset.recordings is None:
        raise DatasetError(
            f"The original's protocol reads recordings and {dataset.name} is a feature table; "
            "leave out --preset."
        )
    counts = {r.n_channels for r in dataset.recordings}
    if counts != {len(MONTAGE)}:
        raise DatasetError(
            f"The original's protocol reads {len(MONTAGE)} channels and {dataset.name} has "
            f"{', '.join(map(str, sorted(counts)))}; leave out --preset."
        )
    total = 2 * sum(r.n_samples // SEGMENT_LENGTH for r in dataset.recordings)
    if total > MOST:
        raise DatasetError(
            f"The original's protocol makes {total:,} segments of {dataset.name}, more than "
            f"{MOST:,}; choose fewer recordings with --labels."
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
    """(train, validation, rest): int arrays, 64, 20 and 16 % of n segments drawn at random."""
    from sklearn.model_selection import train_test_split

    others, validation = train_test_split(np.arange(n), test_size=0.2, random_state=seed)
    train, rest = train_test_split(others, test_size=0.2, random_state=seed)
    return train, validation, rest


def _z_scored(segments):
    x = segments.signal - segments.signal.mean(axis=1, keepdims=True)
    x /= np.maximum(x.std(axis=1, keepdims=True), 1e-9)
    return Segments(x, segments.start, segments.sampling_rate)
