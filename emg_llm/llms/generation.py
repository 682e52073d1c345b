"""Batched answers to many conversations."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from tqdm.auto import tqdm

from emg_llm.chat.turns import Chat
from emg_llm.llms.api import AT_ONCE, ApiLLM
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.writing import without_loops

BATCH = 32  # conversations


def generate(
    llm: EmgLLM | ApiLLM, chats: Sequence[Chat], max_new_tokens: int = 128, progress: bool = False
) -> list[str]:
    """The greedy answers to chats that end with the user's turn; of a server's model as they come.

    Loops are cut as in a streamed answer.
    """
    if isinstance(llm, EmgLLM):
        return _generated(llm, chats, max_new_tokens, progress)

    def answer(chat):
        return "".join(llm.reply(chat, max_new_tokens))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = tqdm(pool.map(answer, chats), "answers", len(chats), disable=not progress)
        return list(answers)


@torch.inference_mode()
def _generated(llm, chats, max_new_tokens, progress):
    """Batched answers, padded on the left."""
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
        for i, written in zip(rows, output[:, width:].tolist(), strict=True):
            kept = list(without_loops(t for t in written if t != pad))
            answers[i] = llm.tokenizer.decode(kept, skip_special_tokens=True)
    return answers
