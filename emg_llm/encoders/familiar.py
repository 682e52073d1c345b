"""Is a recording like those that an encoder learned from?

A recording is as strange as its level is far from the nearest training recordings. The distance
is measured along the training people's main directions, each with the same weight: along most of
them they vary little, which is where noise and other muscles stand out.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

AXES, NEAREST = 32, 5
POINTS = 1024  # maximum number of training recordings that are kept
ACCEPTED = 0.98  # share of the validation people's recordings
LENGTHS = (1, 2, 4, 8, 16)  # frames; correlations are less certain in a short recording
# What a reason is found with, see `quantities`: their usual range is kept.
QUANTITIES = ("amplitude", "mean frequency", "activity", "contrast", "likeness")
RANGE = 0.01, 0.5, 0.99  # quantiles


class Familiar(nn.Module):
    """Distances of levels (n, levels) from the training people's; all are near before `fit`."""

    def __init__(self, n_levels: int) -> None:
        super().__init__()
        axes = min(AXES, n_levels)
        self.middle: Tensor = nn.Buffer(torch.zeros(n_levels))
        self.axes: Tensor = nn.Buffer(torch.zeros(n_levels, axes))
        self.points: Tensor = nn.Buffer(torch.zeros(POINTS, axes))
        self.n_points: Tensor = nn.Buffer(torch.zeros((), dtype=torch.long))
        self.limits: Tensor = nn.Buffer(torch.full((len(LENGTHS),), torch.inf))
        self.ranges: Tensor = nn.Buffer(torch.zeros(len(QUANTITIES), len(RANGE)))

    def forward(self, level: Tensor) -> Tensor:
        """The mean distance (n,) to the nearest training recordings."""
        points = self.points[: int(self.n_points)]
        if not len(points):
            return level.new_zeros(len(level))
        distance = torch.cdist(
            (level - self.middle) @ self.axes, points, compute_mode="donot_use_mm_for_euclid_dist"
        )
        return distance.sort(dim=1).values[:, :NEAREST].mean(dim=1)

    def excess(self, level: Tensor, n_frames: int) -> float:
        """How many times as far as the limit a recording's mean level (levels,) is; inf for NaN."""
        if torch.isinf(self.limits).any():
            return 0.0
        limit = np.interp(np.log(n_frames), np.log(LENGTHS), self.limits.cpu().numpy())
        excess = float(self(level[None])[0]) / float(limit)
        return excess if np.isfinite(excess) else np.inf

    @torch.no_grad()
    def fit(self, levels: Tensor, seed: int = 0) -> None:
        """Keep levels of the training people's recordings, (n, levels)."""
        levels = levels.cpu().double()
        self.middle.copy_(levels.mean(dim=0))
        _, sizes, directions = torch.linalg.svd(levels - levels.mean(dim=0), full_matrices=False)
        spread = sizes / len(levels) ** 0.5
        sure = spread > 1e-3 * spread[0].clamp_min(1e-6)  # fewer recordings than axes
        k = min(self.axes.shape[1], int(sure.sum()))
        self.axes.zero_()
        self.axes[:, :k] = (directions[:k].T / spread[:k]).to(self.axes)
        chosen = torch.randperm(len(levels), generator=torch.Generator().manual_seed(seed))[:POINTS]
        self.n_points.fill_(len(chosen))
        self.points.zero_()
        at = levels[chosen].to(self.middle) - self.middle
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

    amplitude: root of the mean power, in u. mean frequency: Hz. activity: standard deviation of
    the log power over frames. contrast: of the channels' log powers. likeness: median absolute
    correlation between channels.
    """
    power = whole[:, 1:].double().mean(dim=0).numpy()
    there = power > 0
    amplitude = float(np.sqrt(power.mean()))
    if not there.any() or not np.isfinite(amplitude):
        return dict.fromkeys(QUANTITIES, 0.0) | {"amplitude": amplitude}
    all_bands = covariance[:, :, 0].double().flatten(0, 1).numpy()[:, there][:, :, there]
    frames = np.maximum(all_bands.diagonal(axis1=1, axis2=2), 1e-9 * power[there])
    pairs = np.triu_indices(int(there.sum()), 1)
    scale = np.sqrt(np.maximum(all_bands.mean(axis=0).diagonal(), 1e-30))
    r = np.abs(all_bands.mean(axis=0) / scale / scale[:, None])[pairs]
    return {
        "amplitude": amplitude,
        "mean frequency": float(whole[:, 0].mean()) * len(power) / int(there.sum()),
        "activity": float(np.log(frames).mean(axis=1).std()),
        "contrast": float(np.log(power[there]).std()),
        "likeness": float(np.median(r)) if len(r) else 0.0,
    }


def lengths_of(
    front: tuple[Tensor, Tensor], level: Callable[..., Tensor], generator: torch.Generator
) -> Tensor:
    """The mean levels (lengths, levels) of a recording's front, cut at random to LENGTHS.

    level(covariance, whole) gives the levels of segments.
    """
    covariance, whole = front
    levels = []
    for length in LENGTHS[:-1]:
        spare = covariance.shape[1] - length + 1
        if spare < 2:
            levels.append(level(covariance, whole).mean(dim=0))
            continue
        start = int(torch.randint(spare, (), generator=generator))
        cut = covariance[:, start : start + length]
        powers = cut[:, :, 0].diagonal(dim1=-2, dim2=-1).mean(dim=1)
        levels.append(level(cut, torch.cat([whole[:, :1], powers], dim=1)).mean(dim=0))
    return torch.stack([*levels, level(covariance, whole).mean(dim=0)])


@torch.inference_mode()
def fit_familiar(
    familiar: Familiar,
    level: Callable[..., Tensor],
    fronts: Sequence[tuple[Tensor, Tensor]],
    people: np.ndarray,
    others: Sequence[tuple[Tensor, Tensor]] | None = None,
    folds: int = 3,
    seed: int = 0,
) -> None:
    """Fit to the training people's fronts, with limits from the fronts of other people.

    Without `others`, each fold of the training people is measured against the rest of them.
    level: see `lengths_of`; people: (fronts,).
    """
    from sklearn.model_selection import GroupKFold

    generator = torch.Generator().manual_seed(seed)

    def measured(fronts):  # (n, lengths, levels)
        return torch.stack([lengths_of(front, level, generator) for front in fronts])

    def distances(x):  # (n, lengths, levels) -> (lengths, n)
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
