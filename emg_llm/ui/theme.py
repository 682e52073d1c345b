"""The look and the launch options of the app."""

from pathlib import Path

import gradio as gr

from emg_llm.ui.limits import Limits

MAX_FILE_SIZE = "200mb"

HERE = Path(__file__).parent
FAVICON = HERE / "mark.svg"
MARK = FAVICON.read_text(encoding="utf-8")
# Gradio prefixes each selector with `.gradio-container`.
STYLES = "style", "hero", "person", "strip", "sites", "steps"
CSS = "".join((HERE / f"{name}.css").read_text(encoding="utf-8") for name in STYLES)
# The CSS above doesn't reach what is around the page.
AROUND = """
body { --muscle: #b4472e; }
body.dark, body .dark { --color-accent: #4fa9dc !important; --muscle: #e08a72; }
@media (max-width: 640px) {
  html { scroll-padding-bottom: 5rem; }  /* what has the focus isn't behind the question */
  .gradio-container > .main { padding: .6rem !important; }
}
"""
SCRIPTS = "page", "signal", "strip", "talk", "sites"  # later ones use earlier ones
JS = "".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
HEAD = f"<style>{AROUND}</style><script>{JS}</script>"


def theme():
    """A plain theme with system fonts, so the page downloads none.

    The accent and the subdued text have a contrast of 4.5:1 on white, placeholders in their fields.
    """
    light = "#eff7fc", "#dceef9", "#bbdef3", "#8ac7ea", "#4fa9dc"
    dark = "#0b78b5", "#0a6ba3", "#0a5a89", "#0b4a70", "#0c3d5c", "#08273d"
    blue = gr.themes.Color(*light, *dark, name="blue")
    return gr.themes.Base(
        primary_hue=blue,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "Menlo", "monospace"],
    ).set(
        body_text_color_subdued="*neutral_500",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_300",
        block_label_background_fill="transparent",
        block_label_border_width="0px",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
    )


def launch_options():
    """Arguments of `demo.launch`: looks, limits and privacy.

    The browser keeps no history of runs, since recordings are biometric data.
    """
    return {
        "theme": theme(),
        "css": CSS,
        "head": HEAD,
        "favicon_path": FAVICON,
        "max_file_size": MAX_FILE_SIZE,
        "run_history": False,
        "footer_links": ["api"],
        "show_error": False,
        "ssr_mode": False,
        "mcp_server": True,
        "app_kwargs": {"middleware": [(Limits, (), {})]},
        # Counts and times of calls alone, for which the API page asks; no dashboard.
        "enable_monitoring": None,
    }
