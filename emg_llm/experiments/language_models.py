"""Language models under the contract of `fitted`: fine-tuned on a fold, scored with controls.

A fold's encoder, codebook and conversations don't depend on the language model, so all language
models share them.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from emg_llm.bridge import Bridge, BridgeError, bridge_named
from emg_llm.bridge.base import check_pair
from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.reading import Reading, without_emg
from emg_llm.chat.conversations import build_rows
from emg_llm.chat.turns import Chat
from emg_llm.data.datasets import PARTS, Dataset
from emg_llm.data.whole import whole
from emg_llm.encoders import load_encoder
from emg_llm.encoders.examples import examples_of
from emg_llm.experiments.controls import LEAST_DRAWS
from emg_llm.experiments.fitted import Fitted, FoldTraining, in_terms_of
from emg_llm.experiments.folds import code_hash
from emg_llm.experiments.inputs import changed_readings, donors_of
from emg_llm.experiments.replies import count_replies
from emg_llm.experiments.signal_models import encoder_on
from emg_llm.hub.client import HubError
from emg_llm.llms.api import ApiLLM
from emg_llm.llms.available import AnyLLM
from emg_llm.llms.finetuning import finetune
from emg_llm.llms.generation import generate

KEPT = 12  # sets of conversations in memory


class Material:
    """Training material of the folds; encoders and codebooks are saved in `folder`."""

    def __init__(self, folder=None):
        self.folder = None if folder is None else Path(folder)
        self._codecs, self._lessons = {}, {}

    def codec(self, how, dataset, split, seed):
        """(encoder, codebook) fitted on the split's training people."""
        what = how.arch, how.scaling, how.lead, dataset.name, dataset.label_names, split.hash, seed
        key = hashlib.sha256(repr((*what, code_hash())).encode()).hexdigest()[:16]
        if key not in self._codecs:
            folder = None if self.folder is None else self.folder / f"{how.arch}-{key}"
            self._codecs = {key: _codec(folder, how, dataset, split, seed)}  # only the last one
        return self._codecs[key]

    def lessons(self, how, dataset, split, seed):
        """(Bridge, conversation rows) for the split's people, without those of the test."""
        key = (how, dataset.name, dataset.label_names, split.hash, seed)
        if key not in self._lessons:
            kind = bridge_named(how.bridge)
            codec = self.codec(how, dataset, split, seed) if "codebook" in kind.needs else ()
            bridge = kind.fit(dataset, split.train, *codec, scaling=how.scaling)
            rows = build_rows(dataset, split, bridge, how.variants, how.follow_ups, seed)
            self._lessons[key] = bridge, [r for r in rows if r["split"] != "test"]
            while len(self._lessons) > KEPT:
                self._lessons.pop(next(iter(self._lessons)))
        return self._lessons[key]


def _codec(folder, how, dataset, split, seed):
    if folder is not None and folder.exists():
        try:
            encoder = load_encoder(folder / "encoder")
            codebook = Codebook.from_pretrained(folder / "codebook")
            check_pair(encoder, codebook)
            return encoder, codebook
        except (HubError, BridgeError):
            print(f"{folder} holds no whole encoder and codebook, so they are fitted again.")
    encoder = encoder_on(how.arch, dataset, split, seed, how.scaling, how.lead).model
    examples = examples_of(encoder, dataset, split.train).each()
    codebook = Codebook.fit(
        examples.embeddings(encoder),
        encoder.head.weight.cpu(),
        seed=seed,
        targets=examples.targets.numpy(),
        labels=dataset.label_names,
        encoder_hash=encoder.fingerprint,
    )
    if folder is not None:
        with whole(folder) as beside:
            encoder.save_pretrained(beside / "encoder")
            codebook.save_pretrained(beside / "codebook")
    return encoder, codebook


def llm_on(name, dataset, split, seed=0, how=None, material=None, **training):
    """A language model fine-tuned on the training people of a fold."""
    how, material = how or FoldTraining(), material or Material()
    bridge, rows = material.lessons(how, dataset, split, seed)
    chosen = {
        "num_train_epochs": how.epochs,
        "per_device_train_batch_size": how.batch_size,
        "learning_rate": how.learning_rate,
    }
    training |= {setting: value for setting, value in chosen.items() if value is not None}
    with tempfile.TemporaryDirectory() as folder:
        parts = {p: [r for r in rows if r["split"] == p] for p in PARTS}
        llm = finetune(
            name, parts, dataset.label_names, bridge, folder, seed, how.spelling, **training
        )
    return as_fitted(llm)


def as_fitted(llm, known=None, progress=False):
    """An EmgLLM as a Fitted; `known`: rows of labelled recordings that its prompts mention."""

    def readings(dataset, rows):
        key = llm.bridge, tuple(rows), None if known is None else tuple(known), *dataset.known
        return dataset.once(key, lambda: llm.bridge.read_dataset(dataset, rows, known))

    def predict(dataset, rows):
        return llm.probabilities(readings(dataset, rows), progress)

    def adapt(dataset, rows, seed):
        return as_fitted(llm, rows)

    def answers(dataset, rows):
        return generate(llm, [Chat(r) for r in readings(dataset, rows)], max_new_tokens=24)

    def changed(dataset, rows, some, seed):
        read = [readings(dataset, rows)[k] for k in np.searchsorted(rows, some)]
        rng = np.random.default_rng(seed)
        donors = donors_of(dataset.targets[some], rng)
        every = changed_readings(read, donors, rng)
        predicted = {name: llm.probabilities(r, progress) for name, r in every.items()}
        p = {name: in_terms_of(dataset, llm.labels, p) for name, p in predicted.items()}
        return p | {"donors": some[donors]}

    def replies(dataset, rows, n_replies, seed):
        read = readings(dataset, rows)
        return count_replies(llm, read, llm.probabilities(read), n_replies, seed, progress)

    return Fitted(
        llm.name,
        tuple(llm.labels),
        predict,
        adapt if llm.bridge.knows_trials else None,
        model=llm,
        confidence=llm.confidence,
        scaling=llm.bridge.scaling,
        controls=lambda dataset, rows: llm_controls(llm, readings(dataset, rows)),
        beside=lambda dataset, train, rows: encoder_beside(llm.bridge, dataset, train, rows),
        answers=answers,
        replies=replies,
        changed=changed,
    )


def llm_controls(llm: AnyLLM, readings: Sequence[Reading]) -> dict[str, np.ndarray]:
    """{control: probabilities (readings, labels)}, which should be at chance.

    no_emg: the prompt without what was measured. untrained_adapter: the base with the adapter's
    initial weights. random_base: the trained adapter on random base weights, (draws, readings,
    labels); not with 4-bit weights. Of a model on a server only no_emg can be had.
    """
    bare = [without_emg(reading) for reading in readings]
    different = list(dict.fromkeys(bare))  # mostly a single one
    controls = {"no_emg": llm.probabilities(different)[[different.index(r) for r in bare]]}
    if isinstance(llm, ApiLLM):  # its weights are out of reach
        return controls
    with llm.model.disable_adapter():
        controls["untrained_adapter"] = llm.probabilities(readings)
    if not getattr(llm.model, "is_loaded_in_4bit", False):
        draws = []
        for seed in range(LEAST_DRAWS):
            with _random_base(llm.model, seed):
                draws.append(llm.probabilities(readings))
        controls["random_base"] = np.stack(draws)
    return controls


@contextmanager
def _random_base(model, seed):
    """Random base weights within the context; the adapter keeps its own."""
    generator, kept = torch.Generator().manual_seed(seed), {}
    spread = model.get_base_model().config.initializer_range
    for name, parameter in model.named_parameters():
        if "lora_" in name or "trainable_tokens" in name:
            continue
        fresh = torch.ones(parameter.shape)
        if parameter.dim() > 1:
            fresh = spread * torch.randn(parameter.shape, generator=generator)
        kept[parameter], parameter.data = parameter.data, fresh.to(parameter)
    try:
        yield
    finally:
        for parameter, trained in kept.items():
            parameter.data = trained


def encoder_beside(
    bridge: Bridge, dataset: Dataset, train: np.ndarray, rows: np.ndarray
) -> dict[str, np.ndarray]:
    """{"encoder", "probe", "lookup": probabilities (rows, dataset.label_names)} of what reads the
    same codes or embeddings without a language model; empty without an encoder.

    The probe is a logistic regression on the embeddings of the recordings in `train`. The lookup is
    the codebook's table of its training people's labels, by the first code.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    encoder = bridge.encoder
    if encoder is None:
        return {}

    asked = examples_of(encoder, dataset, rows)
    x = asked.embeddings(encoder)
    scores = asked.classify(encoder, x)
    readers = {"encoder": in_terms_of(dataset, encoder.config.labels, scores)}
    if len(train):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        learned = examples_of(encoder, dataset, train).embeddings(encoder)
        probe.fit(learned.cpu().numpy(), dataset.targets[train])
        readers["probe"] = np.zeros((len(rows), len(dataset.label_names)))
        readers["probe"][:, probe.classes_] = probe.predict_proba(x.cpu().numpy())
    book = bridge.codebook
    if book is not None and set(dataset.label_names) <= set(book.config.labels):
        seen = book.look_up(book.encode(x.to(book.center)))
        readers["lookup"] = in_terms_of(dataset, book.config.labels, seen)
    return readers
