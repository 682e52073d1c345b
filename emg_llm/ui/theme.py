"""How the app looks, and how it is launched."""

import gradio as gr

MAX_FILE_SIZE = "200mb"

# Gradio puts `.gradio-container` before each selector by itself.
CSS = """
main { width: 100%; max-width: 1280px !important; margin: 0 auto !important; }
[role=grid] *, .body-cell, .header-cell, table * { font-family: var(--font) !important;
           font-variant-numeric: tabular-nums; font-size: .85rem; }
.flush .html-container { padding: 0 !important; }
#question .submit-button { background: var(--button-primary-background-fill);
           color: var(--button-primary-text-color); }
footer .divider { display: none; }
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
.hint, .hint p { color: var(--body-text-color-subdued); font-size: .85rem; margin: 0; }
.empty { display: flex; align-items: center; justify-content: center; text-align: center;
         border: 1px dashed var(--border-color-primary); border-radius: var(--block-radius);
         color: var(--body-text-color-subdued); padding: 1rem; min-height: 300px; }
.headline { font-size: 1.05rem; margin: 0 0 .6rem; }
.headline b { font-size: 1.35rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .6rem; }
.card { border: 1px solid var(--border-color-primary); border-radius: var(--block-radius);
        padding: .5rem .8rem; background: var(--block-background-fill); }
.card .model, .card .share { color: var(--body-text-color-subdued); font-size: .8rem; }
.card .label { font-size: 1.05rem; font-weight: 600; }
.card.main { border-color: var(--color-accent); }
.headline small { color: var(--body-text-color-subdued); margin-left: .4rem; }
.scores { list-style: none; margin: 0; padding: 0; font-size: .85rem; }
.scores li { display: grid; grid-template-columns: 6rem 1fr 3rem; gap: .5rem; margin: 0;
           align-items: center; }
.scores .bar { background: var(--border-color-primary); border-radius: 3px; height: .5rem; }
.scores .bar i { display: block; height: 100%; border-radius: 3px; min-width: 2px;
           background: var(--color-accent); }
.scores .share { text-align: right; }
h4.llm { margin: 0 0 .25rem; font-size: .95rem; }
details.folded { margin-top: .3rem; font-size: .85rem; }
details.folded summary { cursor: pointer; } details.folded p { margin: .3rem 0; }
details.folded ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.codes { font-family: var(--font-mono); font-size: .8rem; overflow-wrap: anywhere; }
.warning { border-left: 3px solid #e69f00; padding-left: .7rem; margin-top: .6rem;
           font-size: .88rem; }
.js-plotly-plot .modebar { opacity: .55; }
@media (hover: none), (pointer: coarse), (max-width: 640px) {
  /* a finger scrolls the page, it does not zoom a plot */
  .js-plotly-plot .drag { pointer-events: none; }
  .js-plotly-plot .modebar { display: none; }
}
@media (max-width: 640px) {
  main { padding: .6rem !important; }
  .tab-container button { padding: 0 .5rem !important; font-size: .85rem !important; }
  .empty { display: none; }
  .cards { grid-template-columns: 1fr 1fr; }
  .answer { height: auto !important; min-height: 9rem; }
  .answer .bubble-wrap { max-height: 20rem; }  /* what Gradio scrolls to the newest answer */
  #title h1 { font-size: 1.35rem; }
}
"""

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
