"""Turn recordings into ShareGPT conversations for fine-tuning a language model.

    python train/conversations.py --data simulated --bridge both \\
        --encoder runs/cnn --codebook runs/codebook --output_dir runs/conversations
    python train/conversations.py --data features.csv --bridge text

Writes a dataset of Parquet files with the splits train, validation, test and calibration, a JSONL
file for each split, a card, and bridge.json: the bridge that turns a recording into a prompt,
fitted on the training people. With --refit these are the conversations of all people, and those to
measure with lie in `measured`; train/sft.py --refit takes both.
"""

from dataclasses import asdict, dataclass, field

import numpy as np
from tqdm.auto import tqdm
from trl import TrlParser

from emg_llm.bridge import BRIDGES
from emg_llm.chat.conversations import build_rows, passes
from emg_llm.chat.grounded import NEAREST
from emg_llm.chat.imagined import grounded_rows
from emg_llm.chat.parts import OWNED, write_parts
from emg_llm.data.contents import training_protocol
from emg_llm.data.datasets import PARTS, load_dataset
from emg_llm.data.known import with_known, without_neutral
from emg_llm.data.splits import held_out_split
from emg_llm.experiments.unseen import MEASURED
from emg_llm.scripts import (
    DataArguments,
    HubArguments,
    RefitArguments,
    ScalingArguments,
    load_codec,
    measured_folder,
    run,
    saving,
)

CARD = (
    "bridge",
    "scaling",
    "variants",
    "follow_ups",
    "reports",
    "questions",
)  # settings that the card lists


@dataclass
class ConversationArguments(ScalingArguments, RefitArguments):
    """Settings of the conversations."""

    bridge: str = field(
        default="text",
        metadata={"help": "How EMG gets into the LLM.", "choices": list(BRIDGES)},
    )
    encoder: str | None = field(
        default=None, metadata={"help": "Folder or Hub id of the encoder (tokens, both)."}
    )
    codebook: str | None = field(
        default=None, metadata={"help": "Folder or Hub id of the codebook (tokens, both)."}
    )
    output_dir: str = field(default="runs/conversations", metadata={"help": "Output folder."})
    variants: int = field(
        default=12,
        metadata={"help": "Conversations per training recording, each slightly varied."},
    )
    follow_ups: int = field(
        default=3, metadata={"help": "Further questions after the emotion, in every third variant."}
    )
    reports: int = field(
        default=0,
        metadata={
            "help": "Conversations about reports of training recordings, for a model that answers "
            "questions from a report."
        },
    )
    questions: int = field(default=16, metadata={"help": "Questions in each of these."})


def main(data, args, sharing):
    dataset = load_dataset(data.data, data.labels, data.montage)
    dataset = with_known(dataset, args.scaling, data.seed)
    split = without_neutral(dataset, held_out_split(dataset, data.seed))
    sources = args.encoder, args.codebook
    tested = [s and measured_folder(s, args.refit) for s in sources]
    with saving(args.output_dir, sharing, owns=OWNED) as folder:
        write(folder / MEASURED if args.refit else folder, data, args, dataset, split, tested)
        if args.refit:
            protocol = training_protocol(dataset, split, args.scaling)
            write(folder, data, args, dataset, split.refit, sources, protocol)


def write(folder, data, args, dataset, split, sources, measured=None):
    """Write the conversations of a split to a folder; sources: of the encoder and the codebook.

    measured: the protocol by which a model is measured before it learns these conversations.
    """
    codec = load_codec(*sources)
    bridge = BRIDGES[args.bridge].fit(dataset, split.train, *codec, scaling=args.scaling)
    rows = build_rows(dataset, split, bridge, args.variants, args.follow_ups, data.seed)
    count = {p: args.variants if p == "train" else passes(p) for p in PARTS}
    total = sum(len(getattr(split, p)) * n for p, n in count.items())
    rows = list(tqdm(rows, total=total, desc="conversations", unit="row"))
    if args.reports:
        rng = np.random.default_rng(data.seed)
        about = dataset, split.train, bridge, args.reports, args.questions, rng
        rows += tqdm(grounded_rows(*about), total=args.reports, desc="reports", unit="row")

    parts = {}
    for row in rows:
        parts.setdefault(row["split"], []).append(row)
    info = {
        "labels": dataset.label_names,
        "bridge": bridge.to_dict(),
        "data": dataset.name,
        "protocol": measured or training_protocol(dataset, split, args.scaling),
        "made": {k: v for k, v in asdict(args).items() if k in CARD},
    }
    if args.reports:
        info["grounded"] = NEAREST
    if measured:
        info["refit"] = True
    write_parts(folder, parts, info)
    for message in rows[0]["messages"]:
        print(f"{message['role']}: {message['content']}")
    print(f"{len(rows)} conversations")


def make_parser():
    return TrlParser((DataArguments, ConversationArguments, HubArguments))


if __name__ == "__main__":
    run(main, make_parser())
