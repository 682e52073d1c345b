"""Label answers laid out to be scored in one pass."""

from collections.abc import Iterable, Sequence

import torch

SCORING_BATCH = 32  # prompts


def common(sequences: Iterable[Sequence[int]]) -> list[int]:
    """What all of some sequences begin with, as a list."""
    shared = []
    for column in zip(*sequences, strict=False):
        if any(value != column[0] for value in column):
            break
        shared.append(column[0])
    return shared


class Answers:
    """Answers as one row of token ids: what all begin with, then what each has of its own.

    shared: ids. own, label, depth: int (tokens,): id, whose it is, and its place in that answer.
    follows: int (shared + tokens,), which position predicts each, from the prompt's last token on.
    replaced: how many of a prompt's last ids the answers begin anew.
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
