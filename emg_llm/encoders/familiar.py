"""Is a recording like those that an encoder learned from?

A recording is as strange as its simple QUANTITIES are far from those of the nearest training
recordings. The distance is measured along the training people's main directions, each with the
same weight: along some of them they vary little, which is where noise and other muscles stand out.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from emg_llm.encoders.front import BANDS

NEAREST = 5
POINTS = 2048  # maximum number of training recordings that are kept
ACCEPTED = 0.97  # share of the validation people's recordings
LENGTHS = (1, 2, 4, 8, 16)  # frames; quantities are less certain in a short recording
QUANTITIES = (
    "amplitude",
    "mean frequency",
    "low band",
    "middle band",
    "activity",
    "peak",
    "contrast",
    "likeness",
)
# What keeps their logarithms apart from those of nothing: far below any recording's.
LEAST = np.array([1e-12, 1e-3, 1e-3, 1e-3, 0.05, 1e-3, 0.05, 0.02])
RANGE = 0.01, 0.5, 0.99  # quantiles of what is usual
LOW, MIDDLE = (BANDS.index(band) for band in ((20.0, 60.0), (60.0, 120.0)))


class Familiar(nn.Module):
    """Distances of vectors (n, size), by default log QUANTITIES, from the training people's; all
    are near before `fit`."""

    def __init__(self, size: int = len(QUANTITIES)) -> None:
        super().__init__()
        self.middle: Tensor = nn.Buffer(torch.zeros(size))
        self.axes: Tensor = nn.Buffer(torch.zeros(size, size))
        self.points: Tensor = nn.Buffer(torch.zeros(POINTS, size))
        self.n_points: Tensor = nn.Buffer(torch.zeros((), dtype=torch.long))
        self.limits: Tensor = nn.Buffer(torch.full((len(LENGTHS),), torch.inf))
        self.ranges: Tensor = nn.Buffer(torch.zeros(len(QUANTITIES), len(RANGE)))

    def forward(self, vectors: Tensor) -> Tensor:
        """The mean distance (n,) to the nearest training recordings."""
        points = self.points[: int(self.n_points)]
        if not len(points):
            return vectors.new_zeros(len(vectors))
        distance = torch.cdist(
            (vectors - self.middle) @ self.axes, points, compute_mode="donot_use_mm_for_euclid_dist"
        )
        return distance.sort(dim=1).values[:, :NEAREST].mean(dim=1)

    def excess(self, found: dict[str, float], n_frames: int) -> float:
        """How many times as far as the limit a recording's quantities are; inf for NaN."""
        if torch.isinf(self.limits).any():
            return 0.0
        limit = np.interp(np.log(n_frames), np.log(LENGTHS), self.limits.cpu().numpy())
        excess = float(self(vector_of(found).to(self.middle)[None])[0]) / float(limit)
        return excess if np.isfinite(excess) else np.inf

    @torch.no_grad()
    def fit(self, vectors: Tensor, seed: int = 0) -> None:
        """Keep vectors of the training people's recordings, (n, size)."""
        vectors = vectors.cpu().double()
        self.middle.copy_(vectors.mean(dim=0))
        _, sizes, directions = torch.linalg.svd(vectors - vectors.mean(dim=0), full_matrices=False)
        spread = sizes / len(vectors) ** 0.5
        sure = spread > 1e-3 * spread[0].clamp_min(1e-6)  # fewer recordings than axes
        k = min(self.axes.shape[1], int(sure.sum()))
        self.axes.zero_()
        self.axes[:, :k] = (directions[:k].T / spread[:k]).to(self.axes)
        chosen = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))[
            :POINTS
        ]
        self.n_points.fill_(len(chosen))
        self.points.zero_()
        at = vectors[chosen].to(self.middle) - self.middle
        self.points[: len(chosen)] = at @ self.axes

    @torch.no_grad()
    def fit_limits(self, distances: np.ndarray) -> None:
        """Set the limits from other people's distances, (lengths, n), inf with too few.

        The rank makes the limit hold for a new recording, as in conformal prediction.
        """
        distances = np.sort(distances, axis=1)
        rank = int(np.ceil((distances.shape[1] + 1) * ACCEPTED))
        if rank <= distances.shape[1]:
            self.limits.copy_(torch.from_numpy(distances[:, rank - 1]))
        else:
            self.limits.fill_(torch.inf)

    @torch.no_grad()
    def fit_ranges(self, fronts: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Set the usual range of QUANTITIES from the fronts of training recordings."""
        values = np.array([list(quantities(*front).values()) for front in fronts])
        self.ranges.copy_(torch.from_numpy(np.quantile(values, RANGE, axis=0).T))

    def usual(self, quantity: str) -> tuple[float, float, float]:
        """(low, typical, high) of one of QUANTITIES."""
        low, typical, high = self.ranges[QUANTITIES.index(quantity)].tolist()
        return low, typical, high


def quantities(covariance: Tensor, whole: Tensor) -> dict[str, float]:
    """QUANTITIES of a recording's front, over the channels with a signal.

    amplitude: root of the mean power, in u. mean frequency: Hz. low, middle band: their shares of
    the power. activity: standard deviation of the log power over frames. peak: the strongest
    frame's log power above the median frame's. contrast: standard deviation of the channels' log
    powers. likeness: median absolute correlation between channels.
    """
    power = whole[:, 1:].double().mean(dim=0).numpy()
    there = power > 0
    amplitude = float(np.sqrt(power.mean()))
    if not there.any() or not np.isfinite(amplitude):
        return dict.fromkeys(QUANTITIES, 0.0) | {"amplitude": amplitude}
    bands = covariance.double().flatten(0, 1).numpy()[:, :, there][:, :, :, there]
    by_frame = bands.diagonal(axis1=2, axis2=3)  # (frames, bands, channels)
    shares = by_frame.mean(axis=0) / np.maximum(by_frame[:, 0].mean(axis=0), 1e-30)
    frames = np.log(np.maximum(by_frame[:, 0], 1e-9 * power[there])).mean(axis=1)
    pairs = np.triu_indices(int(there.sum()), 1)
    mean = bands[:, 0].mean(axis=0)
    scale = np.sqrt(np.maximum(mean.diagonal(), 1e-30))
    r = np.abs(mean / scale / scale[:, None])[pairs]
    return {
        "amplitude": amplitude,
        "mean frequency": float(whole[:, 0].mean()) * len(power) / int(there.sum()),
        "low band": float(shares[LOW].mean()),
        "middle band": float(shares[MIDDLE].mean()),
        "activity": float(frames.std()),
        "peak": float(frames.max() - np.median(frames)),
        "contrast": float(np.log(power[there]).std()),
        "likeness": float(np.median(r)) if len(r) else 0.0,
    }


def vector_of(found: dict[str, float]) -> Tensor:
    """float64 (QUANTITIES,): their logarithms."""
    values = np.array([found[name] for name in QUANTITIES])
    return torch.from_numpy(np.log(values + LEAST))


def lengths_of(front: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
    """The vectors (lengths, QUANTITIES) of a recording's front, cut at random to LENGTHS."""
    covariance, whole = front
    vectors = []
    for length in LENGTHS[:-1]:
        spare = covariance.shape[1] - length + 1
        if spare < 2:
            vectors.append(vector_of(quantities(covariance, whole)))
            continue
        start = int(torch.randint(spare, (), generator=generator))
        cut = covariance[:, start : start + length]
        powers = cut[:, :, 0].diagonal(dim1=-2, dim2=-1).mean(dim=1)
        part = torch.cat([whole[:, :1], powers], dim=1)
        vectors.append(vector_of(quantities(cut, part)))
    return torch.stack([*vectors, vector_of(quantities(covariance, whole))])


@torch.inference_mode()
def fit_familiar(
    familiar: Familiar,
    fronts: Sequence[tuple[Tensor, Tensor]],
    people: np.ndarray,
    others: Sequence[tuple[Tensor, Tensor]] | None = None,
    folds: int = 3,
    seed: int = 0,
) -> None:
    """Fit to the training people's fronts, with limits from the fronts of other people.

    Without `others`, each fold of the training people is measured against the rest of them.
    people: (fronts,).
    """
    from sklearn.model_selection import GroupKFold

    generator = torch.Generator().manual_seed(seed)

    def measured(fronts):  # (n, lengths, quantities)
        return torch.stack([lengths_of(front, generator) for front in fronts])

    def distances(x):  # (n, lengths, quantities) -> (lengths, n)
        x = x.to(familiar.middle)
        return np.stack([familiar(x[:, k]).cpu().numpy() for k in range(len(LENGTHS))])

    mine = measured(fronts)
    if others is not None:
        familiar.fit(mine[:, -1], seed)
        limits = distances(measured(others))
    elif (n := min(folds, len(np.unique(people)))) > 1:
        limits = []
        for rest, part in GroupKFold(n).split(people, groups=people):
            familiar.fit(mine[rest, -1], seed)
            limits.append(distances(mine[part]))
        limits = np.concatenate(limits, axis=1)
        familiar.fit(mine[:, -1], seed)
    else:
        limits = np.empty((len(LENGTHS), 0))
        familiar.fit(mine[:, -1], seed)
    familiar.fit_limits(limits)
    familiar.fit_ranges(fronts)
