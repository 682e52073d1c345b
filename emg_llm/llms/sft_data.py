"""Conversations as a language model learns them: token ids, and labels where it answers.

One example holds a whole conversation, with the loss on every answer and its end of turn, so
that what was said before is read once. That the labels cover exactly the answers, and that an
answer's context is what the model will be given when it is asked, holds for every example, or
LlmError says what is wrong with the chat template.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from transformers import PreTrainedTokenizerBase

from emg_llm.bridge.reading import Reading
from emg_llm.bridge.spelling import spell_messages
from emg_llm.chat.turns import ANSWER, from_share_gpt
from emg_llm.hub.client import HubError, resolve
from emg_llm.llms.loading import LlmError, end_of_turn

IGNORED = -100  # a label that has no loss
CHUNK = 1000  # conversations tokenised at once

Row = Mapping[str, Any]  # a conversation and what is known of it


def messages_of(row: Row) -> list[dict[str, str]]:
    """The messages of a row that has `messages` or ShareGPT `conversations`."""
    return row.get("messages") or from_share_gpt(row["conversations"])


def to_examples(
    rows: Sequence[Row],
    tokenizer: PreTrainedTokenizerBase,
    spelling: str = "new",
    max_length: int | None = None,
    n_answers: int | None = None,
) -> datasets.Dataset:
    """Rows of conversations -> a `datasets` table with input_ids, labels and length.

    max_length: tokens; exchanges that don't fit are left out, the last first. n_answers: only
    the first so many of each row. Raises LlmError where nothing could be learned.
    """
    mark, end = end_of_turn(tokenizer)
    found, n_rows, left_out = {"input_ids": [], "labels": [], "length": []}, 0, 0
    for start in range(0, len(rows), CHUNK):
        texts = []
        for row in rows[start : start + CHUNK]:
            messages = [_trimmed(m) for m in spell_messages(messages_of(row), spelling)]
            texts += _texts(tokenizer, messages, mark, n_answers)
        for ids, labels in _tokenised(tokenizer, texts, end):
            n_rows += 1
            ids, labels = _cut(ids, labels, max_length)
            if not len(ids):
                left_out += 1
                continue
            found["input_ids"].append(ids)
            found["labels"].append(labels)
            found["length"].append(len(ids))
    if left_out == n_rows:
        raise LlmError(
            f"No answer to learn from: none of {n_rows} conversations has one that ends within "
            f"--max_length {max_length}."
        )
    if left_out:
        logging.getLogger(__name__).warning(
            "%d of %d conversations are longer than --max_length %s before their first answer "
            "ends, and left out.",
            *(left_out, n_rows, max_length),
        )
    return datasets.Dataset.from_dict(found)


def _trimmed(message):
    """A message whose text is trimmed where it is an answer, as several chat templates do."""
    answers = message["role"] == "assistant"
    return message | {"content": message["content"].strip()} if answers else message


def _texts(tokenizer, messages, mark, n_answers):
    """[(text, [(start, end) of each answer and its end of turn])] of a conversation.

    One text, or one for each answer where the template writes a turn differently once another
    follows it.
    """
    at = [i for i, m in enumerate(messages) if m["role"] == "assistant"][:n_answers]
    if not at:
        return []

    def render(n, ask=False):
        return tokenizer.apply_chat_template(
            messages[:n], add_generation_prompt=ask, tokenize=False
        )

    def span(text, i):
        before, answer = render(i, ask=True), messages[i]["content"] + mark
        end = len(before) + len(answer)
        return (len(before), end) if text[:end] == before + answer else None

    whole = render(at[-1] + 1)
    spans = [span(whole, i) for i in at]
    if all(spans):
        return [(whole, spans)]
    texts = [(text, [span(text, i)]) for i in at for text in [render(i + 1)]]
    if any(None in spans for _, spans in texts):
        raise LlmError(
            f"This chat template doesn't write an answer as prompt, answer and {mark}, so the "
            "model would learn another prompt than it is asked with: give the tokenizer a template "
            "that does."
        )
    return texts


def _tokenised(tokenizer, texts, end):
    """(input_ids, labels) of each text, up to the end of its last answer.

    An answer's tokens are those between the prompt's, as they are when it is asked, and `end`.
    """
    prefixes = [text[:at] for text, spans in texts for span in spans for at in span]
    encoded = iter(tokenizer(prefixes, add_special_tokens=False)["input_ids"])
    for text, spans in texts:
        found = [(next(encoded), next(encoded)) for _ in spans]
        ids = found[-1][1]
        labels = np.full(len(ids), IGNORED)
        for (asked, told), (start, stop) in zip(found, spans, strict=True):
            if ids[: len(told)] != told or told[: len(asked)] != asked or told[-1] != end:
                raise LlmError(
                    f"This tokenizer joins the answer {text[start:stop]!r} with what is before or "
                    "after it, so the model would learn what it is never asked: give it a chat "
                    "template with a token of its own before and after an answer."
                )
            labels[len(asked) : len(told)] = told[len(asked) :]
        yield np.array(ids), labels


def _cut(ids, labels, max_length):
    """Up to the end of the last answer that ends within `max_length` tokens."""
    learned = labels != IGNORED
    ends = np.flatnonzero(learned & ~np.append(learned[1:], False)) + 1
    ends = ends[ends <= max_length] if max_length else ends
    end = ends[-1] if len(ends) else 0
    return ids[:end], labels[:end]


def reading_of(row: Row) -> Reading:
    """The recording of a row, as the user tells it first."""
    return Reading(given=next(m["content"] for m in messages_of(row) if m["role"] == "user"))


def load_rows(
    path: str | Path, revision: str | None = None
) -> tuple[dict[str, list[Row]], dict[str, Any]]:
    """Conversations and what is known about them.

    path: what train/conversations.py wrote, a JSON or JSONL file, or a dataset's Hub id, of which
    revision is a branch, tag or commit.
    Returns ({part: list of rows}, {"labels", "bridge", "data", "protocol"}).
    """
    named, path = path, Path(path)
    if not path.exists():
        try:
            path = resolve(named, revision, kind="dataset")
        except HubError as error:
            raise LlmError(
                f"--dataset_name: {error} Make conversations with train/conversations.py."
            ) from None
    try:
        if path.is_file():
            parts = datasets.load_dataset("json", data_files=str(path))
        elif (path / "bridge.json").exists():
            files = {file.stem: str(file) for file in sorted(path.glob("data/*.parquet"))}
            parts = datasets.load_dataset("parquet", data_files=files)
        else:
            parts = datasets.load_dataset(str(path))
    except (FileNotFoundError, ConnectionError, ValueError, datasets.exceptions.DatasetsError) as e:
        raise LlmError(
            f"--dataset_name {path}: no conversations there ({str(e).strip().splitlines()[0]}). "
            "Make them with train/conversations.py."
        ) from None
    rows = {part: list(table) for part, table in parts.items()}
    if list(rows) == ["train"] and any(row.get("split") for row in rows["train"]):
        rows = _by_split(rows["train"])
    if "train" not in rows or not {"messages", "conversations"} & set(rows["train"][0]):
        raise LlmError(
            f"{path.name} needs a train split with a column 'conversations' (ShareGPT) or "
            "'messages'."
        )
    info: dict[str, Any] = {"data": path.name, "protocol": {"name": "given"}, "bridge": None}
    if (path / "bridge.json").exists():
        info |= json.loads((path / "bridge.json").read_text())
    else:
        for row in (r for part in rows.values() for r in part):
            row.setdefault("label", first_label(row))
        info["labels"] = sorted({r["label"] for r in rows["train"]})
    return rows, info


def _by_split(rows):
    """The rows of one file by the split that each names; training where it names none."""
    parts = {}
    for row in rows:
        parts.setdefault(row.get("split") or "train", []).append(row)
    unknown = sorted(set(parts) - {"train", "validation", "test"})
    if unknown:
        raise LlmError(f"No split {unknown[0]!r}: a row's split is train, validation or test.")
    return parts


def first_label(row: Row) -> str:
    """The label that the first answer of a row names."""
    answer = next(m["content"] for m in messages_of(row) if m["role"] == "assistant")
    return answer.removeprefix(ANSWER.format(label="")).strip()
