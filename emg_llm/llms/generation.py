"""Batched answers to many conversations."""

from collections.abc import Sequence

import numpy as np
import torch
from tqdm.auto import tqdm

from emg_llm.chat.turns import Chat
from emg_llm.llms.model import EmgLLM

BATCH = 32  # conversations


@torch.inference_mode()
def generate(
    llm: EmgLLM, chats: Sequence[Chat], max_new_tokens: int = 128, progress: bool = False
) -> list[str]:
    """The greedy answers to chats that end with the user's turn, padded on the left."""
    ids = llm.token_ids(chats)
    order = np.argsort([len(i) for i in ids], kind="stable")  # similar lengths share a batch
    answers = [""] * len(chats)
    pad, device = llm.tokenizer.pad_token_id, llm.model.device
    starts = range(0, len(ids), BATCH)
    for start in tqdm(starts, desc="answers", unit="batch", disable=not progress):
        rows = order[start : start + BATCH]
        width = max(len(ids[i]) for i in rows)
        padded = [[pad] * (width - len(ids[i])) + list(ids[i]) for i in rows]
        mask = [[0] * (width - len(ids[i])) + [1] * len(ids[i]) for i in rows]
        output = llm.model.generate(
            input_ids=torch.tensor(padded, device=device),
            attention_mask=torch.tensor(mask, device=device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=pad,
        )
        texts = llm.tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
        for i, text in zip(rows, texts, strict=True):
            answers[i] = text
    return answers
