"""The answer on the page: the emotion, who agrees, what it is worth, and what to guess."""

import re

import gradio as gr
import numpy as np
import pytest

from emg_llm.pipeline import Prediction
from emg_llm.registry import MEAN
from emg_llm.signal.recording import EMOTIONS, Recording
from emg_llm.ui.answer import agreement, answer_html, withheld_html, worth_text
from emg_llm.ui.samples import BINS, SampleCards, sparkline
from emg_llm.ui.votes import votes_html
from tests.pretending import FakePipeline, write_csv


def says(label, share=0.7):
    return dict.fromkeys(EMOTIONS, (1 - share) / 11) | {label: share}


def prediction(label="fear", **tops):
    return Prediction(label, {name: says(top) for name, top in tops.items()})


AGREE = {
    "All 2 language models, the SVM and the CNN say so.": {
        "svm": "fear", "cnn": "fear", "a": "fear", "b": "fear"
    },
    "1 of 2 language models and the CNN say so; the SVM says anger.": {
        "svm": "anger", "cnn": "fear", "a": "fear", "b": "pride"
    },
    "1 of 2 language models say so; the SVM and the CNN don’t.": {
        "svm": "anger", "cnn": "pride", "a": "fear", "b": "pride"
    },
    "The CNN says so; the SVM says anger.": {
        "svm": "anger", "cnn": "fear", "a": "pride", "b": "anger"
    },
    "No model alone says so, but their mean does.": {"svm": "anger", "a": "pride", "b": "anger"},
    "The language model says so; the SVM says anger.": {"svm": "anger", "a": "fear"},
    "The SVM and the CNN say so.": {"svm": "fear", "cnn": "fear"},
}  # fmt: skip


@pytest.mark.parametrize("sentence", AGREE)
def test_who_agrees_is_one_sentence(sentence):
    assert agreement(prediction(**AGREE[sentence]), ("a", "b")) == sentence


@pytest.mark.parametrize(
    ("llms", "told", "whose"),
    [
        ((), "44 %", "mean of all models"),
        (("a",), "50 %", "by the language model"),
        (("a", "b"), "65 %", "mean of 2 language models"),
    ],
)
def test_the_confidence_says_whose_it_is(llms, told, whose):
    p = {"svm": {"fear": 0.02}, "a": {"fear": 0.5}, "b": {"fear": 0.8}}
    html = answer_html(Prediction("fear", p), llms)
    assert f"<b>{told}</b> <span>confidence, {whose}<" in html
    assert f'aria-valuenow="{told[:2]}"' in html


def results(model=MEAN, data="simulated:subjects=20"):
    row = {"data": data, "accuracy": 0.6, "chance": 1 / 12, "n_subjects": 20}
    bins = [
        {"confidence": 0.3, "accuracy": 0.4, "n": 90},
        {"confidence": 0.7, "accuracy": 0.81, "n": 50},
        {"confidence": 0.69, "accuracy": 1.0, "n": 3},  # too few to tell
    ]
    measured = {"model": model, **row, "calibration": {"bins": bins}}
    return {"models": [measured, *({"model": name} for name in ("svm", "a", "b"))]}


def test_an_answer_is_worth_what_such_answers_were_on_new_people():
    two = prediction(svm="fear", a="fear", b="fear")
    text = worth_text(two, ("a", "b"), results(), 0.7)
    assert text == (
        "On 20 simulated people new to the models, 81 % of 50 answers about this sure were right; "
        "guessing gets 8 %."
    )
    assert "20 people" in worth_text(two, ("a", "b"), results(data="trials.csv"), 0.7)
    assert "40 % of 90" in worth_text(two, ("a", "b"), results(), 0.2)


def test_nothing_is_told_of_models_that_nobody_measured():
    others = prediction(svm="fear", a="fear", c="fear")
    assert worth_text(others, ("a", "c"), results(), 0.7) == ""
    for odd in (None, {}, {"models": [3]}, {"models": [{"model": MEAN}]}):
        assert worth_text(prediction(a="fear", b="fear"), ("a", "b"), odd, 0.7) == ""


def test_why_no_emotion_is_named_and_what_to_do_are_two_sentences():
    html = withheld_html("All channels are <flat>; check the electrodes.")
    assert '<p class="why">All channels are &lt;flat&gt;.</p>' in html
    assert "</b> Check the electrodes.</p>" in html and "No emotion named" in html
    assert "instead" not in withheld_html("Every model failed.")


def test_a_sample_is_guessed_before_the_answer_is_shown():
    p = prediction(svm="fear", a="fear", b="pride")
    html = answer_html(p, ("a", "b"), truth="anger")
    offered = re.findall(r'value="(\w+)"', html)
    assert len(offered) == 4 and {"anger", "fear", "pride"} <= {*offered}
    assert offered == [e for e in EMOTIONS if e in offered]  # the order tells nothing
    hidden = html.index('class="revealed" hidden')
    assert html.index("<h2", hidden) < html.index("Fear".lower(), hidden)
    assert "emg-guess" not in answer_html(p, ("a", "b"))


def test_a_withheld_sample_is_not_to_be_guessed():
    html = answer_html(Prediction(None, {}, withheld="Flat; check it."), (), truth="anger")
    assert "emg-guess" not in html and "anger" not in html


def test_what_each_model_says_is_a_table_without_what_none_of_them_believes():
    low = says("fear", 0.997)
    table = votes_html(Prediction("fear", {"svm": low, "a<b>": low | {"pride": 0.02}}), ("a<b>",))
    assert re.findall(r'<th scope="row">(\w+)', table) == ["fear", "pride"]
    assert re.findall(r'<th scope="col">(.*?)<', table) == ["svm", "a&lt;b&gt;"]
    assert "&lt;1 %" in table and "Below 1 % with every model: anger, anxiety" in table
    assert votes_html(Prediction(None, {}, withheld="No."), ()) == ""


def test_a_sparkline_is_drawn_from_the_file_and_cards_say_which_sample_is_open(tmp_path):
    loud = np.random.default_rng(0).standard_normal((600, 2)) * 20
    loud[:300] *= 0.1
    line = sparkline(Recording(loud, 1000.0))
    heights = [float(b) - float(a) for a, b in re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)", line)]
    assert len(heights) == BINS and min(heights[30:]) > 2 * max(heights[:30])
    path = tmp_path / "a.csv"
    write_csv(path)
    (tmp_path / "bad.csv").write_text("no numbers")
    files = {"One": path, "Two: hard <b>": path, "Three": tmp_path / "bad.csv"}
    with gr.Blocks():
        cards = SampleCards(FakePipeline(files))
    html = cards.cards.value
    assert html.count("<button") == 3 and html.count("sparkline") == 2
    assert '<em class="tag">hard &lt;b&gt;</em>' in html and "1 kHz, .csv" in html
    assert cards.mark("Three")[0].elem_classes == ["open-2"]
    assert cards.mark()[0].elem_classes == ["open-none"]
