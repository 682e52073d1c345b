"""What the training scripts share: one parser, one way to show an error, where results go."""

import sys
from dataclasses import dataclass, field

from emg_llm.recording import RecordingError


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


def load_codec(encoder, codebook):
    """(encoder, codebook) from their folders or Hub ids; None where none was named."""
    from emg_llm.codebook import Codebook
    from emg_llm.encoders import load_encoder
    from emg_llm.hub import resolve

    return (
        load_encoder(resolve(encoder)) if encoder else None,
        Codebook.from_pretrained(str(resolve(codebook)), strict=True).eval() if codebook else None,
    )


def known_errors():
    """The errors whose text is meant for a person."""
    from emg_llm.bridge import BridgeError
    from emg_llm.datasets import DatasetError
    from emg_llm.encoders.training import CheckpointError
    from emg_llm.hub import HubError
    from emg_llm.llms.model import LlmError

    return RecordingError, DatasetError, BridgeError, HubError, LlmError, CheckpointError


def run(main, parser):
    """Parse the command line and call `main`; what goes wrong is said in one line, exit code 2."""
    parsed = parser.parse_args_and_config()
    try:
        main(*parsed)
    except known_errors() as error:
        sys.exit(_fail(error))
    except KeyboardInterrupt:
        sys.exit("Stopped.")


def _fail(error):
    from emg_llm.processes import is_main

    if is_main():
        print(f"error: {error}", file=sys.stderr)
    return 2
