"""The demo: Gradio areas and tabs, each a function of the pipeline."""

from emg_llm.ui.app import build_app
from emg_llm.ui.theme import launch_options

__all__ = ["build_app", "launch_options"]
