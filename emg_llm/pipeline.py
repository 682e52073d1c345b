"""EmotionPipeline: Recording -> Prediction, and a chat about the recording."""

import copy
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.spelling import spell
from emg_llm.chat.grounded import Grounded
from emg_llm.chat.levels import levels
from emg_llm.chat.oddities import UNCOMPARED, oddities
from emg_llm.chat.topics import has_learned
from emg_llm.chat.turns import Chat, Message, likely
from emg_llm.encoders import load_encoder
from emg_llm.evaluation.confidence import Confidence
from emg_llm.evaluation.prediction import Prediction, finite, headline, sets_of
from emg_llm.hub.bundle import BundleFolder
from emg_llm.hub.client import HubError, bundle_folder, part, resolve
from emg_llm.llms.asking import ask
from emg_llm.llms.available import AnyLLM, Bundle, load_llms
from emg_llm.profile import Profile
from emg_llm.profile.applying import knowing, told
from emg_llm.registry import REPORT
from emg_llm.report import Report, models
from emg_llm.report.check import Dress, check, marked, unmarked
from emg_llm.report.measured import measured
from emg_llm.report.retrieve import quoted
from emg_llm.signal.montage import SitesError, arrange, site_warnings
from emg_llm.signal.once import Prepared, Recent
from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.svm import EmotionSVM

log = logging.getLogger(__name__)

NOT_LEARNED = "I don't know that. The report knows everything that was measured: ask it."
REMEMBERED = 64  # recordings whose results are cached


class EmotionPipeline(BundleFolder):
    """The SVM, encoders, codebook and language models of one bundle.

    not_loaded: language model -> a sentence that says why it isn't loaded. Results for the last
    few recordings are cached, so a prediction and a chat about the same recording compute them
    once; the recordings themselves are not kept. profile: of the person whose recordings it reads.
    """

    def __init__(
        self,
        folder: Path,
        llms: Sequence[str] | None = None,
        profile: Profile | str | Path | None = None,
    ) -> None:
        super().__init__(folder)
        self.mean = Confidence.from_dict(self.config.get("mean", {}))  # of its language models
        place = partial(part, folder, self.config)
        self.svm = EmotionSVM.from_pretrained(place("svm"))
        archs = self.config["encoders"]
        self.encoders = {arch: load_encoder(place(f"encoders/{arch}")) for arch in archs}
        # The first encoder makes the codes.
        self.codebook = Codebook.from_pretrained(place("codebook"))
        coder = self.encoders[archs[0]], self.codebook
        names = *self.config["llms"], *self.config.get("talkers", ())
        bundle = Bundle(place, names, *coder)
        wanted = bundle.names if llms is None else llms
        self._llms, self.not_loaded = load_llms(bundle, wanted, ("svm", *archs))
        self._memo = Recent(REMEMBERED)  # the cached results for a recording
        self.profile: Profile | None = None
        if profile is not None:
            vars(self).update(vars(self.with_profile(profile)))

    @classmethod
    def from_pretrained(
        cls,
        folder_or_id: str | Path | None = None,
        revision: str | None = None,
        llms: Sequence[str] | None = None,
        profile: Profile | str | Path | None = None,
    ) -> Self:
        """Load the packaged bundle, or one from a folder or a Hub id.

        llms: the language models, by default the bundle's own; each a "NAME" from the bundle, an
        adapter's folder or Hub id, "NAME=ADAPTER", or "NAME=http://HOST:PORT/v1#MODEL" for one on
        a server. `not_loaded` lists those that fail to load. profile: see `with_profile`.
        Raises HubError if there is no bundle, ProfileError.
        """
        folder = bundle_folder() if folder_or_id is None else resolve(folder_or_id, revision)
        if not (folder / "config.json").exists():
            raise HubError(f"{folder.name} holds no bundle; build one with `make bundle`.")
        return cls(folder, llms, profile)

    def knowing(
        self, *, neutral: Sequence[Recording] = (), several: Sequence[Recording] = ()
    ) -> Self:
        """A pipeline of the same models that reads one person's recordings against others of them.

        neutral: of the person's neutral face; or several: two or more of any kind, unlabelled.
        Models not trained with `--scaling any` read as before; ValueError if there are no others.
        """
        return self._told(knowing(self._all, neutral, several))

    def with_profile(self, profile: Profile | str | Path) -> Self:
        """A pipeline of the same models that knows one person; profile: a Profile or its file.

        Where it has labelled recordings, the encoders, which learned them, name the emotion.
        Raises ProfileError for a file that is none, or a profile that doesn't fit the models.
        """
        profile = profile if isinstance(profile, Profile) else Profile.load(profile)
        profile.check(self)
        known = self._told(told(profile, *self._all))
        known.profile = profile
        return known

    @property
    def _all(self):
        """(the SVM, the encoders by name, the bridges)."""
        return self.svm, self.encoders, [llm.bridge for llm in self._llms.values()]

    def _told(self, told):
        """A pipeline of the models that know a person, by those that don't."""
        known = self.asking({n: m.reading_with(told[m.bridge]) for n, m in self._llms.items()})
        known.svm = told[self.svm]
        known.encoders = {arch: told[encoder] for arch, encoder in self.encoders.items()}
        return known

    def asking(self, llms: dict[str, AnyLLM]) -> Self:
        """A pipeline of the same other models, with `llms` as its language models."""
        other = copy.copy(self)
        other._llms, other._memo = llms, Recent(REMEMBERED)
        return other

    @property
    def llms(self) -> tuple[str, ...]:
        """The names of the loaded language models."""
        return tuple(self._llms)

    @property
    def voters(self) -> tuple[str, ...]:
        """The models whose mean probability decides; encoders, if they learned the person."""
        return tuple(self.encoders) if self.profile and self.profile.learns else self.readers

    @property
    def readers(self) -> tuple[str, ...]:
        """The language models that read the emotion: all but those that only talk, if any do."""
        return tuple(name for name in self._llms if name not in self.talkers) or self.llms

    @property
    def talkers(self) -> tuple[str, ...]:
        """The language models that are there to talk, and aren't asked for an emotion."""
        return tuple(name for name in self._llms if name in self.config.get("talkers", ()))

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models that read the emotion, in display order."""
        return ("svm", *self.encoders, *self.readers)

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that the models read, in their order."""
        return tuple(next(iter(self.encoders.values())).config.sites)

    def llm(self, name: str | None = None) -> AnyLLM:
        """The language model `name`, by default the first. Raises ValueError for unknown names."""
        if not self._llms:
            raise ValueError("No language model is loaded.")
        if name is not None and name not in self._llms:
            raise ValueError(f"No language model {name!r}; choose from {', '.join(self.llms)}.")
        return self._llms[name or self.llms[0]]

    def __call__(self, recording: Recording) -> Prediction:
        """Predict the emotion, or say why it is withheld, see `withheld`.

        A model that fails is left out, with a warning. Raises RecordingError if none can read it.
        """
        recording = Prepared.of(recording)
        prediction = self._memo(recording).once("prediction", lambda: self._predict(recording))
        self._signal(recording)  # while what it needs is at hand
        return prediction

    def remembers(self, recording: Recording) -> bool:
        """Whether the prediction for this recording is computed already."""
        return "prediction" in self._memo(Prepared.of(recording))

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
        if self.profile and (why := self.profile.unfit(recording)):
            return why, ()
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

        A grounded model answers from the report. Others go on from their prompt and the emotion
        that they score highest, and don't know what they never learned; where the emotion is
        withheld, or `llm` is "report", the report's nearest statements are the answer.
        history: {"role": "user" | "assistant", "content": text}, ….
        """
        messages, model = list(history), None if llm == REPORT else self.llm(llm)
        if model is None or (self.withheld(recording) and not model.grounded):
            earlier = [m["content"] for m in messages if m["role"] == "user"]
            yield quoted(self.report(recording), message, earlier)
            return
        about, facts = (recording, llm), model.grounded
        if not facts and not has_learned(self._signal(Prepared.of(recording)), message):
            yield NOT_LEARNED
            return
        chat = Grounded(self.report(*about), facts=facts) if facts else self._begun(*about)
        yield from model.reply(chat.after(messages).asked(message))

    def checked(self, recording: Recording, reply: str, dress: Dress | None = None) -> str:
        """A complete `reply`, with what it states of the signal marked, see `report.check`."""
        plain = unmarked(reply)  # marks that the model wrote would look like ours
        return marked(plain, check(plain, self._signal(Prepared.of(recording))), dress)

    def report(self, recording: Recording, llm: str | None = None) -> Report:
        """All statements of a recording: its file, its signal, and what the models say of it.

        llm: the one whose emotion it is, by default the mean of all, as of one that only talks.
        Raises RecordingError.
        """
        recording = Prepared.of(recording)
        llm = llm if llm in self.readers else None

        def make():
            of_models = self(recording), self.voters, self.results, self.trained_on, llm
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
        models |= {arch: (e.config.labels, e) for arch, e in self.encoders.items()}
        llms = {name: self._llms[name] for name in self.readers}
        models |= {n: (m.labels, lambda r, m=m: self._read(r, m)[1]) for n, m in llms.items()}
        probabilities, failures, refused = ask(models, recording)
        if refused and not probabilities:
            raise refused
        warnings = (
            *oddities(recording),
            *site_warnings(recording.channel_names, self.sites),
            *unsure,
            *failures,
            *filter(None, (llm.note for name, llm in llms.items() if name in probabilities)),
        )
        if not probabilities:
            why = "Every model failed on this recording, so no emotion is named."
            return Prediction(None, {}, warnings=warnings, withheld=why)
        read = {n: self._reading(recording, m) for n, m in llms.items() if n in probabilities}
        return Prediction(
            headline(probabilities, self.voters),
            probabilities,
            {n: tuple(spell(t, llms[n].spelling) for t in r.tokens) for n, r in read.items()},
            {n: spell(r.prompt(), llms[n].spelling) for n, r in read.items()},
            warnings,
            sets={} if self.profile and self.profile.learns else self._sets(probabilities),
            voters=self.voters,
            known=self.profile.sentence if self.profile else "",
        )

    def _sets(self, probabilities):
        """model -> the labels in its set, where no labels of the person were learned."""
        owners = {"svm": self.svm, **{a: e.config for a, e in self.encoders.items()}, **self._llms}
        of = {name: owner.confidence for name, owner in owners.items()}
        return sets_of(probabilities, of, self.mean, self.config["llms"], self.labels)
