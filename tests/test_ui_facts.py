"""Statements that were checked are links that say what was measured and where."""

from types import SimpleNamespace

import gradio as gr

from emg_llm.report.check import check, marked
from emg_llm.ui.analysis import make_source
from emg_llm.ui.busy import Turns
from emg_llm.ui.chat import ChatArea
from emg_llm.ui.facts import link, unlinked
from emg_llm.ui.opened import OpenRecordings
from tests.pretending import FakePipeline, write_csv
from tests.test_statements import reports  # noqa: F401


def told(reply, report):
    return marked(reply, check(reply, report), link)


def test_a_checked_statement_links_to_its_channel_and_time(reports):  # noqa: F811
    report = reports["normal"]
    rms = report.of("rms")[0]
    reply = f"The RMS at the {rms.on} is {rms.value:.3g} µV. It lasts 3 s, or 4 s."
    said = told(reply, report)
    assert f'#measured?on={rms.on.replace(" ", "+")} "Measured: {rms.on}' in said
    assert '[3 s](#measured? "Measured: 3 s") ✓' in said
    assert '[4 s](#measured? "Measured: 3 s' in said
    assert unlinked(said) == marked(reply, check(reply, report))
    peak = report.value("peak")
    assert f"#measured?at={peak:g}" in told(f"The activity peaks at {peak:g} s.", report)


def test_what_would_break_a_link_is_left_alone(reports):  # noqa: F811
    report = reports["normal"]
    facts = check("It lasts 3 s.", report)
    assert link("a [b](c)", facts[0]) == "a [b](c)"
    assert "](#" not in told("More than 10 dB is good.", report)
    assert unlinked("See [a](https://b.c).") == "See [a](https://b.c)."


def test_an_answer_is_asked_for_again_in_its_own_column(tmp_path):
    pipeline = FakePipeline({"sample": write_csv(tmp_path / "sample.csv")})
    with gr.Blocks():
        chat = ChatArea(Turns(pipeline), OpenRecordings(), gr.State(None), gr.State(None))

    def clicked(who):
        return SimpleNamespace(target=chat.histories[who])

    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "No *(stopped)*"}]
    source = make_source(pipeline.samples["sample"])
    *_, last = chat.again(clicked(1), source, None, said, [*said, *said], [])
    _, writing, report, nano, other = last
    assert (writing, report, other) == ([], said, [])
    assert nano[:2] == said and "2 earlier" in nano[3]["content"] and len(nano) == 4
    assert not [*chat.again(clicked(2), source, None, said, said, [])]
