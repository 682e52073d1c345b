"""Turns conversations into training examples: token ids, and labels for the answers.

An example holds a whole conversation, with the loss on every answer and its end of turn. Every
example is checked: the labels cover exactly the answers, and an answer's context equals the prompt
at inference; otherwise LlmError says what is wrong with the chat template.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from transformers import PreTrainedTokenizerBase

from emg_llm.bridge.reading import Reading
from emg_llm.bridge.spelling import spell_messages
from emg_llm.chat.parts import about_parquet, check_jsonl, parquet_files
from emg_llm.chat.turns import ANSWER, from_share_gpt
from emg_llm.data.datasets import PARTS
from emg_llm.hub.client import HubError, resolve
from emg_llm.hub.saved import read_json
from emg_llm.llms.loading import LlmError, end_of_turn

IGNORED = -100  # a label without loss
CHUNK = 1000  # conversations per tokenizer call

Row = Mapping[str, Any]  # a conversation and its metadata


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

    max_length: tokens; later exchanges that don't fit are dropped. n_answers: the number of
    answers to keep of each row. Raises LlmError if no answer is left.
    """
    mark, end = end_of_turn(tokenizer)
    examples, n_rows, left_out = {"input_ids": [], "labels": [], "length": []}, 0, 0
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
            examples["input_ids"].append(ids)
            examples["labels"].append(labels)
            examples["length"].append(len(ids))
    if left_out == n_rows:
        raise LlmError(
            f"There is no answer to learn: in none of {n_rows} conversations does one end within "
            f"--max_length {max_length}; increase it."
        )
    if left_out:
        logging.getLogger(__name__).warning(
            "%d of %d conversations are dropped, because their first answer ends beyond "
            "--max_length %s.",
            *(left_out, n_rows, max_length),
        )
    return datasets.Dataset.from_dict(examples)


def _trimmed(message):
    """A message, trimmed if it is an answer, as several chat templates do."""
    answers = message["role"] == "assistant"
    return message | {"content": message["content"].strip()} if answers else message


def _texts(tokenizer, messages, mark, n_answers):
    """[(text, [(start, end) of each answer and its end of turn])] of a conversation.

    One text, or one per answer if the template writes the last turn differently from earlier ones.
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
            "prompts in training would differ from those in use: give the tokenizer a template "
            "that does."
        )
    return texts


def _tokenised(tokenizer, texts, end):
    """(input_ids, labels) of each text, up to the end of its last answer.

    An answer's tokens follow those of its prompt, and end with `end`.
    """
    prefixes = [text[:at] for text, spans in texts for span in spans for at in span]
    encoded = iter(tokenizer(prefixes, add_special_tokens=False)["input_ids"])
    for text, spans in texts:
        pairs = [(next(encoded), next(encoded)) for _ in spans]
        ids = pairs[-1][1]
        labels = np.full(len(ids), IGNORED)
        for (prompt, whole), (start, stop) in zip(pairs, spans, strict=True):
            if ids[: len(whole)] != whole or whole[: len(prompt)] != prompt or whole[-1] != end:
                raise LlmError(
                    f"This tokenizer merges the answer {text[start:stop]!r} with the text around "
                    "it, so training would differ from use: give it a chat template with special "
                    "tokens before and after an answer."
                )
            labels[len(prompt) : len(whole)] = whole[len(prompt) :]
        yield np.array(ids), labels


def _cut(ids, labels, max_length):
    """Cut after the last answer that ends within `max_length` tokens."""
    learned = labels != IGNORED
    ends = np.flatnonzero(learned & ~np.append(learned[1:], False)) + 1
    ends = ends[ends <= max_length] if max_length else ends
    end = ends[-1] if len(ends) else 0
    return ids[:end], labels[:end]


def reading_of(row: Row) -> Reading:
    """The Reading of a row: its first user message."""
    return Reading(given=next(m["content"] for m in messages_of(row) if m["role"] == "user"))


def people_of(rows: Sequence[Row]) -> np.ndarray:
    """str (rows,): the person of each row, or its recording if the person is unknown."""
    return np.array([r.get("subject") or name_of(r, i) for i, r in enumerate(rows)])


def name_of(row: Row, i: int) -> str:
    """The recording of row `i`."""
    return row.get("recording_id") or f"row {i + 1}"


def load_rows(
    path: str | Path, revision: str | None = None
) -> tuple[dict[str, list[Row]], dict[str, Any]]:
    """Load conversations: ({part: rows}, {"labels", "bridge", "data", "protocol"}).

    path: a folder from train/conversations.py, a JSON or JSONL file, or a dataset's Hub id, whose
    branch, tag or commit is revision. Raises LlmError, also for files of different runs.
    """
    named, path, made = path, Path(path), {}
    if not path.exists():
        try:
            path = resolve(named, revision, kind="dataset")
        except HubError as error:
            raise LlmError(
                f"--dataset_name: {error} Create conversations with train/conversations.py."
            ) from None
    try:
        if path.is_file():
            check_jsonl(path)
            parts = datasets.load_dataset("json", data_files=str(path))
        elif (path / "bridge.json").exists():
            made = read_json(path / "bridge.json")
            files = {part: str(file) for part, file in parquet_files(path, made).items()}
            parts = datasets.load_dataset("parquet", data_files=files)
        else:
            if any(about_parquet(file) for file in path.glob("data/*.parquet")):
                raise ValueError("bridge.json is missing")
            parts = datasets.load_dataset(str(path))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as e:
        raise LlmError(
            f"--dataset_name {path}: no whole set of conversations there "
            f"({str(e).strip().splitlines()[0].rstrip('.')}). Create them with "
            "train/conversations.py."
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
    if made:
        info |= {key: value for key, value in made.items() if key != "parts"}
    else:
        for row in (r for part in rows.values() for r in part):
            row.setdefault("label", first_label(row))
        info["labels"] = sorted({r["label"] for r in rows["train"]})
    return rows, info


def _by_split(rows):
    """Group rows by their split, training by default."""
    parts = {}
    for row in rows:
        parts.setdefault(row.get("split") or "train", []).append(row)
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise LlmError(f"Unknown split {unknown[0]!r}: use {', '.join(PARTS)}.")
    return parts


def first_label(row: Row) -> str:
    """The label in the first answer of a row."""
    answer = next(m["content"] for m in messages_of(row) if m["role"] == "assistant")
    return answer.removeprefix(ANSWER.format(label="")).strip()
