"""What the training scripts share: one parser, one way to show an error, where results go."""

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emg_llm.data.processes import is_main
from emg_llm.encoders import load_encoder
from emg_llm.encoders.base import SCALINGS, EncoderConfig
from emg_llm.encoders.training import LEADS, EncoderTraining
from emg_llm.signal.recording import RecordingError


@dataclass
class DataArguments:
    """What to train on."""

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
    seed: int = field(default=0, metadata={"help": "Seed of the split and of the training."})


@dataclass
class HubArguments:
    """Whether what was made goes to the Hugging Face Hub."""

    push_to_hub: bool = field(default=False, metadata={"help": "Send it to the Hub when done."})
    hub_model_id: str | None = field(
        default=None, metadata={"help": "Repository, USER/NAME (default: the folder's name)."}
    )
    hub_private_repo: bool | None = field(
        default=None, metadata={"help": "Make a new repository private."}
    )
    include_names: bool = field(
        default=False,
        metadata={"help": "Send names of real people and of their files, not numbers for them."},
    )


def finish(folder, args):
    """Write the card of what a script saved in `folder`, and send it where that was asked for.

    args: HubArguments, or anything with its fields.
    """
    from emg_llm.hub.cards import write_card

    write_card(folder)
    print(f"Saved to {folder}")
    if args.push_to_hub:
        from emg_llm.hub.publish import share

        repo_id = args.hub_model_id or Path(folder).resolve().name
        names = getattr(args, "include_names", False)
        print(f"Pushed to {share(folder, repo_id, args.hub_private_repo, names).url}")


@dataclass
class ReadingArguments:
    """How an encoder that is trained reads."""

    scaling: str = field(
        default=EncoderConfig.scaling,
        metadata={
            "help": "Levels are measured against the training people's, or against those of the "
            "person's own (unlabelled) recordings.",
            "choices": list(SCALINGS),
        },
    )
    lead: str = field(
        default=EncoderTraining.lead,
        metadata={
            "help": "What an encoder goes by: its network (deep), a classifier of the powers or of "
            "the whole pattern, or (auto) the one that reads people best who were left out.",
            "choices": list(LEADS),
        },
    )


def load_codec(encoder, codebook):
    """(encoder, codebook) from their folders or Hub ids; None where none was named."""
    from emg_llm.bridge.codebook import Codebook

    return (
        load_encoder(encoder) if encoder else None,
        Codebook.from_pretrained(codebook) if codebook else None,
    )


def known_errors():
    """The errors whose text is meant for a person."""
    from emg_llm.bridge import BridgeError
    from emg_llm.data.datasets import DatasetError
    from emg_llm.encoders.training import CheckpointError
    from emg_llm.hub.client import HubError
    from emg_llm.llms.loading import LlmError

    data = RecordingError, DatasetError
    return *data, BridgeError, HubError, LlmError, CheckpointError, TrackingError


def run(main, parser):
    """Parse the command line and call `main`; what goes wrong is said in one line, exit code 2."""
    parsed = parser.parse_args_and_config()
    try:
        main(*parsed)
    except known_errors() as error:
        if not is_main():  # a launcher ends all processes at the first failure
            sys.exit(0)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit("Stopped.")


class TrackingError(ValueError):
    """A tracker that can't be reported to; the text says what to do about it."""


@contextmanager
def reporting_to(name, project, config):
    """A function log(figures, step) while the run is open; None where `name` is "none".

    config: dict of what the run was started with. Raises TrackingError before anything is
    trained.
    """
    if name == "none":
        yield None
        return
    from accelerate import Accelerator
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    if name not in LOGGER_TYPE_TO_CLASS:
        known = ", ".join(["none", *LOGGER_TYPE_TO_CLASS])
        raise TrackingError(f"--report_to {name}: no such tracker; choose one of {known}.")
    if name not in map(str, get_available_trackers()):
        package = "'emg-llm[trackio]'" if name == "trackio" else name
        raise TrackingError(
            f"--report_to {name} needs a package that isn't installed: pip install {package}, or "
            "leave the option out."
        )
    accelerator = Accelerator(log_with=name, project_dir="runs")
    try:
        accelerator.init_trackers(project, config)
        yield accelerator.log
    finally:  # end_training() would also part processes that still have work to share
        for tracker in accelerator.trackers:
            tracker.finish()
