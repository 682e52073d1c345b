"""Lays out the label answers for scoring in one pass."""

from collections.abc import Iterable, Sequence

import torch

SCORING_BATCH = 32  # prompts


def common(sequences: Iterable[Sequence[int]]) -> list[int]:
    """The longest common prefix of some sequences."""
    shared = []
    for column in zip(*sequences, strict=False):
        if any(value != column[0] for value in column):
            break
        shared.append(column[0])
    return shared


class Answers:
    """All answers as one row of token ids: their common prefix, then the rest of each.

    shared: ids of the prefix. own, label, depth: int (tokens,), the id of each further token, its
    answer's index and its place in that rest. follows: int (shared + tokens,), the position that
    predicts each token, counted from the prompt's last. replaced: the number of ids at the end of
    a prompt that the answers repeat.
    """

    def __init__(
        self, answers: Sequence[Sequence[int]], replaced: int, device: torch.device
    ) -> None:
        self.replaced, self.shared = replaced, common(answers)
        tails = [a[len(self.shared) :] for a in answers]
        flat = [(i, k, d) for k, tail in enumerate(tails) for d, i in enumerate(tail)]
        self.own, self.label, self.depth = torch.tensor(flat, device=device).T
        at = len(self.shared) + torch.arange(len(flat), device=device)
        first = torch.arange(len(self.shared), device=device)
        self.follows = torch.cat([first, torch.where(self.depth == 0, len(self.shared), at)])
