"""Opens trained models, saved ones and language models on a server, under the contract of `fitted`.

Language models are imported where they are needed: the SVM does without them.
"""

from functools import partial
from pathlib import Path

from emg_llm.bridge.codebook import Codebook
from emg_llm.data.datasets import DatasetError
from emg_llm.encoders import load_encoder
from emg_llm.experiments.signal_models import _encoder, _svm
from emg_llm.hub.client import bundle_folder, part, resolve
from emg_llm.hub.saved import read_json
from emg_llm.registry import is_served
from emg_llm.svm import EmotionSVM


def opened(model, encoder=None, codebook=None):
    """(the folder of a model of ours or None, the model as a Fitted).

    model: a folder or Hub id, or NAME=http://HOST:PORT/v1[#MODEL]. Raises DatasetError, LlmError,
    HubError or BridgeError.
    """
    if is_served(str(model)):
        return _served(model, encoder, codebook)
    folder = resolve(model)
    return folder, load_fitted(folder, encoder, codebook)


def load_fitted(folder, encoder=None, codebook=None):
    """Load a saved model of any kind as a Fitted. Raises DatasetError if there is none."""
    path = Path(folder) / "config.json"
    if not path.exists():
        raise DatasetError(f"{folder} holds no trained model: it has no config.json.")
    config = read_json(path)
    if config.get("kind") == "emg-svm":
        return _svm(EmotionSVM.from_pretrained(folder))
    if "arch" in config:
        return _encoder(load_encoder(folder))
    if config.get("kind") == "emg-llm-adapter":
        from emg_llm.experiments.language_models import as_fitted
        from emg_llm.llms.model import EmgLLM

        llm = EmgLLM.from_pretrained(folder, encoder, codebook)
        if llm.bridge is None:
            raise DatasetError(
                f"{folder} has no bridge in its config.json, so recordings can't become prompts; "
                "train it on conversations of train/conversations.py."
            )
        return as_fitted(llm, progress=True)
    raise DatasetError(f"{folder} holds no SVM, encoder or adapter of this project.")


def _served(model, encoder=None, codebook=None):
    """(the folder of our adapter that the server runs, or None; the model as a Fitted).

    The scale of the levels is that of the packaged bundle, where the model has no adapter of ours;
    encoder, codebook: by default the bundle's. Raises LlmError, HubError or BridgeError.
    """
    from emg_llm.experiments.language_models import as_fitted
    from emg_llm.llms.available import Bundle, load_api

    name, _, address = model.partition("=")
    home = bundle_folder()
    config = read_json(home / "config.json")
    place = partial(part, home, config)
    if encoder is None:
        encoder = load_encoder(place(f"encoders/{config['encoders'][0]}"))
    if codebook is None:
        codebook = Codebook.from_pretrained(place("codebook"))
    llm = load_api(Bundle(place, tuple(config["llms"]), encoder, codebook), name, address)
    folder = None
    if name in config["llms"]:
        folder = place(f"adapters/{name}")
    elif "/" in name or Path(name).is_dir():
        folder = resolve(name)
    return folder, as_fitted(llm, progress=True)
