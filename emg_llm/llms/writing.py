"""Greedy answers, token by token: what was read is kept for the next question, loops are cut."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from transformers import DynamicCache

from emg_llm.llms.scoring import common

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KEPT = 4  # prompts whose keys and values stay in memory, about 20 MB each for SmolLM2
LOOP = 24  # tokens that an answer repeats in a row


class Writer:
    """Writes answers with a causal LM and keeps the keys and values of the last prompts.

    Questions about one recording begin alike, so only what is new is read. Safe to use from
    several threads: a kept prompt serves one answer at a time. room: tokens that a prompt and its
    answer may have together.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ends: Iterable[int]
    ) -> None:
        self.model, self.tokenizer, self.ends = model, tokenizer, frozenset(ends)
        self.room = model.config.max_position_embeddings
        self._kept: list[tuple[list[int], DynamicCache]] = []
        self._lock = Lock()

    def pieces(self, prompt: Sequence[int], max_new_tokens: int) -> Generator[str]:
        """The greedy answer to a prompt (token ids), piece by piece; closing it stops it."""
        with closing(self.tokens(prompt, max_new_tokens)) as tokens:
            yield from pieces(without_loops(tokens), self.tokenizer)

    def tokens(self, prompt: Sequence[int], max_new_tokens: int) -> Generator[int]:
        """The greedy continuation of a prompt, without the token that ends it."""
        ids, (read, cache) = list(prompt), self._take(prompt)
        try:
            for _ in range(max_new_tokens):
                token = self._next(ids[read:], cache)
                read = len(ids)
                if token in self.ends:
                    return
                ids.append(token)
                yield token
        except Exception:  # nobody knows what the cache holds then
            cache = None
            raise
        finally:
            if cache is not None:
                with self._lock:
                    self._kept = [(ids[:read], cache), *self._kept][:KEPT]

    def _take(self, prompt):
        """(number of tokens that are read already, their keys and values), for this answer alone.

        The last token is always read again, since its logits begin the answer.
        """
        with self._lock:
            shared = [len(common([ids, prompt[:-1]])) for ids, _ in self._kept]
            best = max(range(len(shared)), key=shared.__getitem__, default=None)
            if best is None or 2 * shared[best] < len(self._kept[best][0]):
                return 0, DynamicCache(config=self.model.config)
            _, cache = self._kept.pop(best)
        try:
            if surplus := cache.get_seq_length() - shared[best]:
                cache.crop(-surplus)
        except RuntimeError:  # a sliding window or a recurrent state has forgotten what it read
            return 0, DynamicCache(config=self.model.config)
        return shared[best], cache

    @torch.inference_mode()
    def _next(self, ids, cache):
        """The likeliest token after `ids`, which follow those in the cache."""
        new = torch.tensor([ids], device=self.model.device)
        output = self.model(new, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return int(output.logits[0, -1].argmax())


T = TypeVar("T", int, str)


def without_loops(tokens: Iterable[T]) -> Iterator[T]:
    """Tokens, ids or texts, up to where an answer begins to repeat LOOP of its own tokens in a row.

    Tokens that occurred before are held back until it shows that they are no loop.
    """
    seen: list[T] = []
    handed = 0
    for token in tokens:
        seen.append(token)
        n = repeated(seen)
        if n >= LOOP:
            return
        while handed < len(seen) - n:
            yield seen[handed]
            handed += 1
    yield from seen[handed:]


def repeated(seen: Sequence[Any]) -> int:
    """How many tokens at the end occurred in the same order before, at most LOOP."""
    most = 0
    for end in range(len(seen) - 1, 0, -1):  # the end of an earlier occurrence
        n = 0
        while n < min(end, LOOP) and seen[end - 1 - n] == seen[-1 - n]:
            n += 1
        most = max(most, n)
    return most


def pieces(tokens: Iterable[int], tokenizer: PreTrainedTokenizerBase) -> Iterator[str]:
    """The text of tokens, as soon as its characters are whole."""
    ids: list[int] = []
    told = ""
    for token in tokens:
        ids.append(token)
        text = str(tokenizer.decode(ids, skip_special_tokens=True))
        if not text.endswith("\N{REPLACEMENT CHARACTER}") and len(text) > len(told):
            yield text[len(told) :]
            told = text
    text = str(tokenizer.decode(ids, skip_special_tokens=True))
    if len(text) > len(told):
        yield text[len(told) :]


def threads() -> int:
    """How many threads a language model gets: half of the cores, at least one.

    With a thread for each core, one that another program keeps busy holds up all of them: two
    threads on two busy cores write a token a second, one writes ten. OMP_NUM_THREADS overrides it.
    """
    import psutil

    given = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else 0
    cores = cores or psutil.cpu_count() or 1
    return int(given) if given.isdecimal() and int(given) else max(1, cores // 2)
