"""Classifiers of a level that need no gradient descent, and a choice among the paths.

With few people, a network overfits to them. Beside it are two simpler classifiers: one reads the
channels' powers, the other all inputs by band. The accuracy on held-out people decides which of
the three leads, or their sum.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

PATHS = ("power", "pattern", "deep", "combination")  # simplest first
NAMES = {
    "power": "power readout",
    "pattern": "pattern readout",
    "deep": "network",
    "combination": "combination",
}
LANDMARKS = 512  # maximum number of training recordings in the kernel
POWER_FREEDOM, PATTERN_FREEDOM = 10.0, 1.0  # prior variance of a person's weights
LOUD = 3.0  # weight of a person's own analysis relative to the readout
OWN = 3  # recordings of each label for an analysis of a person alone; with two it misleads
UNSEEN = -8.0  # score of a label without training recordings
MOST_INPUTS = 256  # maximum number of principal components for a covariance


class Readouts(nn.Module):
    """Levels (n, levels) -> scores of both classifiers (n, 2 * labels), with a standard deviation
    of about 1 on the training people; zero before `fit`."""

    def __init__(self, n_inputs: int, n_channels: int, n_labels: int) -> None:
        super().__init__()
        self.square = torch.triu_indices(n_channels, n_channels)
        self.n_inputs, self.n_channels, self.n_labels = n_inputs, n_channels, n_labels
        self.middle: Tensor = nn.Buffer(torch.zeros(n_channels))
        self.landmarks: Tensor = nn.Buffer(torch.zeros(LANDMARKS, n_channels))
        self.near: Tensor = nn.Buffer(torch.zeros(LANDMARKS, n_labels))
        n_squares = n_channels + self.square.shape[1]
        self.curved: Tensor = nn.Buffer(torch.zeros(n_squares, n_labels))
        self.power_bias: Tensor = nn.Buffer(torch.zeros(n_labels))
        self.straight: Tensor = nn.Buffer(torch.zeros(n_inputs, n_labels))
        self.pattern_bias: Tensor = nn.Buffer(torch.zeros(n_labels))
        self.reach: Tensor = nn.Buffer(torch.ones(()))
        self.widths: Tensor = nn.Buffer(torch.ones(2))  # of the scores

    def forward(self, level: Tensor) -> Tensor:
        power, pattern = self.widths
        return torch.cat([self.power(level) / power, self.pattern(level) / pattern], dim=1)

    def power(self, level: Tensor) -> Tensor:
        """Mean of two logistic regressions: of squares, and of distances to training recordings."""
        x = (level[:, -self.n_channels :] - self.middle) / self.reach
        distance = torch.cdist(x, self.landmarks, compute_mode="donot_use_mm_for_euclid_dist")
        near = torch.exp(-distance.square() / x.shape[1])
        return near @ self.near + self.squares(x) @ self.curved + self.power_bias

    def pattern(self, level: Tensor) -> Tensor:
        """A linear discriminant analysis."""
        return level[:, : self.n_inputs] @ self.straight + self.pattern_bias

    def squares(self, x: Tensor) -> Tensor:
        i, j = self.square
        return torch.cat([x, x[:, i] * x[:, j]], dim=1)

    def fit(self, level: Tensor, targets: Tensor | np.ndarray, seed: int = 0) -> None:
        """Fit both on levels (n, levels) and targets int (n,); with too few, leave them zero."""
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import LogisticRegression

        level, targets = level.cpu().double(), np.asarray(targets)
        n_seen = len(np.unique(targets))
        if n_seen < 2 or len(targets) <= n_seen:  # no variance within labels
            return
        powers = level[:, -self.n_channels :]
        self.middle.copy_(powers.mean(dim=0))
        self.reach.copy_(powers.var(dim=0).mean().sqrt().clamp_min(1e-6))
        x = (powers - powers.mean(dim=0)) / self.reach.cpu()
        kernel = Nystroem(
            gamma=1 / x.shape[1], n_components=min(LANDMARKS, len(x)), random_state=seed
        )
        near = LogisticRegression(C=3, max_iter=3000).fit(kernel.fit_transform(x), targets)
        curved = LogisticRegression(C=0.1, max_iter=3000).fit(self.squares(x), targets)
        n = len(kernel.components_)
        self.landmarks.zero_()
        self.near.zero_()
        self.landmarks[:n] = torch.as_tensor(kernel.components_)
        weights, bias = _linear(near, self.n_labels)
        self.near[:n] = torch.as_tensor(kernel.normalization_.T @ weights / 2)
        self.power_bias.copy_(torch.as_tensor(bias / 2))
        weights, bias = _linear(curved, self.n_labels)
        self.curved.copy_(torch.as_tensor(weights / 2))
        self.power_bias += torch.as_tensor(bias / 2).to(self.power_bias)
        weights, bias = _discriminant(level[:, : self.n_inputs].numpy(), targets, self.n_labels)
        self.straight.copy_(torch.as_tensor(weights))
        self.pattern_bias.copy_(torch.as_tensor(bias))
        level = level.to(self.widths)
        for k, scores in enumerate((self.power(level), self.pattern(level))):
            self.widths[k] = scores.std().clamp_min(1e-6)

    def adapt(self, level: Tensor, targets: Tensor, temperature: float = 1.0) -> None:
        """Adapt to a person's few recordings. level: (n, levels); targets: int (n,);
        temperature: of the current scores.

        The weights become the posterior mode, with the current weights as the prior mean. If
        every label has `OWN` recordings, a discriminant analysis of these alone is added.
        """
        level, targets = (
            level.clone(),
            torch.as_tensor(targets),
        )  # inference tensors have no gradients
        enough = torch.bincount(targets, minlength=self.n_labels).min() >= OWN
        x = (level[:, -self.n_channels :] - self.middle) / self.reach
        for scores, inputs, weights, straight, freedom in (
            (self.power, x, (self.near, self.curved, self.power_bias), self.curved, POWER_FREEDOM),
            (
                self.pattern,
                level[:, : self.n_inputs],
                (self.straight, self.pattern_bias),
                self.straight,
                PATTERN_FREEDOM,
            ),
        ):
            _likeliest(lambda scores=scores: scores(level) / temperature, weights, targets, freedom)
            if enough:
                own, bias = _discriminant(inputs.double().numpy(), targets.numpy(), self.n_labels)
                own, bias = torch.as_tensor(own).to(straight), torch.as_tensor(bias).to(straight)
                # An analysis of so few recordings is overconfident: rescale its scores.
                share = LOUD * scores(level).std() / (inputs @ own + bias).std()
                straight[: len(own)] += share * own
                weights[-1].add_(share * bias)


def _likeliest(scores, weights, targets, freedom):
    """Move the tensors `weights` to the posterior mode given the targets of scores(). The prior
    is centred on the current weights, with a variance of `freedom`."""
    before = [weight.clone() for weight in weights]
    optimizer = torch.optim.LBFGS(
        [weight.requires_grad_() for weight in weights],
        max_iter=200,
        tolerance_grad=1e-3,
        line_search_fn="strong_wolfe",
    )

    def negative_log_posterior():
        optimizer.zero_grad()
        change = sum((w - b).square().sum() for w, b in zip(weights, before, strict=True))
        fit = nn.functional.cross_entropy(scores(), targets, reduction="sum")
        loss = fit + change / (2 * freedom)
        loss.backward()
        return loss

    optimizer.step(negative_log_posterior)
    for weight in weights:
        weight.requires_grad_(False)


def _discriminant(x, targets, n_labels):
    """Linear discriminant analysis of x (n, inputs): weights (inputs, labels), bias (labels,)."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    components = np.eye(x.shape[1])
    if x.shape[1] > MOST_INPUTS:
        components = PCA(min(MOST_INPUTS, len(x)), random_state=0).fit(x).components_
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Variables are collinear")
        analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        analysis.fit(x @ components.T, targets)
    weights, bias = _linear(analysis, n_labels)
    return components.T @ weights, bias


def _linear(model, n_labels):
    """Weights (features, labels) and bias (labels,) of a fitted linear classifier, float64."""
    weights, bias = model.coef_.T, model.intercept_
    if len(model.classes_) == 2:  # one score: the second label against the first
        weights, bias = np.c_[-weights, weights] / 2, np.r_[-bias, bias] / 2
    padded = np.zeros((len(weights), n_labels)), np.full(n_labels, UNSEEN)
    padded[0][:, model.classes_], padded[1][model.classes_] = weights, bias
    return padded


def lead(
    scores: Sequence[np.ndarray] | np.ndarray, targets: np.ndarray | Tensor, people: np.ndarray
) -> int:
    """The index of the best of PATHS, or of the first within a standard error of it over people
    (Breiman et al., Classification and Regression Trees, 1984).

    scores: an array (n, labels) for each path, on recordings outside its training; people: (n,).
    """
    targets, people = np.asarray(targets), np.asarray(people)
    right = np.stack([np.asarray(s).argmax(axis=1) == targets for s in scores]).astype(float)
    by_person = np.stack([right[:, people == p].mean(axis=1) for p in np.unique(people)], axis=1)
    best = by_person.mean(axis=1).argmax()
    lost = by_person[best] - by_person
    n = lost.shape[1]
    error = lost.std(axis=1, ddof=1) / n**0.5 if n > 1 else np.zeros(len(lost))
    return int((lost.mean(axis=1) <= error + 1e-9).argmax())
