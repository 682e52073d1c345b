"""How the app looks, and how it is launched."""

import gradio as gr

MAX_FILE_SIZE = "200mb"

CSS = """
.gradio-container { max-width: 1280px !important; margin: 0 auto !important; }
#title h1 { font-size: 1.65rem; margin: 0 0 .15rem; letter-spacing: -.01em; }
#title p { color: var(--body-text-color-subdued); margin: 0; }
#notice { border-left: 3px solid var(--color-accent); padding: .35rem .8rem;
          background: var(--block-background-fill); border-radius: 4px; font-size: .88rem; }
#notice p { margin: 0; }
#summary { border: 1px solid var(--border-color-primary); border-left-width: 4px;
           border-radius: var(--block-radius); padding: .75rem 1rem;
           background: var(--block-background-fill); overflow-wrap: anywhere; }
#summary p { margin: 0 0 .4rem; } #summary p:last-child { margin: 0; }
#summary.good { border-left-color: #009e73; }
#summary.usable { border-left-color: #e69f00; }
#summary.poor, #summary.problem { border-left-color: #d55e00; }
.samples { gap: .4rem !important; flex-wrap: wrap !important; }
.samples button, .chips button { flex: 0 1 auto !important; min-width: 0 !important;
           border-radius: 999px !important; font-weight: 400 !important;
           padding: .3rem .75rem !important; }
.chips { gap: .4rem !important; flex-wrap: wrap !important; }
.heading h3 { margin: .2rem 0 0; font-size: 1rem; }
.hint p { color: var(--body-text-color-subdued); font-size: .85rem; margin: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; }
.card { border: 1px solid var(--border-color-primary); border-radius: var(--block-radius);
        padding: .55rem .8rem; background: var(--block-background-fill); }
.card .model { color: var(--body-text-color-subdued); font-size: .78rem; }
.card .label { font-size: 1.15rem; font-weight: 600; }
.card .share { font-size: .82rem; color: var(--body-text-color-subdued); }
.card.main { border-color: var(--color-accent); }
.codes { font-family: var(--font-mono); font-size: .8rem; overflow-wrap: anywhere; }
.warning { border-left: 3px solid #e69f00; padding-left: .7rem; margin-top: .6rem;
           font-size: .88rem; }
.results { overflow-x: auto; }
.js-plotly-plot .modebar { opacity: .55; }
@media (pointer: coarse) {  /* a finger scrolls the page, it does not zoom a plot */
  .js-plotly-plot .drag { pointer-events: none; }
  .js-plotly-plot .modebar { display: none; }
}
@media (max-width: 640px) {
  .gradio-container { padding: .6rem !important; }
  #title h1 { font-size: 1.35rem; }
}
"""


def theme():
    """A quiet theme with the fonts that Gradio ships: nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.sky,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
    ).set(
        block_label_background_fill="transparent",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
    )


def launch_options():
    """What `demo.launch(**launch_options())` needs: looks, limits and privacy.

    No history of runs is kept in the browser, since recordings are biometric data.
    """
    return {
        "theme": theme(),
        "css": CSS,
        "max_file_size": MAX_FILE_SIZE,
        "run_history": False,
        "footer_links": ["api"],
        "show_error": False,
        "ssr_mode": False,
        "mcp_server": False,
        "enable_monitoring": False,
    }
