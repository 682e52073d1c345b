"""Ways of reading a level that need no gradient descent, and which way to go by.

Of few people a network learns who they are. Two classifiers with little freedom stand beside it:
one of the channels' powers, and one of everything that the front sees. People that none of them
was fitted on decide which of the three leads.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

PATHS = ("power", "pattern", "deep")  # the simplest first
LANDMARKS = 512  # most training recordings that new ones are compared with
POWER_FREEDOM, PATTERN_FREEDOM = 10.0, 1.0  # variance of what a person changes in the weights
LOUD = 3.0  # of what a person's recordings say beside what others' did
UNSEEN = -8.0  # score of a label that no training recording had
MOST_INPUTS = 256  # principal components that a covariance is estimated of


class Readouts(nn.Module):
    """Levels (n, levels) -> scores of both classifiers (n, 2 * labels), each of them about one
    wide on the training people; zero until fitted."""

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
        """A logistic regression of squares, and one of the distances to training recordings."""
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
        """Fit both on levels (n, levels) and their labels int (n,), tensors; too few fit none."""
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import LogisticRegression

        level, targets = level.cpu().double(), np.asarray(targets)
        n_seen = len(np.unique(targets))
        if n_seen < 2 or len(targets) <= n_seen:  # nothing tells what varies within a label
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
        for places in (self.landmarks, self.near):
            places.zero_()
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
        """Learn a person's few recordings as well. level: (n, levels); targets: int (n,);
        temperature: of the scores so far.

        The weights become the likeliest, those so far being what is expected before; where every
        label has two recordings, a discriminant analysis of these alone is added to them.
        """
        level, targets = level.clone(), torch.as_tensor(targets)  # not of inference mode
        every_twice = torch.bincount(targets, minlength=self.n_labels).min() >= 2
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
            if every_twice:
                own, bias = _discriminant(inputs.double().numpy(), targets.numpy(), self.n_labels)
                own, bias = torch.as_tensor(own).to(straight), torch.as_tensor(bias).to(straight)
                # Of so few recordings it is surer than it should be: its scores are rescaled.
                share = LOUD * scores(level).std() / (inputs @ own + bias).std()
                straight[: len(own)] += share * own
                weights[-1].add_(share * bias)


def _likeliest(scores, weights, targets, freedom):
    """Move `weights`, tensors, to where they and the targets of scores() are likeliest together,
    the weights being expected where they are with a variance of `freedom`."""
    before = [weight.clone() for weight in weights]
    optimizer = torch.optim.LBFGS(
        [weight.requires_grad_() for weight in weights],
        max_iter=200,
        tolerance_grad=1e-3,
        line_search_fn="strong_wolfe",
    )

    def unlikely():
        optimizer.zero_grad()
        moved = sum((w - b).square().sum() for w, b in zip(weights, before, strict=True))
        fit = nn.functional.cross_entropy(scores(), targets, reduction="sum")
        loss = fit + moved / (2 * freedom)
        loss.backward()
        return loss

    optimizer.step(unlikely)
    for weight in weights:
        weight.requires_grad_(False)


def _discriminant(x, targets, n_labels):
    """A linear discriminant analysis of x (n, inputs): weights (inputs, labels), bias (labels,)."""
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
    """A fitted linear classifier's weights (features, labels) and bias (labels,), float64."""
    weights, bias = model.coef_.T, model.intercept_
    if len(model.classes_) == 2:  # one score, of the second against the first
        weights, bias = np.c_[-weights, weights] / 2, np.r_[-bias, bias] / 2
    every = np.zeros((len(weights), n_labels)), np.full(n_labels, UNSEEN)
    every[0][:, model.classes_], every[1][model.classes_] = weights, bias
    return every


def lead(
    scores: Sequence[np.ndarray] | np.ndarray, targets: np.ndarray | Tensor, people: np.ndarray
) -> int:
    """Which of PATHS to go by: its index.

    scores: one array (n, labels) for each way, of recordings that it was not fitted on;
    people: (n,). It is the best one, or the first within a standard error of it over people
    (Breiman et al., Classification and Regression Trees, 1984).
    """
    targets, people = np.asarray(targets), np.asarray(people)
    right = np.stack([np.asarray(s).argmax(axis=1) == targets for s in scores]).astype(float)
    by_person = np.stack([right[:, people == p].mean(axis=1) for p in np.unique(people)], axis=1)
    best = by_person.mean(axis=1).argmax()
    lost = by_person[best] - by_person
    n = lost.shape[1]
    error = lost.std(axis=1, ddof=1) / n**0.5 if n > 1 else np.zeros(len(lost))
    return int((lost.mean(axis=1) <= error + 1e-9).argmax())
