"""EmotionPipeline: Recording -> Prediction, and a chat about the recording."""

import json
from dataclasses import dataclass
from functools import cached_property

from emg_llm.conversations import ANSWER, correction
from emg_llm.hub import HubError, bundle_folder, resolve
from emg_llm.preprocessing import clean
from emg_llm.quality import assess_quality

MIN_SECONDS = 0.25


@dataclass(frozen=True)
class Prediction:
    """What the models say about one recording.

    label: the first language model's. probabilities: model -> label -> probability.
    tokens: the codes that the language models read. warnings: sentences for a reader.
    """

    label: str
    probabilities: dict
    tokens: tuple[str, ...]
    warnings: tuple[str, ...]


class EmotionPipeline:
    """All that the demo loads: SVM, encoder, codebook and language models of one bundle."""

    def __init__(self, folder):
        from emg_llm.baseline import EmotionSVM
        from emg_llm.codebook import Codebook
        from emg_llm.encoders import load_encoder
        from emg_llm.llms.model import EmgLLM

        self.folder = folder
        self.config = json.loads((folder / "config.json").read_text())
        self.svm = EmotionSVM.from_pretrained(folder / "svm")
        self.encoder = load_encoder(folder / "encoder")
        self.codebook = Codebook.from_pretrained(str(folder / "codebook"), strict=True).eval()
        self.labels = tuple(self.config["labels"])
        self.trained_on = self.config["trained_on"]
        self._llms = {
            name: EmgLLM.from_pretrained(
                folder / "adapters" / name, self.encoder, self.codebook, folder / "llms" / name
            )
            for name in self.config["llms"]
        }

    @classmethod
    def from_pretrained(cls, folder_or_id=None, revision=None):
        """The bundle that ships with the package, a folder, or a Hub id.

        Raises HubError when there is no bundle there.
        """
        folder = bundle_folder() if folder_or_id is None else resolve(folder_or_id, revision)
        if not (folder / "config.json").exists():
            raise HubError(f"{folder.name} holds no bundle; build one with `make bundle`.")
        return cls(folder)

    @property
    def llms(self):
        """Names of the language models."""
        return tuple(self._llms)

    @property
    def models(self):
        """Names of all models, in the order in which they are shown."""
        return ("svm", self.encoder.config.arch, *self.llms)

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

    def __call__(self, recording):
        """A Prediction. Raises RecordingError when the models can't read this recording."""
        cleaned = clean(recording)  # once for all models
        readings = {name: llm.bridge.read(cleaned) for name, llm in self._llms.items()}
        found = {
            "svm": (self.svm.labels, self.svm(cleaned)),
            self.encoder.config.arch: (self.encoder.config.labels, self.encoder(cleaned)),
        }
        for name, llm in self._llms.items():
            found[name] = llm.labels, llm.probabilities([readings[name].prompt()])[0]
        probabilities = {
            model: dict(zip(labels, map(float, p), strict=True))
            for model, (labels, p) in found.items()
        }
        first = self.llms[0]
        return Prediction(
            max(probabilities[first], key=probabilities[first].get),
            probabilities,
            readings[first].tokens,
            tuple(self._warnings(recording, cleaned)),
        )

    def chat(self, recording, message, llm=None, history=()):
        """Stream one language model's answer to `message` about a recording, piece by piece.

        The conversation begins with the recording as the model reads it and the emotion that
        it scores highest, so the chat talks about the emotion that the probabilities show.
        history: earlier messages, {"role": "user" | "assistant", "content": text}.
        """
        if llm is not None and llm not in self._llms:
            raise ValueError(f"No language model {llm!r}; loaded are {', '.join(self.llms)}.")
        model = self._llms[llm or self.llms[0]]
        reading = model.bridge.read(recording)
        prompt = reading.prompt()
        label = model.labels[int(model.probabilities([prompt])[0].argmax())]
        messages = [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": ANSWER.format(label=label)},
            *({"role": m["role"], "content": m["content"]} for m in history),
            {"role": "user", "content": message},
        ]
        reply = ""
        for piece in model.reply(messages):
            reply += piece
            yield piece
        if told := correction(reading, reply):
            yield f"\n\n{told}"

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
