"""EmotionPipeline: Recording -> Prediction, and a chat about the recording."""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property, partial
from threading import Lock, RLock

import numpy as np

from emg_llm.bridge.spelling import spell
from emg_llm.chat import facts
from emg_llm.chat.turns import ANSWER, likely, notes
from emg_llm.hub.client import HubError, bundle_folder, part, resolve
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.recording import RecordingError

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
    probabilities: dict
    tokens: dict = field(default_factory=dict)
    prompts: dict = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class EmotionPipeline:
    """All that the demo loads: SVM, encoders, codebook and language models of one bundle.

    llms: see from_pretrained. not_loaded: language model -> why it could not be had, a sentence.
    What was found out about the last few recordings is kept, so that a prediction and a chat
    about the same one, by whomever, read it once; the recordings themselves are not kept.
    """

    def __init__(self, folder, llms=None):
        from emg_llm.bridge.codebook import Codebook
        from emg_llm.encoders import load_encoder
        from emg_llm.llms.available import Bundle, load_llms
        from emg_llm.svm import EmotionSVM

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
    def from_pretrained(cls, folder_or_id=None, revision=None, llms=None):
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
    def llms(self):
        """Names of the language models."""
        return tuple(self._llms)

    @property
    def models(self):
        """Names of all models, in the order in which they are shown."""
        return ("svm", *self.encoders, *self.llms)

    @cached_property
    def results(self):
        """What was measured when the bundle was built: its results.json."""
        path = self.folder / "results.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def samples(self):
        """name -> path of the sample recordings that ship with the bundle."""
        return {
            name: self.folder / "samples" / file
            for name, file in self.config.get("samples", {}).items()
        }

    def llm(self, name=None):
        """The language model of a name, the first where there is none; ValueError for others."""
        if not self._llms:
            raise ValueError("No language model is loaded, so there is nobody to talk to.")
        if name is not None and name not in self._llms:
            raise ValueError(f"No language model {name!r}; loaded are {', '.join(self.llms)}.")
        return self._llms[name or self.llms[0]]

    def __call__(self, recording):
        """A Prediction. Raises RecordingError when no model can read this recording."""
        return self._found(recording).once("prediction", lambda: self._predict(recording))

    def chat(self, recording, message, llm=None, history=()):
        """Stream one language model's answer to `message` about a recording, piece by piece.

        The conversation begins with the recording as the model reads it and the emotion that
        it scores highest, and the first question tells the scores and the strongest sites, so the
        chat talks about the emotion that the probabilities show.
        history: earlier messages, {"role": "user" | "assistant", "content": text}; marks of
        `checked` are taken off its answers.
        """
        model = self.llm(llm)
        reading, probabilities = self._read(recording, model)
        scores = likely(model.labels, probabilities)
        said = [{"role": m["role"], "content": m["content"]} for m in history]
        while said and said[0]["role"] == "assistant":  # what it answered is not known
            said = said[1:]
        for m in said:
            if m["role"] == "assistant":
                m["content"] = facts.unmarked(m["content"])
        messages = [
            {"role": "user", "content": reading.prompt()},
            {"role": "assistant", "content": ANSWER.format(label=scores[0][0])},
            *said,
            {"role": "user", "content": message},
        ]
        yield from model.reply(messages, notes(reading, scores))

    def checked(self, recording, message, reply, llm=None):
        """A complete `reply` to `message` with what it states about the recording marked.

        ✓ follows what was recomputed from the recording and holds, ✗ with what was measured what
        does not.
        """
        model = self.llm(llm)
        reading, probabilities = self._read(recording, model)
        scores = likely(model.labels, probabilities)
        reply = facts.unmarked(reply)  # marks of its own would be taken for ours
        return facts.marked(
            reply, facts.check(reply, reading, scores[0][0], scores, message, self.labels)
        )

    def _found(self, recording):
        """What has been found out about this recording so far: _Found."""
        key = _fingerprint(recording)
        with self._lock:
            found = self._recent.setdefault(key, _Found())
            self._recent.move_to_end(key)
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        return found

    def _read(self, recording, llm, cleaned=None):
        """(Reading, probabilities (labels,)) of one language model."""
        found = self._found(recording)
        # Language models of one bridge share the reading.
        reading = found.once(llm.bridge, lambda: llm.bridge.read(recording, cleaned=cleaned))
        scored = found.once(llm, lambda: llm.probabilities([reading.prompt()])[0])
        return reading, scored

    def _predict(self, recording):
        cleaned = clean(recording)  # once for all models
        ways = {"svm": (self.svm.labels, lambda: self.svm(cleaned))}
        for arch, encoder in self.encoders.items():
            ways[arch] = encoder.config.labels, lambda encoder=encoder: encoder(cleaned)
        for name, llm in self._llms.items():
            ways[name] = llm.labels, lambda llm=llm: self._read(recording, llm, cleaned)[1]
        probabilities, refused = {}, {}
        for model, (labels, ask) in ways.items():
            try:
                probabilities[model] = dict(zip(labels, map(float, ask()), strict=True))
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
                *self._warnings(recording, cleaned),
                *(f"{model} can't read this recording: {e}" for model, e in refused.items()),
            ),
        )

    def _headline(self, probabilities):
        asked = [p for model, p in probabilities.items() if model in self._llms]
        asked = asked or list(probabilities.values())
        labels = dict.fromkeys(label for p in asked for label in p)
        return max(labels, key=lambda label: sum(p.get(label, 0.0) for p in asked))

    def _warnings(self, recording, cleaned):
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
        if assess_quality(recording, cleaned).verdict == "poor":
            yield "The signal quality is poor; see the quality report before trusting a prediction."


class _Found:
    """What has been found out about one recording; each thing is worked out once.

    Whoever asks while it is being worked out waits for it.
    """

    def __init__(self):
        self._lock, self._values = RLock(), {}

    def once(self, key, make):
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            return self._values[key]


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
