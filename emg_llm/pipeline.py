"""EmotionPipeline: Recording -> Prediction, and a chat about the recording."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np

from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.spelling import spell
from emg_llm.chat import facts
from emg_llm.chat.turns import Chat, Message, likely
from emg_llm.encoders import load_encoder
from emg_llm.hub.client import HubError, bundle_folder, part, resolve
from emg_llm.llms.available import Bundle, load_llms
from emg_llm.llms.model import EmgLLM
from emg_llm.signal.once import Memo, Prepared
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.svm import EmotionSVM

MIN_SECONDS = 0.25
REMEMBERED = 8  # recordings of which what was found out is kept


@dataclass(frozen=True)
class Prediction:
    """What the models say about one recording.

    label: the likeliest by the mean of the language models' probabilities; of all models' where
    no language model is loaded. probabilities: model -> label -> probability. tokens: language
    model -> the codes as it reads them, none where it reads no codes. prompts: language model ->
    all that it reads of the recording. warnings: sentences for a reader.
    """

    label: str
    probabilities: dict[str, dict[str, float]]
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class EmotionPipeline:
    """All that the demo loads: SVM, encoders, codebook and language models of one bundle.

    llms: see from_pretrained. not_loaded: language model -> why it could not be had, a sentence.
    What was found out about the last few recordings is kept, so that a prediction and a chat
    about the same one, by whomever, read it once; the recordings themselves are not kept.
    """

    def __init__(self, folder: Path, llms: Sequence[str] | None = None) -> None:
        self.folder = folder
        self.config = json.loads((folder / "config.json").read_text())
        self.labels = tuple(self.config["labels"])
        self.trained_on = self.config["trained_on"]
        self.svm = EmotionSVM.from_pretrained(part(folder, self.config, "svm"))
        archs = self.config["encoders"]
        self.encoders = {
            arch: load_encoder(part(folder, self.config, f"encoders/{arch}")) for arch in archs
        }
        codebook = Codebook.from_pretrained(part(folder, self.config, "codebook"))
        # The first encoder makes the codes.
        bundle = Bundle(
            partial(part, folder, self.config),
            tuple(self.config["llms"]),
            self.encoders[archs[0]],
            codebook,
        )
        self._llms, self.not_loaded = load_llms(bundle, llms, ("svm", *archs))
        self._recent, self._lock = OrderedDict(), Lock()

    @classmethod
    def from_pretrained(
        cls,
        folder_or_id: str | Path | None = None,
        revision: str | None = None,
        llms: Sequence[str] | None = None,
    ) -> Self:
        """The bundle that ships with the package, a folder, or a Hub id.

        llms: which language models, the bundle's own by default; each the "NAME" of one of the
        bundle's, an adapter's folder or Hub id, or "NAME=ADAPTER". Those that can't be had are in
        `not_loaded`. Raises HubError when there is no bundle there.
        """
        folder = bundle_folder() if folder_or_id is None else resolve(folder_or_id, revision)
        if not (folder / "config.json").exists():
            raise HubError(f"{folder.name} holds no bundle; build one with `make bundle`.")
        return cls(folder, llms)

    @property
    def llms(self) -> tuple[str, ...]:
        """Names of the language models."""
        return tuple(self._llms)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all models, in the order in which they are shown."""
        return ("svm", *self.encoders, *self.llms)

    @cached_property
    def results(self) -> dict[str, Any]:
        """What was measured when the bundle was built: its results.json."""
        path = self.folder / "results.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def samples(self) -> dict[str, Path]:
        """name -> path of the sample recordings that ship with the bundle."""
        return {
            name: self.folder / "samples" / file
            for name, file in self.config.get("samples", {}).items()
        }

    def llm(self, name: str | None = None) -> EmgLLM:
        """The language model of a name, the first where there is none; ValueError for others."""
        if not self._llms:
            raise ValueError("No language model is loaded, so there is nobody to talk to.")
        if name is not None and name not in self._llms:
            raise ValueError(f"No language model {name!r}; loaded are {', '.join(self.llms)}.")
        return self._llms[name or self.llms[0]]

    def __call__(self, recording: Recording) -> Prediction:
        """A Prediction. Raises RecordingError when no model can read this recording."""
        recording = Prepared.of(recording)
        return self._known(recording).once("prediction", lambda: self._predict(recording))

    def chat(
        self,
        recording: Recording,
        message: str,
        llm: str | None = None,
        history: Iterable[Message] = (),
    ) -> Iterator[str]:
        """Stream one language model's answer to `message` about a recording, piece by piece.

        The conversation begins with the recording as the model reads it and the emotion that
        it scores highest, and the first question tells the scores and the strongest sites, so the
        chat talks about the emotion that the probabilities show.
        history: earlier messages, {"role": "user" | "assistant", "content": text}; marks of
        `checked` are taken off its answers.
        """
        model, chat = self.llm(llm), self._begun(recording, llm)
        said = list(history)
        while said and said[0]["role"] == "assistant":  # what it answered is not known
            said = said[1:]
        for m in said:
            if m["role"] == "user":
                chat = chat.asked(m["content"])
            else:
                chat = chat.answered(facts.unmarked(m["content"]))
        yield from model.reply(chat.asked(message))

    def checked(
        self, recording: Recording, message: str, reply: str, llm: str | None = None
    ) -> str:
        """A complete `reply` to `message` with what it states about the recording marked.

        ✓ follows what was recomputed from the recording and holds, ✗ with what was measured what
        does not.
        """
        chat = self._begun(recording, llm).asked(message)
        reply = facts.unmarked(reply)  # marks of its own would be taken for ours
        return facts.marked(reply, facts.check(reply, chat, self.labels))

    def _begun(self, recording, llm):
        """The Chat about a recording in which a language model has said the emotion."""
        model = self.llm(llm)
        reading, probabilities = self._read(Prepared.of(recording), model)
        scores = likely(model.labels, probabilities)
        return Chat(reading, scores[0][0], scores)

    def _known(self, recording):
        """What is known about this recording so far: a Memo."""
        key = recording.once("fingerprint", lambda: _fingerprint(recording))
        with self._lock:
            known = self._recent.setdefault(key, Memo())
            self._recent.move_to_end(key)
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        return known

    def _read(self, recording, llm):
        """(Reading, probabilities (labels,)) of one language model."""
        known = self._known(recording)
        # Language models of one bridge share the reading.
        reading = known.once(llm.bridge, lambda: llm.bridge.read(recording))
        return reading, known.once(llm, lambda: llm.probabilities([reading])[0])

    def _predict(self, recording):
        ways = {"svm": (self.svm.labels, self.svm)}
        for arch, encoder in self.encoders.items():
            ways[arch] = encoder.config.labels, encoder
        for name, llm in self._llms.items():
            ways[name] = llm.labels, lambda r, llm=llm: self._read(r, llm)[1]
        probabilities, refused = {}, {}
        for model, (labels, ask) in ways.items():
            try:
                probabilities[model] = dict(zip(labels, map(float, ask(recording)), strict=True))
            except RecordingError as error:
                refused[model] = error
        if not probabilities:
            raise next(iter(refused.values()))
        told = {n: self._read(recording, m)[0] for n, m in self._llms.items() if n not in refused}
        return Prediction(
            self._headline(probabilities),
            probabilities,
            {n: tuple(spell(t, self._llms[n].spelling) for t in r.tokens) for n, r in told.items()},
            {n: spell(r.prompt(), self._llms[n].spelling) for n, r in told.items()},
            (
                *_warnings(recording),
                *(f"{model} can't read this recording: {e}" for model, e in refused.items()),
            ),
        )

    def _headline(self, probabilities):
        asked = [p for model, p in probabilities.items() if model in self._llms]
        asked = asked or list(probabilities.values())
        labels = dict.fromkeys(label for p in asked for label in p)
        return max(labels, key=lambda label: sum(p.get(label, 0.0) for p in asked))


def _warnings(recording):
    if recording.unit == "a.u.":
        yield (
            "The unit of the signal is unknown and the models expect microvolts: choose the "
            "unit, or don't trust the prediction."
        )
    if recording.duration < MIN_SECONDS:
        yield f"The recording lasts only {recording.duration:.2f} s; predictions need more."
    if recording.sampling_rate < 900:
        yield (
            f"At {recording.sampling_rate:g} Hz the upper part of the EMG band is missing; "
            "the models were trained on 2 kHz recordings."
        )
    if assess_quality(recording).verdict == "poor":
        yield "The signal quality is poor; see the quality report before trusting a prediction."


def _fingerprint(recording):
    """What tells recordings apart: all that models read of them."""
    told = (
        recording.signal.shape,
        recording.sampling_rate,
        recording.unit,
        recording.channel_names,
        recording.cleaned,
    )
    digest = hashlib.blake2b(repr(told).encode())
    for values in (recording.signal, recording.valid):
        digest.update(np.ascontiguousarray(values).data)
    return digest.digest()
