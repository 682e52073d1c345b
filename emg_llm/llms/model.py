"""EmgLLM: a causal LM with its LoRA adapter, tokenizer and bridge; scores labels and chats."""

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emg_llm.bridge import Bridge, load_bridge
from emg_llm.bridge.codebook import Codebook
from emg_llm.bridge.reading import NO_EMG, Reading
from emg_llm.bridge.spelling import spell_messages
from emg_llm.chat.grounded import Grounded
from emg_llm.chat.turns import Chat, Message
from emg_llm.data.whole import whole
from emg_llm.encoders import load_encoder
from emg_llm.encoders.base import EmgEncoder
from emg_llm.evaluation.confidence import Confidence
from emg_llm.hub.client import Pushable, resolve
from emg_llm.hub.saved import readable
from emg_llm.llms.llama_cpp import LlamaCppWriter, can_write
from emg_llm.llms.loading import (
    LlmError,
    grow_embeddings,
    in_half,
    load_model,
    load_tokenizer,
    stop_at_end_of_turn,
)
from emg_llm.llms.scoring import SCORING_BATCH, Answers, common
from emg_llm.llms.writing import Writer, threads
from emg_llm.signal.recording import Recording

if TYPE_CHECKING:
    from peft import PeftModel

NO_ANSWER = "I have no answer to that; ask which emotion I read, or what was measured at a site."


class EmgLLM(Pushable):
    """A chat LLM that reads EMG.

    bridge: turns a recording into its prompt. confidence: turns the label scores into
    probabilities. spelling: of EMG codes, see `bridge.spelling`. grounded: which statements
    of a report it answers from, "" for none (`chat.grounded`). base: the source of the model under
    the adapter, if known.
    """

    base: str | None = None
    note = ""  # what a prediction says about its probabilities

    def __init__(
        self,
        name: str,
        model: "PreTrainedModel | PeftModel",
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        bridge: Bridge | dict | None,
        confidence: Confidence | None = None,
        spelling: str = "new",
        grounded: str = "",
    ) -> None:
        self.name = name
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.labels = tuple(labels)
        self.bridge = bridge
        self.confidence = confidence or Confidence()
        self.spelling = spelling
        self.grounded = grounded
        # One for all copies, such as those of `reading_with`: each would have weights of its own.
        self._writers: list[Writer | LlamaCppWriter] = []
        self._lock = Lock()

    def reading_with(self, bridge: Bridge) -> Self:
        """The same model with another bridge of the same kind."""
        llm = copy.copy(self)
        llm.bridge = bridge
        return llm

    @torch.inference_mode()
    def label_scores(self, readings: Sequence[Reading], progress: bool = False) -> np.ndarray:
        """Log-likelihood of each complete label answer: float64 (readings, labels).

        Each answer includes the template's end of turn, so a label that is a prefix of another
        has no advantage. One pass reads the prompt and the answers' common prefix once, then the
        tokens of each label, which attend to these and to themselves but not to other labels (as
        in Cai et al. 2024, arXiv:2401.10774).
        """
        from tqdm.auto import tqdm

        drop = self._answers.replaced
        ids = [i[: len(i) - drop] for i in self.token_ids([Chat(r) for r in readings])]
        if len(ids) <= SCORING_BATCH:
            return self._score(ids).cpu().numpy()
        # Prompts of similar length share a batch, which saves padding.
        order = np.argsort([len(i) for i in ids], kind="stable")
        scores = np.empty((len(ids), len(self.labels)))
        batches = range(0, len(ids), SCORING_BATCH)
        for start in tqdm(batches, desc="scoring", unit="batch", disable=not progress):
            rows = order[start : start + SCORING_BATCH]
            scores[rows] = self._score([ids[i] for i in rows]).cpu().numpy()
        return scores

    def _score(self, prompts):
        """Log-likelihoods (prompts, labels) of all answers; prompts: lists of token ids."""
        answers, model = self._answers, self.model
        n, width = len(prompts), max(map(len, prompts))
        pad = [self.tokenizer.pad_token_id]
        read = [pad * (width - len(p)) + list(p) + answers.shared for p in prompts]
        ids = torch.tensor(read, device=model.device)
        ids = torch.cat([ids, answers.own.expand(n, -1)], dim=1)
        start, length = width + len(answers.shared), ids.shape[1]
        position = torch.arange(length, device=model.device)
        position[start:] = start + answers.depth
        # A token sees all earlier ones, except the tokens of other labels.
        sees = torch.ones(length, length, dtype=torch.bool, device=model.device).tril()
        sees[start:, start:] &= answers.label == answers.label[:, None]
        if n > 1:
            before = torch.tensor([width - len(p) for p in prompts], device=model.device)
            sees = sees & (torch.arange(length, device=model.device) >= before[:, None, None])
            sees |= torch.eye(length, dtype=torch.bool, device=model.device)
            position = (position - before[:, None]).clamp_min(0)
        mask = torch.zeros(sees.shape, device=model.device, dtype=model.dtype)
        mask = mask.masked_fill_(~sees, torch.finfo(mask.dtype).min)
        logits = model(
            input_ids=ids,
            attention_mask=mask.view(-1, 1, length, length),
            position_ids=position.view(-1, length),
            logits_to_keep=length - width + 1,  # from the prompt's last token on
            use_cache=False,
        ).logits
        follows, tokens = answers.follows, ids[:, width:]
        logp = torch.log_softmax(logits.float(), -1)[:, follows]
        logp = logp.gather(-1, tokens[..., None])[..., 0]
        n_shared = len(answers.shared)
        scores = logp[:, :n_shared].sum(dim=1, keepdim=True).repeat(1, len(self.labels))
        return scores.index_add_(1, answers.label, logp[:, n_shared:]).double()

    @cached_property
    def _answers(self):
        """The token ids of every label's answer, laid out for one pass."""
        [before] = self.token_ids([Chat(NO_EMG)])
        whole = self.token_ids([Chat(NO_EMG, label) for label in self.labels], ask=False)
        start = min(len(common([before, w])) for w in whole)
        answers = [self._turn(w[start:]) for w in whole]
        return Answers(answers, len(before) - start, self.model.device)

    def _turn(self, ids):
        """Token ids up to the end of the turn, after which a template may write more."""
        return next((ids[: k + 1] for k, i in enumerate(ids) if i in self._ends), ids)

    @property
    def _ends(self):
        """The ids of the tokens that end an answer."""
        ends = self.model.generation_config.eos_token_id
        return {self.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}

    def token_ids(self, chats: Sequence[Chat | Grounded], ask: bool = True) -> list[list[int]]:
        """The token ids of chats; with `ask`, up to where the next answer begins."""
        encoded: Any = self.tokenizer.apply_chat_template(
            [self.spelled(chat) for chat in chats], add_generation_prompt=ask, return_dict=True
        )
        return encoded["input_ids"]

    def spelled(self, chat: Chat | Grounded) -> list[Message]:
        """The messages of a chat, with codes in this model's spelling."""
        return spell_messages(chat.turns, self.spelling)

    def probabilities(self, readings: Sequence[Reading], progress: bool = False) -> np.ndarray:
        """Calibrated probabilities of the labels: float (readings, labels)."""
        scores = self.label_scores(readings, progress)
        of = [r.missing for r in readings], [r.zero for r in readings]
        return self.confidence.probabilities(scores, *of)

    def __call__(self, recording: Recording) -> np.ndarray:
        """Probabilities for one recording: float (labels,)."""
        return self.probabilities([self.bridge.read(recording)])[0]

    def reply(self, chat: Chat | Grounded, max_new_tokens: int = 128) -> Iterator[str]:
        """Stream the answer to a chat; closing the generator stops it at the next token."""
        [ids] = self.token_ids([chat])
        writer = self._writer
        if len(ids) > writer.room - max_new_tokens:
            if shorter := chat.shorter():
                yield from self.reply(shorter, max_new_tokens)
            else:
                yield "That is more text than I can read at once; please ask in fewer words."
            return
        empty = True
        with closing(writer.pieces(ids, max_new_tokens)) as pieces:
            for piece in pieces:
                empty = empty and not piece.strip()
                yield piece
        if empty:
            yield NO_ANSWER

    @property
    def _writer(self):
        """Keeps what it has read, so that the next question about a recording is quick."""
        with self._lock:
            if not self._writers:
                if not self.has_adapter and can_write(self.model, self.tokenizer):
                    writer = LlamaCppWriter(self.model, self.tokenizer, threads())
                else:
                    writer = Writer(self.model, self.tokenizer, self._ends)
                self._writers.append(writer)
            return self._writers[0]

    def merge(self) -> None:
        """Fold the adapter into the weights, which makes answers faster; it can't be saved then.

        Weights in 4 bits are left as they are, since merging would round them again.
        """
        if self.has_adapter and not getattr(self.model, "is_loaded_in_4bit", False):
            self.model = self.model.merge_and_unload().eval()
            self._writers.clear()

    @property
    def has_adapter(self) -> bool:
        """Whether the adapter is apart from the weights."""
        return hasattr(self.model, "peft_config") and hasattr(self.model, "merge_and_unload")

    def save_pretrained(self, folder: str | Path) -> None:
        """Save all but the base, which the configuration names."""
        self.save_adapter(folder, base=self.base or self.name)

    def save_adapter(self, folder: str | Path, **info: Any) -> None:
        """Save the adapter, the tokenizer and `config.json` with `info`, such as the base.

        Raises LlmError after `merge`.
        """
        if not self.has_adapter:
            raise LlmError("A merged adapter can't be saved: load it with EmgLLM.from_pretrained.")
        with whole(folder, keeps=("README.md",)) as beside:
            # Added embeddings are recreated on loading, or are part of the adapter.
            self.model.save_pretrained(str(beside), save_embedding_layers=False)
            in_half(beside / "adapter_model.safetensors")
            self.tokenizer.save_pretrained(beside)
            self.save_config(beside, **info)

    def save_config(self, folder: str | Path, **info: Any) -> None:
        """Save `config.json`, which turns the adapter in `folder` into an EmgLLM again."""
        config = {
            "kind": "emg-llm-adapter",
            "name": self.name,
            "labels": list(self.labels),
            "bridge": self.bridge.to_dict() if isinstance(self.bridge, Bridge) else self.bridge,
            "confidence": self.confidence.to_dict(),
            "spelling": self.spelling,
            "grounded": self.grounded,
            "load_in_4bit": bool(getattr(self.model, "is_loaded_in_4bit", False)),
            **info,
        }
        (Path(folder) / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    @classmethod
    def from_pretrained(
        cls,
        folder_or_id: str | Path,
        encoder: EmgEncoder | None = None,
        codebook: Codebook | None = None,
        base: str | Path | None = None,
        revision: str | None = None,
        load_in_4bit: bool | None = None,
    ) -> Self:
        """Load an adapter from a folder, or from a Hub id and its revision.

        None takes encoder, codebook, base and load_in_4bit from the adapter's configuration. An
        adapter without a tokenizer uses its base's. Raises HubError, LlmError or BridgeError.
        """
        folder = resolve(folder_or_id, revision)
        with readable(folder_or_id, "adapter", "train/sft.py", LlmError):
            return cls._load(folder, encoder, codebook, base, load_in_4bit)

    @classmethod
    def _load(
        cls,
        folder: Path,
        encoder: EmgEncoder | None,
        codebook: Codebook | None,
        base: str | Path | None,
        load_in_4bit: bool | None,
    ) -> Self:
        from peft import PeftModel

        config = json.loads((folder / "config.json").read_text())
        if load_in_4bit is None:
            load_in_4bit = config.get("load_in_4bit") or None
        encoder, codebook = _codec(config, encoder, codebook)
        pinned = None if base else config.get("base_revision")
        named = base or config["base"], pinned, config["name"]
        model = load_model(*named, load_in_4bit)
        own = any(folder.glob("tokenizer*"))
        tokenizer = load_tokenizer(str(folder)) if own else load_tokenizer(*named)
        grow_embeddings(model, len(tokenizer))
        stop_at_end_of_turn(model, tokenizer)
        bridge = config["bridge"] and load_bridge(config["bridge"], encoder, codebook)
        llm = cls(
            config["name"],
            PeftModel.from_pretrained(model, str(folder)),
            tokenizer,
            config["labels"],
            bridge,
            # Older configurations have temperature and prior themselves.
            Confidence.from_dict(config.get("confidence", config)),
            config.get("spelling", "new"),
            config.get("grounded", ""),
        )
        llm.base = str(base or config["base"])
        return llm


def _codec(config, encoder, codebook):
    """(encoder, codebook), by default those that the configuration names."""
    if encoder is None and config.get("encoder"):
        encoder = load_encoder(config["encoder"]["repo"], config["encoder"]["revision"])
    if codebook is None and config.get("codebook"):
        pinned = config["codebook"]
        codebook = Codebook.from_pretrained(pinned["repo"], pinned["revision"])
    return encoder, codebook
