"""Shared by the training scripts: arguments, error messages, saving and publishing."""

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emg_llm.data.datasets import DatasetError
from emg_llm.data.processes import is_main
from emg_llm.data.whole import whole
from emg_llm.encoders import load_encoder
from emg_llm.encoders.training import LEADS, CheckpointError, EncoderTraining
from emg_llm.experiments.unseen import MEASURED
from emg_llm.hub.client import resolve
from emg_llm.signal.levels import SCALINGS
from emg_llm.signal.recording import RecordingError


@dataclass
class DataArguments:
    """The data to train on."""

    data: str = field(
        default="simulated",
        metadata={
            "help": "'simulated[:subjects=12,seed=3,…]', a folder <label>/<recording>, a manifest "
            "(CSV with a 'path' column), a feature table (CSV or Parquet), or a folder saved by "
            "datasets."
        },
    )
    labels: list[str] | None = field(
        default=None, metadata={"help": "Use only recordings with these labels."}
    )
    montage: list[str] | None = field(
        default=None,
        metadata={
            "help": "The site of each channel, in order, for recordings that don't name their "
            "channels: 'face' for the standard order, or a list of names."
        },
    )
    seed: int = field(default=0, metadata={"help": "Seed for the split and the training."})


@dataclass
class HubArguments:
    """Whether and how to publish on the Hugging Face Hub."""

    push_to_hub: bool = field(default=False, metadata={"help": "Push the result to the Hub."})
    hub_model_id: str | None = field(
        default=None, metadata={"help": "Repository, USER/NAME (default: the folder's name)."}
    )
    hub_private_repo: bool | None = field(
        default=None, metadata={"help": "If the repository is new, make it private."}
    )
    include_names: bool = field(
        default=False,
        metadata={"help": "Publish names of real people and of their files instead of numbers."},
    )


@contextmanager
def saving(folder, args, owns=()):
    """Context manager that yields where to write an output folder, which then appears whole.

    Adds its card, and pushes it if `args` (with HubArguments' fields) say so. owns: see `whole`.
    Only the main process writes; the others get the folder itself.
    """
    from emg_llm.hub.cards import write_card

    if not is_main():
        yield Path(folder)
        return
    with whole(folder, owns) as beside:
        yield beside
        write_card(beside)
    print(f"Saved to {folder}")
    if args.push_to_hub:
        from emg_llm.hub.publish import share

        repo_id = args.hub_model_id or Path(folder).resolve().name
        names = getattr(args, "include_names", False)
        print(f"Pushed to {share(folder, repo_id, args.hub_private_repo, names).url}")


@dataclass
class RefitArguments:
    """Whether the saved model learns from everybody."""

    refit: bool = field(
        default=False,
        metadata={
            "help": "After the measurement on people left out, which goes into "
            "OUTPUT_DIR/measured, learn from all people with the same settings and save that."
        },
    )


def measured_folder(source, refit):
    """The folder or id of what was measured on people left out: `source` or a folder in it.

    Raises DatasetError if `source` was refitted on everybody and `refit` is False.
    """
    folder = resolve(source)
    files = [folder / name for name in ("results.json", "bridge.json") if (folder / name).exists()]
    if not any(json.loads(file.read_text()).get("refit") for file in files):
        return source
    if not (folder / MEASURED).is_dir():
        raise DatasetError(
            f"{source} has learned from everybody and lacks its folder '{MEASURED}'; train it "
            "again with --refit."
        )
    if not refit:
        raise DatasetError(
            f"{source} has learned from everybody, so what is made with it can't be measured; give "
            f"--refit too, or {Path(source) / MEASURED}."
        )
    return folder / MEASURED


def refitted(results, groups):
    """Results of a measured model for the one that has learned from all of `groups`, its people."""
    n_people, n_recordings = len(np.unique(groups)), len(groups)
    return results | {"refit": True, "refit_people": n_people, "refit_recordings": n_recordings}


@dataclass
class ScalingArguments:
    """What a model that the script trains knows of a person."""

    scaling: str = field(
        default=SCALINGS[0],
        metadata={
            "help": "What is known of the person, for the zero of the levels: nothing (training), "
            "one neutral recording, several unlabelled ones, all that are read (person), or, for "
            "one model that is told which, any of the first three.",
            "choices": list(SCALINGS),
        },
    )


@dataclass
class ReadingArguments(ScalingArguments):
    """Settings of an encoder that the script trains."""

    lead: str = field(
        default=EncoderTraining.lead,
        metadata={
            "help": "The encoder's classifier: its network (deep), one on the channels' powers, "
            "one on the whole pattern, or the best of these on held-out people (auto).",
            "choices": list(LEADS),
        },
    )


def load_codec(encoder, codebook):
    """(encoder, codebook) from folders or Hub ids, each None if its name is None."""
    from emg_llm.bridge.codebook import Codebook

    return (
        load_encoder(encoder) if encoder else None,
        Codebook.from_pretrained(codebook) if codebook else None,
    )


def known_errors():
    """The exceptions whose text is meant for the user."""
    from emg_llm.bridge import BridgeError
    from emg_llm.hub.client import HubError
    from emg_llm.llms.loading import LlmError

    training = CheckpointError, TrackingError
    return RecordingError, DatasetError, BridgeError, HubError, LlmError, *training


def run(main, parser):
    """Parse the command line and call `main`; a known error is one line and exit code 2."""
    parsed = parser.parse_args_and_config()
    try:
        main(*parsed)
    except known_errors() as error:
        if not is_main():  # the main process reports it before the launcher ends all
            sys.exit(0)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit("Stopped.")


class TrackingError(ValueError):
    """An unusable experiment tracker; the text says what to do."""


@contextmanager
def reporting_to(name, project, config):
    """Context manager that yields log(figures, step), or None if `name` is "none".

    config: dict of the run's settings. Raises TrackingError before anything is trained.
    """
    if name == "none":
        yield None
        return
    from accelerate import Accelerator
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    if name not in LOGGER_TYPE_TO_CLASS:
        trackers = ", ".join(["none", *LOGGER_TYPE_TO_CLASS])
        raise TrackingError(f"--report_to {name}: no such tracker; choose one of {trackers}.")
    if name not in map(str, get_available_trackers()):
        package = "'emg-llm[trackio]'" if name == "trackio" else name
        raise TrackingError(
            f"--report_to {name} needs a missing package: pip install {package}, or omit the flag."
        )
    accelerator = Accelerator(log_with=name, project_dir="runs")
    try:
        accelerator.init_trackers(project, config)
        yield accelerator.log
    finally:  # end_training() would also disconnect processes that still share work
        for tracker in accelerator.trackers:
            tracker.finish()
