"""Language models on a server under the contract of `fitted`."""

from functools import partial
from pathlib import Path

from emg_llm.bridge.codebook import Codebook
from emg_llm.encoders import load_encoder
from emg_llm.experiments.language_models import as_fitted
from emg_llm.hub.client import bundle_folder, part, resolve
from emg_llm.hub.saved import read_json
from emg_llm.llms.available import Bundle, load_api


def served(model, encoder=None, codebook=None):
    """(the folder of our adapter that the server runs, or None; the model as a Fitted).

    The scale of the levels is that of the packaged bundle, where the model has no adapter of ours;
    encoder, codebook: by default the bundle's. Raises LlmError, HubError or BridgeError.
    """
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
