"""The demo's entry point: load the bundle, build the app, serve it.

    python app.py [--bundle DIR_OR_HUB_ID] [--llm NAME[=ADAPTER|=http://HOST:PORT/v1#MODEL]]…

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT set the address (default: 127.0.0.1:7860).
"""

import argparse
import os
import socket

# Gradio reads it on import. No usage data leaves the machine.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

# Uploads and what Gradio makes of them lie in a folder of the app's own, which is deleted when it
# ends, or by the next one if it was killed. Until then, none is kept for more than an hour.
UPLOADS, EVERY_S, KEEP_S = "emg-llm-uploads-", 300, 3000


def main(arguments=None):
    """Parse the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(description="EMG-LLM: the demo.")
    parser.add_argument(
        "--bundle", help="folder or Hub id of the models (default: those that come with EMG-LLM)"
    )
    parser.add_argument(
        "--llm",
        action="append",
        metavar="NAME[=ADAPTER]",
        help="load this language model instead of the bundle's (repeatable): a bundled model by "
        "name; an adapter trained with train/sft.py, as a folder or Hub id, such as "
        "tinyllama=runs/tinyllama; or one on a server with OpenAI's API, as NAME=http://HOST:PORT/"
        "v1#MODEL (key: EMG_LLM_API_KEY); the app lists models that fail to load, with the reason",
    )
    options = parser.parse_args(arguments)
    name = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    busy = (
        f"The demo can't use {name}:{port}; stop the program that does, or choose another port, "
        "as in GRADIO_SERVER_PORT=8080 make demo.\n"
    )
    if not port.isdecimal() or not 0 < int(port) < 2**16:
        parser.exit(1, f"GRADIO_SERVER_PORT={port} is not a port; give a number from 1 to 65535.\n")
    if not is_free(name, port):  # before the models are loaded, which takes time
        parser.exit(1, busy)

    from emg_llm.hub.temporary import staging_folder, sweep

    with staging_folder(UPLOADS, os.environ.get("GRADIO_TEMP_DIR")) as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(folder)  # Gradio reads it on import
        sweep(folder, EVERY_S, KEEP_S)
        serve(parser, options, name, int(port), busy)


def serve(parser, options, name, port, busy):
    """Load the models and serve the app until interrupted."""
    import torch

    from emg_llm.hub.client import HubError
    from emg_llm.llms.writing import threads
    from emg_llm.pipeline import EmotionPipeline
    from emg_llm.ui import build_app, launch_options

    torch.set_num_threads(threads())
    try:
        pipeline = EmotionPipeline.from_pretrained(options.bundle, llms=options.llm)
    except HubError as error:
        parser.exit(1, f"{error}\n")
    for llm, reason in pipeline.not_loaded.items():
        print(f"{llm} is not loaded. {reason}")
    try:
        build_app(pipeline).launch(server_name=name, server_port=port, **launch_options())
    except OSError:  # taken in the meantime
        parser.exit(1, busy)


def is_free(name, port):
    """Whether a server can listen at this address."""
    try:
        family, *_, place = socket.getaddrinfo(name.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        socket.create_server(place[:2], family=family).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
