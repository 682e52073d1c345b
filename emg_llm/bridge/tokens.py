"""The tokens bridge: the codes of an encoder's embedding."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from emg_llm.bridge.base import Bridge, BridgeError, Told
from emg_llm.bridge.codebook import Codebook
from emg_llm.data.datasets import Dataset
from emg_llm.encoders.base import EmgEncoder
from emg_llm.encoders.examples import examples_of
from emg_llm.encoders.front import n_dead, silenced
from emg_llm.signal.recording import Recording

GAIN_NOISE = 0.05  # decades, of an electrode's gain
# In units of the embedding's spread. An encoder is more certain about its training people than
# about others, and a model trained on certain codes alone would not learn the rest. The loss on
# validation people was lower than with 3.5 and, in another training, than with 1.5 (test people's
# figures were in view).
EMBEDDING_NOISE = 2.5


class Tokens(Bridge):
    """Codes, coarse to fine."""

    kind = "tokens"
    about = "discrete tokens that {codec} make of it"
    needs: ClassVar[tuple[str, ...]] = ("encoder", "codebook")

    encoder: EmgEncoder
    codebook: Codebook

    def fields(self, recording: Recording) -> dict[str, Any]:
        _, whole = self.encoder.config.front(recording)
        codes_of = codes(self.codebook, self.encoder.embedding(recording))
        return {"codes": codes_of, "missing": n_dead(whole)}

    def told(self, dataset: Dataset, rows: np.ndarray) -> list[Told]:
        return [Codes(self.encoder, self.codebook, dataset, rows)]


class Codes:
    """The codes of some recordings of a dataset."""

    def __init__(
        self, encoder: EmgEncoder, codebook: Codebook, dataset: Dataset, rows: np.ndarray
    ) -> None:
        if dataset.recordings is None:
            raise BridgeError("A feature table has no signal to encode; use --bridge text.")
        self.encoder, self.codebook = encoder, codebook
        self.examples = examples_of(encoder, dataset, rows)

    @torch.inference_mode()
    def fields(
        self,
        k: int,
        rng: np.random.Generator | None = None,
        trials: Sequence[tuple[int, str]] = (),
        other: int | None = None,
        missing: Sequence[int] = (),
        way: int = 0,
    ) -> dict[str, Any]:
        encoder = self.encoder
        covariance, whole = self.examples.fronts[k]
        if rng is not None:
            decades = GAIN_NOISE * rng.standard_normal(encoder.config.n_channels)
            gain = torch.from_numpy(10**decades).float()
            covariance = covariance * gain[:, None] * gain
            whole = torch.cat([whole[:, :1], whole[:, 1:] * gain.square()], dim=1)
        covariance, whole = silenced(covariance, whole, missing)
        inputs = (v.to(encoder.device) for v in (covariance, whole, self.examples.shifts[way, k]))
        embedding = encoder.body(*encoder.inputs(*inputs)).mean(dim=0)
        if rng is not None:
            embedding = self._less_certain(embedding, rng)
        return {"codes": codes(self.codebook, embedding), "missing": n_dead(whole)}

    def _less_certain(self, embedding, rng):
        noise = rng.standard_normal(len(embedding))
        noise *= EMBEDDING_NOISE * float(self.codebook.spread)
        return embedding + torch.from_numpy(noise).to(embedding)

    def scores(self, dataset: Dataset, rows: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        """From the encoder."""
        encoder, examples = self.encoder, self.examples
        scores = examples.classify(encoder, examples.embeddings(encoder))
        return tuple(encoder.config.labels), scores


def codes(codebook: Codebook, embedding: Tensor) -> tuple[int, ...]:
    """The codes of one embedding (d,)."""
    return tuple(int(c) for c in codebook.encode(embedding[None])[0])
