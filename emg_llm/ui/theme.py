"""How the app looks, and how it is launched."""

from pathlib import Path

import gradio as gr

MAX_FILE_SIZE = "200mb"

# Gradio puts `.gradio-container` before each selector by itself.
CSS = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
# Outside the reach of CSS above: the accent on dark pages.
HEAD = "<style>body .dark, body.dark { --color-accent: #4fa9dc !important; }</style>"


def theme():
    """A quiet theme in the system's own fonts: nothing is fetched from elsewhere.

    The accent and the subdued text keep a contrast of 4.5:1 on white.
    """
    blue = gr.themes.Color(
        name="blue",
        c50="#eff7fc",
        c100="#dceef9",
        c200="#bbdef3",
        c300="#8ac7ea",
        c400="#4fa9dc",
        c500="#0b78b5",
        c600="#0a6ba3",
        c700="#0a5a89",
        c800="#0b4a70",
        c900="#0c3d5c",
        c950="#08273d",
    )
    return gr.themes.Base(
        primary_hue=blue,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "Menlo", "monospace"],
    ).set(
        body_text_color_subdued="*neutral_500",
        block_label_background_fill="transparent",
        block_label_border_width="0px",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
    )


def launch_options():
    """What `demo.launch(**launch_options())` needs: looks, limits and privacy.

    No history of runs is kept in the browser, since recordings are biometric data.
    """
    return {
        "theme": theme(),
        "css": CSS,
        "head": HEAD,
        "max_file_size": MAX_FILE_SIZE,
        "run_history": False,
        "footer_links": ["api"],
        "show_error": False,
        "ssr_mode": False,
        "mcp_server": False,
        "enable_monitoring": False,
    }
