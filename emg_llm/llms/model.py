"""EmgLLM: a causal LM with its LoRA adapter, tokenizer and bridge; it scores and it talks."""

import json
from pathlib import Path
from threading import Thread

import numpy as np
import torch

from emg_llm.bridge import Bridge
from emg_llm.conversations import ANSWER
from emg_llm.llms.nano import CHAT_TEMPLATE
from emg_llm.llms.registry import base_path

SCORING_BATCH = 96  # sequences
NO_ANSWER = "I have no answer to that; ask which emotion I read, why, or about a site."


class LlmError(ValueError):
    """A language model that can't be loaded or used; the text says what to do."""


def load_tokenizer(path, revision=None):
    """A tokenizer with a padding token and a chat template, its own where it has them."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path, revision=revision)
    if tokenizer.chat_template is None:
        tokenizer.chat_template = CHAT_TEMPLATE
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(name, revision=None, **kwargs):
    """The causal LM and tokenizer of a registered name, a folder or a Hub id."""
    from transformers import AutoModelForCausalLM

    path = base_path(name)
    # Half precision is slow on a CPU.
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path, revision=revision, **{"dtype": dtype, **kwargs}
        )
        return model, load_tokenizer(path, revision)
    except OSError as error:
        raise LlmError(
            f"The language model {name} can't be loaded from here or from the Hub: "
            f"{str(error).splitlines()[0]}"
        ) from None


class EmgLLM:
    """A chat LLM that reads EMG.

    labels: what it chooses among. bridge: how a recording becomes its prompt.
    temperature: divides the label scores; fitted on validation people.
    """

    def __init__(self, name, model, tokenizer, labels, bridge, temperature=1.0):
        self.name = name
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.labels = tuple(labels)
        self.bridge = bridge
        self.temperature = temperature

    @torch.inference_mode()
    def label_scores(self, prompts, progress=False):
        """Log-likelihood of each complete label answer: float64 (prompts, labels).

        prompts: the user's first turns. Each answer ends with the template's own end of turn,
        so a label that begins another one is not favoured.
        """
        from tqdm.auto import tqdm

        pairs = [self._answer_ids(p, label) for p in prompts for label in self.labels]
        scores = np.empty(len(pairs))
        batches = range(0, len(pairs), SCORING_BATCH)
        for start in tqdm(batches, desc="scoring", unit="batch", disable=not progress):
            batch = pairs[start : start + SCORING_BATCH]
            ids = [torch.tensor(full) for full, _ in batch]
            padded = torch.nn.utils.rnn.pad_sequence(
                ids, batch_first=True, padding_value=self.tokenizer.pad_token_id
            ).to(self.model.device)
            lengths = torch.tensor([len(i) for i in ids])[:, None]
            at = torch.arange(padded.shape[1])[None]
            mask = (at < lengths).to(self.model.device)
            # Every token is predicted from those before it: logits[t] scores ids[t + 1].
            answer_from = torch.tensor([n for _, n in batch])[:, None]
            answer = ((at >= answer_from) & (at < lengths))[:, 1:].to(self.model.device)
            first = int(answer_from.min())
            logits = self.model(
                input_ids=padded,
                attention_mask=mask.long(),
                logits_to_keep=padded.shape[1] - first + 1,
            ).logits[:, :-1]
            targets, answer = padded[:, first:], answer[:, first - 1 :]
            logp = torch.log_softmax(logits.float(), -1).gather(-1, targets[..., None])[..., 0]
            scores[start : start + len(batch)] = (logp * answer).sum(dim=1).cpu().numpy()
        return scores.reshape(len(prompts), len(self.labels))

    def probabilities(self, prompts, progress=False):
        """Normalised likelihoods of the label answers: float (prompts, labels)."""
        scores = self.label_scores(prompts, progress) / self.temperature
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def __call__(self, recording):
        """float (labels,): probabilities for one recording."""
        return self.probabilities([self.bridge.read(recording).prompt()])[0]

    def reply(self, messages, max_new_tokens=128):
        """Stream the answer to the last of `messages`, a piece of text at a time."""
        from transformers import TextIteratorStreamer

        ids = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        ).to(self.model.device)
        room = self.model.config.max_position_embeddings - max_new_tokens
        if ids["input_ids"].shape[1] > room:
            if len(messages) < 5:
                yield "That is more text than I can read at once; please ask in fewer words."
                return
            # The recording's own turn stays; the oldest exchange after it is forgotten.
            yield from self.reply(messages[:2] + messages[4:], max_new_tokens)
            return
        streamer = TextIteratorStreamer(
            self.tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=120
        )
        thread = Thread(
            target=self.model.generate,
            kwargs={
                **ids,
                "streamer": streamer,
                "max_new_tokens": max_new_tokens,
                "do_sample": False,
                "pad_token_id": self.tokenizer.pad_token_id,
            },
            daemon=True,
        )
        thread.start()
        said = False
        for piece in streamer:
            said = said or bool(piece.strip())
            if piece:
                yield piece
        thread.join()
        if not said:
            yield NO_ANSWER

    def _answer_ids(self, prompt, label):
        """(ids of prompt and answer, where the answer begins)."""
        user = [{"role": "user", "content": prompt}]
        answer = {"role": "assistant", "content": ANSWER.format(label=label)}
        template = self.tokenizer.apply_chat_template
        before = template(user, add_generation_prompt=True, return_dict=True)["input_ids"]
        full = template([*user, answer], return_dict=True)["input_ids"]
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, full, strict=False)) if a != b), len(before)
        )
        return full, shared

    def save_adapter(self, folder, **info):
        """Adapter, tokenizer and `config.json`; what the base is, it names."""
        folder = Path(folder)
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        save_config(folder, self.name, self.labels, self.bridge, self.temperature, **info)

    @classmethod
    def from_pretrained(cls, folder, encoder=None, codebook=None, base=None, revision=None):
        """Load an adapter folder; `base` overrides where its base model comes from."""
        from peft import PeftModel

        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text())
        model, _ = load_base(base or config["base"], revision)
        model = PeftModel.from_pretrained(model, str(folder))
        bridge = config["bridge"] and Bridge.from_dict(config["bridge"], encoder, codebook)
        return cls(
            config["name"],
            model,
            load_tokenizer(str(folder)),
            config["labels"],
            bridge,
            config["temperature"],
        )


def save_config(folder, name, labels, bridge, temperature, **info):
    config = {
        "kind": "emg-llm-adapter",
        "name": name,
        "labels": list(labels),
        "bridge": bridge if bridge is None or isinstance(bridge, dict) else bridge.to_dict(),
        "temperature": temperature,
        **info,
    }
    (Path(folder) / "config.json").write_text(json.dumps(config, indent=2) + "\n")
