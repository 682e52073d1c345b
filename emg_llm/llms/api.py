"""ApiLLM: a chat LLM behind an API that reads EMG in the same prompts as a local one.

An adapter of ours, served by vLLM, is asked as it was trained: a label's score is the likelihood of
its complete answer. Any other model is told what the prompt means, and chooses a letter for each
emotion. Where a server gives no log-probabilities, the model only names one emotion.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emg_llm.bridge.reading import NO_EMG, Reading
from emg_llm.bridge.spelling import spell_messages
from emg_llm.chat.grounded import WHOLE, Grounded
from emg_llm.chat.turns import ANSWER, Chat, Message
from emg_llm.evaluation.confidence import Confidence
from emg_llm.llms.loading import LlmError, end_of_turn
from emg_llm.llms.model import NO_ANSWER
from emg_llm.llms.scoring import common
from emg_llm.llms.server import ApiServer, Refused

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from emg_llm.bridge import Bridge
    from emg_llm.signal.recording import Recording

ABOUT = (
    "You talk with a person about one surface-EMG recording of a face. The first message holds "
    "what was measured: at each site of the face the level of muscle activity, in {unit} above (+) "
    "or below (-) what is typical; the signal-to-noise ratio (SNR, dB), the quality, and when the "
    "face was active. State only what is given there, in one or two short sentences. Say that you "
    "don't know what isn't there."
)
CHOOSE = (
    "{prompt}\n\nWhich emotion fits this facial EMG best? Answer with one letter alone.\n{choices}"
)
NAME_ONE = "{prompt}\n\nWhich emotion fits this facial EMG best? Name one of: {labels}."
TOP = 20  # log-probabilities for each token; servers give no more
LEAST_MASS = 0.02  # of the letters together; below it the model doesn't answer with letters
AT_ONCE = 4  # requests

WHOLE_ANSWERS = "the log-probabilities of the complete answers"
LETTERS = "the log-probabilities of letters that stand for the emotions"
CHOICE = (
    "a constrained choice: the server gives no log-probabilities, so the model names one emotion "
    "and says nothing of how sure it is"
)


class ApiLLM:
    """A chat LLM on a server, used like an EmgLLM.

    tokenizer: of an adapter of ours that the server runs; None for any other model. grounded: see
    `EmgLLM`. scored_by: how the emotions were scored last, "" before.
    """

    scored_by = ""

    def __init__(
        self,
        name: str,
        server: ApiServer,
        labels: Sequence[str],
        bridge: Bridge,
        confidence: Confidence | None = None,
        spelling: str = "plain",
        tokenizer: PreTrainedTokenizerBase | None = None,
        grounded: str = WHOLE,
    ) -> None:
        self.name, self.server, self.labels = name, server, tuple(labels)
        self.bridge, self.spelling, self.tokenizer = bridge, spelling, tokenizer
        self.confidence, self.grounded = confidence or Confidence(), grounded
        self._silent: dict[str, np.ndarray] = {}

    def reading_with(self, bridge: Bridge) -> Self:
        """The same model with another bridge of the same kind."""
        llm = copy.copy(self)
        llm.bridge = bridge
        return llm

    @property
    def note(self) -> str:
        """A sentence about where its probabilities come from, "" before there are any."""
        way = self.scored_by
        return f"{self.name} is on a server; its probabilities come from {way}." if way else ""

    def label_scores(self, readings: Sequence[Reading], progress: bool = False) -> np.ndarray:
        """Logarithms of how likely the model finds each label: float64 (readings, labels).

        Raises LlmError.
        """
        return self._scored(readings, progress)[1]

    def _scored(self, readings, progress=False):
        """(the way, scores of all readings by it): the best way that the server has for all."""
        from tqdm.auto import tqdm

        ours = self.tokenizer is not None
        best = (WHOLE_ANSWERS, self._by_answers) if ours else (LETTERS, self._by_letters)
        choice = CHOICE, self._by_choice
        for way, score in (choice,) if self.scored_by == CHOICE else (best, choice):
            try:
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    scored = pool.map(score, readings)
                    rows = list(tqdm(scored, "scoring", len(readings), disable=not progress))
                break
            except Refused:
                if way == CHOICE:
                    raise
        self.scored_by = way
        return way, np.array(rows).reshape(len(readings), len(self.labels))

    def probabilities(self, readings: Sequence[Reading], progress: bool = False) -> np.ndarray:
        """Probabilities of the labels: float (readings, labels).

        Of a model that isn't ours, what it answers without EMG is taken away (Zhao et al. 2021,
        arXiv:2102.09690). A calibration is of complete answers, and nothing else uses it.
        """
        way, scores = self._scored(readings, progress)
        confidence = self.confidence if way == WHOLE_ANSWERS else Confidence()
        if way == LETTERS:
            if LETTERS not in self._silent:
                there, [silent] = self._scored([NO_EMG])
                if there != LETTERS:
                    return self.probabilities(readings, progress)
                self._silent[LETTERS] = silent
            confidence = Confidence(prior=tuple(self._silent[LETTERS]))
        of = [r.missing for r in readings], [r.zero for r in readings]
        return confidence.probabilities(scores, *of)

    def __call__(self, recording: Recording) -> np.ndarray:
        """Probabilities for one recording: float (labels,)."""
        return self.probabilities([self.bridge.read(recording)])[0]

    def reply(self, chat: Chat | Grounded, max_new_tokens: int = 128) -> Iterator[str]:
        """Stream the answer to a chat. Raises LlmError."""
        empty = True
        for piece in self.server.stream(self._messages(chat), max_new_tokens):
            empty = empty and not piece.strip()
            yield piece
        if empty:
            yield NO_ANSWER

    def _messages(self, chat: Chat | Grounded) -> list[Message]:
        turns = spell_messages(chat.turns, self.spelling)
        if self.tokenizer is not None or isinstance(chat, Grounded):
            return turns
        unit = chat.reading.unit or "its own unit"
        return [{"role": "system", "content": ABOUT.format(unit=unit)}, *turns]

    def _by_answers(self, reading):
        """Log-likelihoods of the complete label answers, as `EmgLLM.label_scores` has them."""
        chats = [Chat(reading, label) for label in self.labels]
        [before] = self._token_ids([Chat(reading)], ask=True)
        end = end_of_turn(self.tokenizer)[1]
        whole = []
        for ids in self._token_ids(chats, ask=False):
            start = len(common([before, ids]))
            whole.append(ids[: ids.index(end, start) + 1])
        told = self.server.echoed(whole)
        return [
            sum(p or 0.0 for p in row[len(common([before, ids])) :])
            for row, ids in zip(told, whole, strict=True)
        ]

    def _token_ids(self, chats, ask):
        encoded: Any = self.tokenizer.apply_chat_template(
            [spell_messages(chat.turns, self.spelling) for chat in chats],
            add_generation_prompt=ask,
            return_dict=True,
        )
        return encoded["input_ids"]

    def _by_letters(self, reading):
        """Log-probabilities of the letters, one for each label, as the answer's first token."""
        letters = ascii_uppercase[: len(self.labels)]
        pairs = zip(letters, self.labels, strict=True)
        choices = "\n".join(f"{letter} {label}" for letter, label in pairs)
        given = replace(reading, given=CHOOSE.format(prompt=reading.prompt(), choices=choices))
        messages = self._messages(Chat(given))
        answer = self.server.answer(messages, max_tokens=1, logprobs=True, top_logprobs=TOP)
        first = answer.logprobs and answer.logprobs.content and answer.logprobs.content[0]
        if not first or not first.top_logprobs:
            raise Refused("no log-probabilities")
        p = dict.fromkeys(letters, 0.0)
        for top in first.top_logprobs:
            letter = top.token.strip().strip("(.)").upper()
            if letter in p:
                p[letter] += float(np.exp(top.logprob))
        if sum(p.values()) < LEAST_MASS:
            raise Refused("it doesn't answer with letters")
        # A letter that isn't among the likeliest is at most as likely as the last of them.
        least = float(np.exp(min(top.logprob for top in first.top_logprobs)))
        return [np.log(max(p[letter], min(least, 1e-3), 1e-12)) for letter in letters]

    def _by_choice(self, reading):
        """Scores from one named emotion: Laplace's rule of succession, since one is all we know."""
        if self.tokenizer is not None:
            text = self.server.answer(self._messages(Chat(reading)), max_tokens=24).message.content
        else:
            labels = ", ".join(self.labels)
            given = replace(reading, given=NAME_ONE.format(prompt=reading.prompt(), labels=labels))
            messages = self._messages(Chat(given))
            try:
                answer = self.server.answer(messages, max_tokens=32, response_format=self._format)
            except Refused:  # it can't constrain an answer: the text must do
                answer = self.server.answer(messages, max_tokens=32)
            text = answer.message.content
        label = self._named(text or "")
        n = len(self.labels)
        return [np.log((1 + (one == label)) / (n + 1)) for one in self.labels]

    @property
    def _format(self):
        """JSON with one of the labels, for servers that constrain what a model writes."""
        schema = {
            "type": "object",
            "properties": {"emotion": {"type": "string", "enum": list(self.labels)}},
            "required": ["emotion"],
            "additionalProperties": False,
        }
        form = {"name": "emotion", "strict": True, "schema": schema}
        return {"type": "json_schema", "json_schema": form}

    def _named(self, text):
        """The one label in an answer. Raises LlmError if it names none or several."""
        try:
            text = str(json.loads(text)["emotion"])
        except (ValueError, KeyError, TypeError):
            text = text.removeprefix(ANSWER.format(label=""))
        named = {label for label in self.labels if label.lower() in text.lower()}
        # "fear" is not meant where "fear of falling" is.
        named = {a for a in named if not any(a != b and a in b for b in named)}
        if len(named) != 1:
            raise LlmError(
                f"{self.name} names none of the emotions, or several: ask another model."
            )
        return named.pop()
