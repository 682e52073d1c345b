"""The prediction: the emotion, a card per model, and the probabilities."""

from html import escape

import gradio as gr

from emg_llm.plots import signals as plots

EMPTY = '<div class="empty">The emotion and its probabilities appear here.</div>'


class PredictionArea:
    """`show(prediction)` and `problem(text)` fill `outputs`, `clear()` empties them."""

    def __init__(self, llms):
        self.llms = tuple(llms)
        self.cards = gr.HTML(EMPTY, padding=False, elem_classes="flush")
        self.figure = gr.Plot(show_label=False, container=False, visible=False)
        self.outputs = [self.cards, self.figure]

    def show(self, prediction):
        """Values for `outputs`."""
        if prediction.withheld:
            html = _warning(f"No emotion is named. {prediction.withheld}")
            html += "".join(map(_warning, prediction.warnings))
            return [html, gr.Plot(None, visible=False)]
        return [
            cards_html(prediction, self.llms),
            gr.Plot(plots.probability_figure(prediction.probabilities, self.llms), visible=True),
        ]

    def problem(self, text):
        """The reason why there is no prediction."""
        return [_warning(f"No prediction: {text}"), gr.Plot(None, visible=False)]

    def clear(self):
        """Values that empty `outputs`."""
        return [EMPTY, gr.Plot(None, visible=False)]


def cards_html(prediction, llms):
    """The label, each model's first choice and the warnings as HTML."""
    cards = []
    for model, probabilities in prediction.probabilities.items():
        label = max(probabilities, key=probabilities.get)
        agrees = " main" if label == prediction.label else ""
        cards.append(
            f'<div class="card{agrees}"><div class="model">{escape(model)}</div>'
            f'<div class="label">{escape(label)}</div>'
            f'<div class="share">{probabilities[label]:.0%}</div></div>'
        )
    html = (
        f'<p class="headline">Prediction: <b>{escape(prediction.label)}</b> '
        f"<small>{escape(_source(prediction, llms))}</small></p>"
        f'<div class="cards">{"".join(cards)}</div>'
    )
    return html + "".join(map(_warning, prediction.warnings))


def _warning(text):
    return f'<div class="warning">{escape(text)}</div>'


def _source(prediction, llms):
    """The probability of the label, and whose it is."""
    llms = prediction.voters or llms
    voters = [p for model, p in prediction.probabilities.items() if model in llms]
    whose = f"mean of the {len(voters)} language models"
    if voters and prediction.known and not prediction.prompts.keys() & {*llms}:
        return f"{_share(prediction, voters)}, mean of the encoders, which learned the person"
    if len(voters) == 1:
        whose = "by the language model"
    elif not voters:
        voters, whose = list(prediction.probabilities.values()), "mean of all models"
    return f"{_share(prediction, voters)}, {whose}"


def _share(prediction, voters):
    return f"{sum(p.get(prediction.label, 0.0) for p in voters) / len(voters):.0%}"


def prediction_json(prediction):
    """The response of `/predict`.

    label: of the highest mean probability over the LLMs; None where withheld says why not.
    """
    return {
        "label": prediction.label,
        "withheld": prediction.withheld,
        "probabilities": {
            model: {label: float(p) for label, p in probabilities.items()}
            for model, probabilities in prediction.probabilities.items()
        },
        "warnings": list(prediction.warnings),
        "tokens": {llm: list(tokens) for llm, tokens in prediction.tokens.items()},
        "prompts": dict(prediction.prompts),
    }
