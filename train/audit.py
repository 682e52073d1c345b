"""Measure how much of a score is leak or isn't muscle, and find duplicated recordings.

    python train/audit.py --data simulated:subjects=8,trials=3
    python train/audit.py --data manifest.csv --preset original
    python train/audit.py --data features.csv --strict

Scores one model with segments split at random, by recording and by person. Scores everything that
isn't muscle alone (rate, length, hum, offset, clipping, names, single columns) and names people who
may be one person. Lists copies, disguised copies (gain, noise, shift) and shared stretches. Writes
results.json, audit.csv, not_muscle.csv and audit.md. The exit code is 0; with --strict it is 3 if a
split between people would put one signal on both sides.
"""

import sys
from dataclasses import dataclass, field

from trl import TrlParser

from emg_llm.audit.duplicates import as_rows, find_duplicates, require_disjoint
from emg_llm.audit.leak import MAX_SEGMENTS, MODELS, measure_leak
from emg_llm.audit.report import finding, markdown, table, traps_table
from emg_llm.audit.traps import find_traps, warnings
from emg_llm.data.datasets import DatasetError, load_dataset
from emg_llm.data.tables import csv_bytes
from emg_llm.data.whole import whole
from emg_llm.evaluation.results import save_results
from emg_llm.scripts import DataArguments, run

LEAK = 3  # exit code


@dataclass
class AuditArguments:
    """Settings of the audit."""

    preset: str | None = field(
        default=None,
        metadata={
            "help": "'original' repeats the original project's protocol: z-scored segments, noisy "
            "copies, one scaler, a random split. Needs 8 channels.",
            "choices": ["original"],
        },
    )
    model: str = field(
        default="knn",
        metadata={
            "help": "; ".join(f"{name}: {what}" for name, what in MODELS.items()) + ".",
            "choices": list(MODELS),
        },
    )
    folds: int = field(
        default=5, metadata={"help": "Folds of every split; fewer if there are fewer people."}
    )
    max_segments: int = field(
        default=MAX_SEGMENTS,
        metadata={"help": "Above this number, keep every second (third, …) segment."},
    )
    strict: bool = field(
        default=False,
        metadata={"help": "Exit with code 3 if a signal would be in training and test."},
    )
    output_dir: str = field(default="runs/audit", metadata={"help": "Output folder."})


def main(data, args):
    if args.folds < 2 or args.max_segments < 1:
        raise DatasetError("--folds must be at least 2 and --max_segments at least 1.")
    dataset = load_dataset(data.data, data.labels, data.montage)
    results = measure_leak(
        dataset, args.preset, args.model, args.folds, args.max_segments, data.seed
    )
    duplicates = find_duplicates(dataset)
    strictest = results["splits"][-1]["recording"]["accuracy"]
    results["not_muscle"] = find_traps(dataset, strictest)
    results["warnings"] = warnings(results["not_muscle"])
    results["duplicates"] = as_rows(dataset, duplicates)
    results["refused"] = None
    try:
        require_disjoint(dataset, duplicates=duplicates)
    except DatasetError as error:
        results["refused"] = str(error)
    results["finding"] = finding(results)

    page = markdown(results)
    with whole(args.output_dir) as folder:
        save_results(folder, results)
        (folder / "audit.csv").write_bytes(csv_bytes(table(results)))
        (folder / "not_muscle.csv").write_bytes(csv_bytes(traps_table(results)))
        (folder / "audit.md").write_text(page)
    print(page)
    print(f"Saved to {args.output_dir}", flush=True)
    if args.strict and results["refused"]:
        print(f"error: {results['refused']}", file=sys.stderr)
        sys.exit(LEAK)


def make_parser():
    return TrlParser((DataArguments, AuditArguments))


if __name__ == "__main__":
    run(main, make_parser())
