"""The demo's Gradio interface around an EmotionPipeline."""

from emg_llm.ui.app import build_app
from emg_llm.ui.theme import launch_options

__all__ = ["build_app", "launch_options"]
