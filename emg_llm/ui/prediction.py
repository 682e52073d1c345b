"""The prediction: a card for each model, the probabilities, and what the LLM read."""

from html import escape

import gradio as gr

from emg_llm import plots

EMPTY = '<div class="empty">The emotion and its probabilities appear here.</div>'


class PredictionArea:
    """`outputs` are filled by `show(prediction)`, by `problem(text)` or emptied by `clear()`."""

    def __init__(self):
        self.cards = gr.HTML(EMPTY, padding=False, elem_classes="flush")
        self.figure = gr.Plot(show_label=False, container=False, visible=False)
        self.outputs = [self.cards, self.figure]

    def show(self, prediction):
        """Values for `outputs`."""
        return [
            cards_html(prediction),
            gr.Plot(plots.probability_figure(prediction.probabilities), visible=True),
        ]

    def problem(self, text):
        """The reason why there is no prediction."""
        html = f'<div class="warning">No prediction: {escape(text)}</div>'
        return [html, gr.Plot(None, visible=False)]

    def clear(self):
        """Values that empty `outputs`."""
        return [EMPTY, gr.Plot(None, visible=False)]


def cards_html(prediction):
    """The label, each model's first choice, warnings and codes as HTML."""
    cards = []
    for model, probabilities in prediction.probabilities.items():
        label = max(probabilities, key=probabilities.get)
        agrees = " main" if label == prediction.label else ""
        cards.append(
            f'<div class="card{agrees}"><div class="model">{escape(model)}</div>'
            f'<div class="label">{escape(label)}</div>'
            f'<div class="share">{probabilities[label]:.0%}</div></div>'
        )
    html = f'<p class="headline">Prediction: <b>{escape(prediction.label)}</b></p>'
    html += f'<div class="cards">{"".join(cards)}</div>'
    for warning in prediction.warnings:
        html += f'<div class="warning">{escape(warning)}</div>'
    if prediction.tokens:
        codes = escape(" ".join(prediction.tokens))
        html += (
            '<details class="codes-of"><summary>The codes that the LLM read</summary>'
            f'<p class="codes">{codes}</p></details>'
        )
    return html


def prediction_json(prediction):
    """The answer of `/predict`."""
    return {
        "label": prediction.label,
        "probabilities": {
            model: {label: float(p) for label, p in probabilities.items()}
            for model, probabilities in prediction.probabilities.items()
        },
        "warnings": list(prediction.warnings),
        "tokens": [str(token) for token in prediction.tokens],
    }
