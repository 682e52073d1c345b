"""The turns of a chat about one recording, and their ShareGPT form."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import Any

from emg_llm.bridge.reading import Reading
from emg_llm.report.check import unmarked

ANSWER = "Emotion: {label}"
LIKELY = 3  # labels with scores in the prompt

Message = dict[str, str]  # role ("user" or "assistant"), content
Scores = Sequence[tuple[str, int]]  # (label, percent), the likeliest first


@dataclass(frozen=True)
class Chat:
    """A conversation about one recording: its reading, the emotion, then questions.

    label: the emotion, or None before it is known. scores: of the likeliest labels, or none.
    later: questions and answers after the emotion.
    """

    reading: Reading
    label: str | None = None
    scores: Scores = ()
    later: tuple[Message, ...] = ()

    @property
    def turns(self) -> list[Message]:
        """All messages, for training and inference alike."""
        turns: list[Message] = [{"role": "user", "content": self.reading.prompt()}]
        if self.label is not None:
            turns.append({"role": "assistant", "content": ANSWER.format(label=self.label)})
        if not self.later:
            return turns
        first, *others = self.later
        content = " ".join(filter(None, [self._context(), first["content"]]))
        return [*turns, {"role": "user", "content": content}, *others]

    def asked(self, question: str) -> "Chat":
        """The chat with one more question."""
        return replace(self, later=(*self.later, {"role": "user", "content": question}))

    def answered(self, reply: str) -> "Chat":
        """The chat with an answer to its last question."""
        return replace(self, later=(*self.later, {"role": "assistant", "content": reply}))

    def after(self, messages: Sequence[Message]) -> "Chat":
        """The chat after earlier messages, without their marks, from the first question on."""
        chat = self
        for message in dropwhile(lambda m: m["role"] == "assistant", messages):
            if message["role"] == "user":
                chat = chat.asked(message["content"])
            else:
                chat = chat.answered(unmarked(message["content"]))
        return chat

    def shorter(self) -> "Chat | None":
        """The chat without its oldest question and answer, or None with only one question."""
        return replace(self, later=self.later[2:]) if len(self.later) > 2 else None

    def _context(self):
        """Text before the first question: scores, and the strongest and the weakest sites.

        It is not in the first prompt, since a small change of levels can reorder the sites and
        would affect the scores.
        """
        scores = ", ".join(f"{label} {percent} %" for label, percent in self.scores)
        scored = f"Scored: {scores}." if scores else ""
        return " ".join(filter(None, [scored, self.reading.extremes]))


def likely(
    labels: Iterable[str], probabilities: Iterable[float], first: str | None = None
) -> tuple[tuple[str, int], ...]:
    """(label, percent) of the LIKELY likeliest labels; `first` swaps places with the likeliest."""
    p = dict(zip(labels, map(float, probabilities), strict=True))
    if first is not None:
        best = max(p, key=p.__getitem__)
        p[first], p[best] = p[best], p[first]
    ranked = sorted(p, key=p.__getitem__, reverse=True)[:LIKELY]
    return tuple((label, round(100 * p[label])) for label in ranked)


def share_gpt(messages: Iterable[Message]) -> list[Message]:
    """Messages as ShareGPT turns (`human` / `gpt`)."""
    speaker = {"user": "human", "assistant": "gpt", "system": "system"}
    return [{"from": speaker[m["role"]], "value": m["content"]} for m in messages]


def from_share_gpt(turns: Iterable[Mapping[str, Any]]) -> list[Message]:
    """ShareGPT turns as messages, with roles `human`/`gpt` or `user`/`assistant`."""
    role = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
    return [
        {
            "role": role.get(t.get("from", t.get("role")), "system"),
            "content": t.get("value", t.get("content")),
        }
        for t in turns
    ]
