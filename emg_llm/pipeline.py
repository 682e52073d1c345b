"""EmotionPipeline: Recording -> Prediction, and a chat about the recording."""

import copy
import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np

from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.spelling import spell
from emg_llm.chat.grounded import Grounded
from emg_llm.chat.levels import levels
from emg_llm.chat.oddities import UNCOMPARED, oddities
from emg_llm.chat.turns import Chat, Message, likely
from emg_llm.encoders import load_encoder
from emg_llm.evaluation.confidence import Confidence
from emg_llm.evaluation.confidence import log as log_of
from emg_llm.evaluation.prediction import Prediction, finite, headline, mean_of
from emg_llm.hub.client import HubError, bundle_folder, part, resolve
from emg_llm.hub.saved import read_json
from emg_llm.llms.available import AnyLLM, Bundle, load_llms
from emg_llm.llms.loading import LlmError
from emg_llm.registry import MEAN
from emg_llm.report import Report, models
from emg_llm.report.check import check, marked, unmarked
from emg_llm.report.measured import measured
from emg_llm.report.retrieve import quoted
from emg_llm.signal.levels import ANY
from emg_llm.signal.montage import SitesError, arrange, site_warnings
from emg_llm.signal.once import Memo, Prepared, fingerprint
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.svm import EmotionSVM

log = logging.getLogger(__name__)

REMEMBERED = 8  # recordings whose results are cached


class EmotionPipeline:
    """The SVM, encoders, codebook and language models of one bundle.

    not_loaded: language model -> a sentence that says why it isn't loaded. Results for the last
    few recordings are cached, so a prediction and a chat about the same recording compute them
    once; the recordings themselves are not kept.
    """

    def __init__(self, folder: Path, llms: Sequence[str] | None = None) -> None:
        self.folder = folder
        self.config = read_json(folder / "config.json")
        self.labels = tuple(self.config["labels"])
        self.trained_on = self.config["trained_on"]
        self.mean = Confidence.from_dict(self.config.get("mean", {}))  # of its language models
        self.svm = EmotionSVM.from_pretrained(part(folder, self.config, "svm"))
        archs = self.config["encoders"]
        self.encoders = {
            arch: load_encoder(part(folder, self.config, f"encoders/{arch}")) for arch in archs
        }
        codebook = Codebook.from_pretrained(part(folder, self.config, "codebook"))
        # The first encoder makes the codes.
        of = partial(part, folder, self.config), tuple(self.config["llms"])
        bundle = Bundle(*of, self.encoders[archs[0]], codebook)
        self._llms, self.not_loaded = load_llms(bundle, llms, ("svm", *archs))
        self._recent, self._lock = OrderedDict(), Lock()

    @classmethod
    def from_pretrained(
        cls,
        folder_or_id: str | Path | None = None,
        revision: str | None = None,
        llms: Sequence[str] | None = None,
    ) -> Self:
        """Load the packaged bundle, or one from a folder or a Hub id.

        llms: the language models, by default the bundle's own; each a "NAME" from the bundle, an
        adapter's folder or Hub id, "NAME=ADAPTER", or "NAME=http://HOST:PORT/v1#MODEL" for one on
        a server. `not_loaded` lists those that fail to load.
        Raises HubError if there is no bundle.
        """
        folder = bundle_folder() if folder_or_id is None else resolve(folder_or_id, revision)
        if not (folder / "config.json").exists():
            raise HubError(f"{folder.name} holds no bundle; build one with `make bundle`.")
        return cls(folder, llms)

    def knowing(
        self, *, neutral: Sequence[Recording] = (), several: Sequence[Recording] = ()
    ) -> Self:
        """A pipeline of the same models that reads one person's recordings against others of them.

        neutral: of the person's neutral face; or several: two or more of any kind, unlabelled.
        Models not trained with `--scaling any` read as before; ValueError if there are no others.
        """
        if bool(neutral) == bool(several) or len(several) == 1:
            raise ValueError("Give neutral recordings of the person, or at least two as `several`.")
        bridges = [llm.bridge for llm in self._llms.values()]
        models: dict[Any, Any] = dict.fromkeys((self.svm, *self.encoders.values(), *bridges))
        if not any(model.scaling == ANY for model in models):
            raise ValueError(
                "The models of this bundle can't use recordings of the person, because none was "
                "trained with --scaling any."
            )
        of = [Prepared.of(r) for r in neutral or several], "neutral" if neutral else "several"
        told = {m: m.knowing(*of) if m.scaling == ANY else m for m in models}
        known = self.asking({n: m.reading_with(told[m.bridge]) for n, m in self._llms.items()})
        known.svm = told[self.svm]
        known.encoders = {arch: told[encoder] for arch, encoder in self.encoders.items()}
        return known

    def asking(self, llms: dict[str, AnyLLM]) -> Self:
        """A pipeline of the same other models, with `llms` as its language models."""
        other = copy.copy(self)
        other._llms, other._recent, other._lock = llms, OrderedDict(), Lock()
        return other

    @property
    def llms(self) -> tuple[str, ...]:
        """The names of the loaded language models."""
        return tuple(self._llms)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models, in display order."""
        return ("svm", *self.encoders, *self.llms)

    @cached_property
    def results(self) -> dict[str, Any]:
        """The bundle's results.json."""
        path = self.folder / "results.json"
        return read_json(path) if path.exists() else {}

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that the models read, in their order."""
        return tuple(next(iter(self.encoders.values())).config.sites)

    @property
    def samples(self) -> dict[str, Path]:
        """name -> path of the bundle's sample recordings."""
        files = self.config.get("samples", {})
        return {name: self.folder / "samples" / file for name, file in files.items()}

    @property
    def montages(self) -> dict[str, str]:
        """name -> montage of the sample recordings whose channels have no names."""
        return self.config.get("montages", {})

    def llm(self, name: str | None = None) -> AnyLLM:
        """The language model `name`, by default the first. Raises ValueError for unknown names."""
        if not self._llms:
            raise ValueError("No language model is loaded, so chat is unavailable.")
        if name is not None and name not in self._llms:
            raise ValueError(
                f"Unknown language model {name!r}; choose one of {', '.join(self.llms)}."
            )
        return self._llms[name or self.llms[0]]

    def __call__(self, recording: Recording) -> Prediction:
        """Predict the emotion, or say why it is withheld, see `withheld`.

        A model that fails is left out, with a warning. Raises RecordingError if the recording
        can't be read at all.
        """
        recording = Prepared.of(recording)
        prediction = self._memo(recording).once("prediction", lambda: self._predict(recording))
        self._signal(recording)  # while what it needs is at hand
        return prediction

    def withheld(self, recording: Recording) -> str:
        """Why no emotion is named for this recording, in one sentence, or "".

        No model is asked where the sites of the channels are unknown, or where the recording is
        unlike what the first encoder learned from. Raises RecordingError.
        """
        return self._checked(Prepared.of(recording))[0]

    def _checked(self, recording):
        return self._memo(recording).once("withheld", lambda: self._withheld(recording))

    def _withheld(self, recording):
        """(why the emotion is withheld or "", warnings)."""
        try:
            arrange(clean(recording), self.sites)
        except SitesError as error:
            return str(error), ()
        unlike = getattr(next(iter(self.encoders.values())), "unlike", None)
        try:
            return unlike(recording) if unlike else "", ()
        except RecordingError:
            raise
        except Exception:
            log.exception("A recording could not be compared with the training data")
            return "", (UNCOMPARED,)

    def chat(
        self,
        recording: Recording,
        message: str,
        llm: str | None = None,
        history: Iterable[Message] = (),
    ) -> Iterator[str]:
        """Stream one language model's answer to `message` about a recording, piece by piece.

        A grounded model answers from the report of the recording. For others the conversation
        starts with their prompt, the emotion that they score highest, their scores and the
        strongest sites; where the emotion is withheld, the nearest statements of the report are the
        answer. history: earlier messages, {"role": "user" | "assistant", "content": text}, with or
        without marks.
        """
        model, messages = self.llm(llm), list(history)
        if model.grounded:
            chat = Grounded(self.report(recording, llm)).after(messages)
            yield from model.reply(chat.asked(message))
        elif self.withheld(recording):
            earlier = [m["content"] for m in messages if m["role"] == "user"]
            yield quoted(self.report(recording), message, earlier)
        else:
            yield from model.reply(self._begun(recording, llm).after(messages).asked(message))

    def checked(self, recording: Recording, reply: str) -> str:
        """A complete `reply`, with what it states of the signal marked, see `report.check`."""
        plain = unmarked(reply)  # marks that the model wrote would look like ours
        return marked(plain, check(plain, self._signal(Prepared.of(recording))))

    def report(self, recording: Recording, llm: str | None = None) -> Report:
        """All statements of a recording: its file, its signal, and what the models say of it.

        llm: the one whose emotion it is, by default the mean of all. Raises RecordingError.
        """
        recording = Prepared.of(recording)

        def make():
            of_models = self(recording), self.llms, self.results, self.trained_on, llm
            return models.report(self._signal(recording), *of_models)

        return self._memo(recording).once(("report", llm), make)

    def _signal(self, recording):
        """The report on the signal, with levels from the first bridge that reads them."""
        return self._memo(recording).once("signal", lambda: self._measured(recording))

    def _measured(self, recording):
        report = measured(recording)
        leveled = [llm for llm in self._llms.values() if llm.bridge.scale is not None]
        if leveled and not self.withheld(recording):
            with suppress(Exception):  # the prediction tells of it
                return report.adding(levels(self._reading(recording, leveled[0])))
        return report

    def _begun(self, recording, llm):
        """The chat about a recording up to the language model's emotion."""
        model = self.llm(llm)
        reading, probabilities = self._read(Prepared.of(recording), model)
        scores = likely(model.labels, probabilities)
        return Chat(reading, scores[0][0], scores)

    def _memo(self, recording):
        """The cached results for this recording."""
        key = recording.once("fingerprint", lambda: fingerprint(recording))
        with self._lock:
            memo = self._recent.setdefault(key, Memo())
            self._recent.move_to_end(key)
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        return memo

    def _read(self, recording, llm):
        """(Reading, probabilities (labels,)) of one language model."""
        reading = self._reading(recording, llm)
        memo = self._memo(recording)
        return reading, memo.once(llm, lambda: finite(llm.probabilities([reading])[0]))

    def _reading(self, recording, llm):
        # Language models with the same bridge share the reading.
        return self._memo(recording).once(llm.bridge, lambda: llm.bridge.read(recording))

    def _predict(self, recording):
        why, unsure = self._checked(recording)
        if why:
            return Prediction(None, {}, warnings=tuple(oddities(recording)), withheld=why)
        models = {"svm": (self.svm.labels, self.svm)}
        for arch, encoder in self.encoders.items():
            models[arch] = encoder.config.labels, encoder
        for name, llm in self._llms.items():
            models[name] = llm.labels, lambda r, llm=llm: self._read(r, llm)[1]
        probabilities, failures, refused = {}, [], None
        for model, (labels, predict) in models.items():
            try:
                probabilities[model] = dict(zip(labels, finite(predict(recording)), strict=True))
            except RecordingError as error:
                refused = refused or error
                failures.append(f"{model} can't read this recording: {error}")
            except LlmError as error:
                failures.append(f"{model} is left out: {error}")
            except Exception:
                log.exception("The model %s failed", model)
                failures.append(f"{model} failed and is left out; the log has the details.")
        if not probabilities and refused:
            raise refused
        warnings = (
            *oddities(recording),
            *site_warnings(recording.channel_names, self.sites),
            *unsure,
            *failures,
            *filter(None, (llm.note for name, llm in self._llms.items() if name in probabilities)),
        )
        if not probabilities:
            why = "Every model failed on this recording, so no emotion is named."
            return Prediction(None, {}, warnings=warnings, withheld=why)
        read = {
            n: self._read(recording, self._llms[n])[0] for n in self._llms if n in probabilities
        }
        return Prediction(
            headline(probabilities, self.llms),
            probabilities,
            {n: tuple(spell(t, self._llms[n].spelling) for t in r.tokens) for n, r in read.items()},
            {n: spell(r.prompt(), self._llms[n].spelling) for n, r in read.items()},
            warnings,
            sets=self._sets(probabilities),
        )

    def _sets(self, probabilities):
        """model -> the labels in its set, for the models that have sets."""
        owners = {"svm": self.svm, **{a: e.config for a, e in self.encoders.items()}, **self._llms}
        sets = {model: owners[model].confidence.label_set(p) for model, p in probabilities.items()}
        if all(name in probabilities for name in self.config["llms"]):
            mean = mean_of(probabilities, self.config["llms"])
            calibrated = self.mean.probabilities(log_of(np.array([*map(mean.get, self.labels)])))
            sets[MEAN] = self.mean.label_set(dict(zip(self.labels, calibrated, strict=True)))
        return {model: labels for model, labels in sets.items() if labels}
