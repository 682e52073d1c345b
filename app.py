"""The demo's entry point: load the bundle, build the app, serve it.

    python app.py [--bundle DIR_OR_HUB_ID] [--llm NAME[=ADAPTER]]…

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT set the address (default: 127.0.0.1:7860).
"""

import argparse
import os

# Read when gradio is imported. Nothing about anybody's recordings leaves the machine.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def main(arguments=None):
    """Parse the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(description="EMG-LLM: the demo.")
    parser.add_argument(
        "--bundle", help="folder or Hub id of the models; by default those that ship with EMG-LLM"
    )
    parser.add_argument(
        "--llm",
        action="append",
        metavar="NAME[=ADAPTER]",
        help="a language model that answers, instead of the bundle's: one of the bundle's by name, "
        "or any with the adapter that train/sft.py made of it, a folder or Hub id, such as "
        "tinyllama=runs/tinyllama; give it again for each. One that can't be had, or doesn't fit "
        "into memory, is listed in the app with the reason",
    )
    options = parser.parse_args(arguments)

    from emg_llm.hub.client import HubError
    from emg_llm.pipeline import EmotionPipeline
    from emg_llm.ui import build_app, launch_options

    try:
        pipeline = EmotionPipeline.from_pretrained(options.bundle, llms=options.llm)
    except HubError as error:
        parser.exit(1, f"{error}\n")
    for name, reason in pipeline.not_loaded.items():
        print(f"{name} is not loaded. {reason}")
    build_app(pipeline).launch(
        server_name=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        server_port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
        **launch_options(),
    )


if __name__ == "__main__":
    main()
