import json
import threading
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import emg_llm
from emg_llm import ui
from emg_llm.bridge.codebook import CodebookConfig
from emg_llm.evaluation.metrics import evaluate
from emg_llm.hub.client import bundle_folder
from emg_llm.pipeline import Prediction
from emg_llm.signal.recording import EMOTIONS
from emg_llm.ui import build_app, launch_options
from emg_llm.ui.analysis import escape, make_source, plain_history
from emg_llm.ui.llm_header import reading_html
from emg_llm.ui.prediction import Hero, prediction_json
from emg_llm.ui.results import results_frame
from tests.pretending import TOKENS, FakePipeline, write_csv
from tests.writing import write_wfdb


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    demo = build_app(FakePipeline({"sample": write_csv(folder / "sample.csv")}))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield Client(url, verbose=False)
    demo.close()


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return handle_file(write_csv(tmp_path_factory.mktemp("files") / "trial.csv"))


def test_analyze_describes_the_recording_and_returns_plots_and_tables(client, trial):
    summary, signal, spectrum, features, quality, snr = client.predict(trial, api_name="/analyze")
    assert "8 channels" in summary and "1000 Hz" in summary and "µV" in summary
    for plot in (signal, spectrum, snr):
        assert plot["type"] == "plotly"
    assert len(features["data"]) == len(quality["data"]) == 8


def test_a_rate_and_a_unit_given_by_hand_count(client, tmp_path):
    path = tmp_path / "plain.npy"
    np.save(path, np.random.default_rng(0).standard_normal((1000, 8)))
    summary, *_ = client.predict(
        handle_file(path), sampling_rate=500, unit="uV", api_name="/analyze"
    )
    assert "500 Hz" in summary and "2 s" in summary and "µV" in summary


def test_predict_answers_with_probabilities_of_every_model(client, trial):
    answer = client.predict(trial, api_name="/predict")
    assert answer["label"] == "fear"
    assert list(answer["probabilities"]) == list(FakePipeline.models)
    assert set(answer["probabilities"]["svm"]) == set(EMOTIONS)
    assert answer["warnings"] == ["Simulated."]
    assert answer["tokens"] == {llm: list(TOKENS) for llm in FakePipeline.llms}
    assert answer["prompts"]["nano-phi3"].startswith("EMG features: ")


def test_the_given_sites_of_unnamed_channels_count(client, tmp_path):
    np.save(tmp_path / "plain.npy", np.random.default_rng(0).standard_normal((1000, 8)))
    given = {"sampling_rate": 500, "unit": "uV", "api_name": "/analyze"}
    file = handle_file(tmp_path / "plain.npy")
    for montage, name in (("auto", "channel 8"), ("face", "jaw"), ("a,b,c,d,e,f,g,h", "h")):
        *_, features, _, _ = client.predict(file, montage=montage, **given)
        assert features["data"][7][0] == name


def test_the_columns_that_are_emg_may_be_named_to_every_endpoint(client, tmp_path):
    table = np.random.default_rng(0).standard_normal((1000, 4))
    np.savetxt(tmp_path / "a.csv", table, "%.4f", ",", header="one,two,three,four", comments="")
    file, given = handle_file(tmp_path / "a.csv"), {"sampling_rate": 500, "unit": "uV"}
    for channels, names in (("two, 4", ["two", "four"]), ("3", ["three"]), ("", None)):
        *_, features, _, _ = client.predict(file, channels=channels, api_name="/analyze", **given)
        assert [row[0] for row in features["data"]] == (names or ["one", "two", "three", "four"])
    for endpoint in ("/analyze", "/predict"):
        with pytest.raises(Exception, match="has no column 'five'"):
            client.predict(file, channels="five", api_name=endpoint, **given)
    with pytest.raises(Exception, match="has no column 'five'"):
        client.predict("Why?", file, channels="five", api_name="/chat", **given)


def test_a_withheld_emotion_is_said_instead_of_a_prediction():
    prediction = Prediction(None, {}, warnings=("Weak.",), withheld="It is a <leg>.")
    with gr.Blocks():
        html, votes = Hero(FakePipeline()).show(prediction)
    assert "No emotion named" in html and "It is a &lt;leg&gt;." in html and "Weak." in html
    assert votes == ""
    assert prediction_json(prediction)["label"] is None
    assert prediction_json(prediction)["withheld"] == "It is a <leg>."
    assert "no emotion is named" in reading_html("a", prediction)


def test_chat_streams_a_growing_reply_of_the_chosen_llm_and_marks_it_last(client, trial):
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    job = client.submit("Why?", trial, llm="nano-phi3", history=history, api_name="/chat")
    assert job.result() == "nano-phi3 read 8 channels ✓ and 2 earlier messages: Why?"
    first, *_, whole, marked = job.outputs()
    assert whole.startswith(first) and "✓" not in whole
    assert marked.replace(" ✓", "") == whole


def test_chat_asks_the_first_llm_by_default(client, trial):
    assert client.predict("Why?", trial, api_name="/chat").startswith("nano-llama2")


BAD = {
    "empty.csv": b"",
    "words.csv": b"this is not a recording",
    "pickle.npy": b"\x80\x04K\x01.",
    "noise.mat": bytes(range(256)),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("endpoint", ["/analyze", "/predict"])
def test_a_bad_file_is_refused_in_a_sentence_and_the_app_goes_on(
    client, trial, tmp_path, name, endpoint
):
    path = tmp_path / name
    path.write_bytes(BAD[name])
    with pytest.raises(AppError) as refused:
        client.predict(handle_file(path), api_name=endpoint)
    text = str(refused.value)
    assert text.endswith(".") and "Traceback" not in text and "/" not in text
    assert client.predict(trial, api_name="/predict")["label"] == "fear"


def test_a_recording_that_cannot_be_predicted_is_still_analysed(client, tmp_path):
    two = handle_file(write_csv(tmp_path / "two.csv", channels=2))
    summary, *_ = client.predict(two, api_name="/analyze")
    assert "2 channels" in summary
    with pytest.raises(AppError, match="8 channels, not 2"):
        client.predict(two, api_name="/predict")


def test_a_file_that_was_not_uploaded_is_not_read(client, tmp_path):
    file = {"path": write_csv(tmp_path / "secret.csv"), "meta": {"_type": "gradio.FileData"}}
    url = f"{client.src}gradio_api/call/analyze"
    event = httpx.post(url, json={"data": [file, None, "auto"]}).json()["event_id"]
    answer = httpx.get(f"{url}/{event}").text
    assert "event: error" in answer
    assert "channels" not in answer and "secret" not in answer


def test_a_manifest_that_is_uploaded_opens_no_file_that_it_names(client, tmp_path):
    secret = write_csv(tmp_path / "secret.csv")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(f"path,label\n{secret},fear\n{secret},anger\n")
    for endpoint in ("/analyze", "/predict"):
        with pytest.raises(AppError) as refused:
            client.predict(handle_file(manifest), 1000, "uV", api_name=endpoint)
        assert "manifest.csv" in str(refused.value) and "secret" not in str(refused.value)
    reachable = [
        *Path(ui.__file__).parent.glob("*.py"),
        Path(emg_llm.__file__).with_name("pipeline.py"),
    ]
    assert not [p.name for p in reachable if "load_dataset" in p.read_text()]


def test_only_five_endpoints_are_offered(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {
        "/analyze",
        "/analyze_emg",
        "/predict",
        "/chat",
        "/simulate",
    }


def test_people_who_use_the_app_at_once_get_their_own_answers(client, tmp_path):
    summaries = {}

    def analyse(channels):
        path = write_csv(tmp_path / f"{channels}.csv", channels=channels)
        summaries[channels], *_ = client.predict(handle_file(path), api_name="/analyze")

    threads = [threading.Thread(target=analyse, args=(n,)) for n in (2, 3, 4, 5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(f"{n} channels" in summaries[n] for n in (2, 3, 4, 5))


def test_the_page_says_what_the_models_were_trained_on_and_that_it_is_no_medical_device():
    texts = [
        str(block.value)
        for block in build_app(FakePipeline()).blocks.values()
        if isinstance(block, gr.Markdown)
    ]
    page = " ".join(texts)
    assert "simulated people" in page
    assert "not a medical device" in page


def test_nothing_is_recorded_and_uploads_are_deleted():
    options = launch_options()
    demo = build_app(FakePipeline())
    assert options["run_history"] is False
    assert options["max_file_size"]
    assert demo.analytics_enabled is False
    assert demo.delete_cache


@pytest.mark.parametrize("results", [{}, None, {"models": [{"model": "svm", "controls": None}, 3]}])
def test_results_of_any_shape_do_not_break_the_page(results):
    pipeline = FakePipeline()
    pipeline.results = results
    build_app(pipeline)


@pytest.mark.parametrize("llms", [("a",), ("a", "b", "c")])
def test_the_report_and_each_llm_have_a_column_of_chat_and_the_report_answers_first(llms):
    pipeline = FakePipeline()
    pipeline.llms = llms
    blocks = build_app(pipeline).blocks.values()
    assert [b.label for b in blocks if isinstance(b, gr.Chatbot)] == ["report", *llms]
    [chosen] = (b for b in blocks if isinstance(b, gr.CheckboxGroup) and "report" in str(b.choices))
    assert chosen.value == ["report"]


def test_without_a_language_model_the_app_predicts_and_the_report_answers(trial):
    pipeline = FakePipeline()
    pipeline.llms, pipeline.models = (), ("svm", "cnn")
    demo = build_app(pipeline)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    try:
        client = Client(url, verbose=False)
        assert client.predict(trial, api_name="/predict")["tokens"] == {}
        assert client.predict("Why?", trial, api_name="/chat").startswith("report read")
    finally:
        demo.close()


def test_how_it_works_is_a_picture_in_four_steps_with_the_numbers_of_the_codebook():
    pipeline = FakePipeline()
    pipeline.codebook = SimpleNamespace(config=CodebookConfig(96, depths=3, codes=17))
    blocks = build_app(pipeline).blocks.values()
    [steps] = [b.value for b in blocks if isinstance(b, gr.HTML) and b.elem_id == "steps"]
    assert steps.count("<svg") == steps.count("<h3>") == 4 and "$" not in steps
    told = " ".join(steps.split())
    assert "a vector of 96 numbers" in told and "3 discrete tokens, each one of 17 codes." in told
    assert steps.count("<rect") == 3 and steps.count("<circle") == len(emg_llm.MONTAGE) == 8


def test_results_show_intervals_chance_and_controls():
    row = results_frame(FakePipeline.results).iloc[0]
    assert row["accuracy"] == "61%"
    assert row["95 % interval"] == "50% to 70%"
    assert row["chance"] == "8%"
    assert row["noise emg"] == "9%"


def measured(model, seed=0):
    """The results of a model on sixteen recordings of each of five people."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(3, size=80)
    p = rng.dirichlet(np.ones(3), 80) + np.eye(3)[targets]
    found = evaluate(EMOTIONS[:3], targets, p / 2, np.repeat(list("abcde"), 16))
    return {"model": model, "data": "made here", **found}


def plots_of(results):
    pipeline = FakePipeline()
    pipeline.results = results
    blocks = build_app(pipeline).blocks.values()
    return [b for b in blocks if isinstance(b, gr.Plot) and b.value is not None]


def test_results_are_drawn_as_far_as_they_go():
    assert len(plots_of(FakePipeline.results)) == 1  # the accuracies
    models = [measured("svm"), measured("cnn", 1)]
    # Accuracies, reliability, abstention, people, a matrix.
    assert len(plots_of({"models": models})) == 5
    bundle = json.loads((bundle_folder() / "results.json").read_text())
    assert len(plots_of(bundle)) == 5


def test_one_confusion_matrix_is_shown_and_the_others_can_be_chosen():
    models = [measured("svm"), measured("cnn", 1)]
    pipeline = FakePipeline()
    pipeline.results = {"models": models}
    demo = build_app(pipeline)
    [choice] = [b for b in demo.blocks.values() if isinstance(b, gr.Dropdown) and b.label == "Of"]
    assert [name for name, _ in choice.choices] == ["svm", "cnn"] and choice.value == "cnn"
    [show] = [f.fn for f in demo.fns.values() if choice in f.inputs]
    counts = [int(n or 0) for row in show("svm").data[0].text for n in row]
    assert counts == np.ravel(models[0]["confusion_matrix"]).tolist()


def test_results_of_another_shape_are_left_out_of_the_figures():
    odd = measured("svm") | {"calibration": 3, "abstention": {"share": []}, "per_subject": [1]}
    assert len(plots_of({"models": [odd]})) == 2  # the accuracies, the confusion matrix


def test_calibration_and_sets_are_in_the_table_where_they_were_measured():
    model = measured("svm")
    new, old = results_frame({"models": [model, {"model": "cnn"}]}).to_dict("records")
    assert new["calibration error"] == f"{model['ece']:.0%}"
    assert new["after scaling"] == f"{model['calibration']['ece_scaled']:.0%}"
    assert new["80% sets hold"] == f"{model['conformal']['coverage']:.0%}"
    assert new["labels in a set"] == f"{model['conformal']['mean_size']:.1f}"
    assert (new["people"], old["people"]) == ("5", "–")
    assert old["calibration error"] == old["labels in a set"] == "–"


def test_people_on_whom_nothing_was_chosen_come_first():
    new = {"data": "others", "models": [measured("cnn")]}
    results = {"data": "some", "models": [measured("svm")], "new_people": new}
    assert results_frame(results)["model"].to_list() == ["cnn"]
    pipeline = FakePipeline()
    pipeline.results = results
    texts = [b.value for b in build_app(pipeline).blocks.values() if isinstance(b, gr.Markdown)]
    assert any("Data: others" in (text or "") for text in texts)


@pytest.mark.parametrize("rate", ["", None, 0])
def test_an_empty_field_leaves_the_rate_to_the_file(rate):
    assert make_source("trial.csv", rate, "auto")[:3] == ("trial.csv", None, None)


def test_text_from_a_file_is_shown_literally():
    assert escape("<b>*x*\n# y") == "&#60;b&#62;&#42;x&#42; &#35; y"


def test_a_history_is_understood_in_each_form_that_gradio_gives_it():
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": ["b"]},
        {"role": "user", "content": [{"type": "text", "text": "c"}], "metadata": None},
    ]
    assert [m["content"] for m in plain_history(history)] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="history"):
        plain_history([["old", "pairs"]])


def test_a_header_and_its_samples_are_read_together(client, trial, tmp_path):
    values = np.round(np.random.default_rng(0).normal(0, 500, (1000, 8))).astype(int)
    header = handle_file(write_wfdb(tmp_path / "a.hea", values, 1000))
    data = handle_file(tmp_path / "a.dat")
    for files in ([header, data], [data, header]):
        summary, *_ = client.predict(files, api_name="/analyze")
        assert "8 channels" in summary and "µV" in summary
        assert client.predict(files, api_name="/predict")["label"] == "fear"
    asked = client.predict("Why?", [header, data], api_name="/chat")
    assert asked.startswith("nano-llama2 read 8 channels")
    for files in (header, data, [trial, data], [trial, trial], [trial, header]):
        with pytest.raises(AppError, match="together"):
            client.predict(files, api_name="/analyze")


def test_a_plain_request_sends_one_file_as_ever(client, trial):
    with open(trial["path"], "rb") as stream:
        [path] = httpx.post(f"{client.src}gradio_api/upload", files={"files": stream}).json()
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, None, "auto", "auto"]
    for endpoint, given in (("analyze", data), ("predict", data)):
        url = f"{client.src}gradio_api/call/{endpoint}"
        event = httpx.post(url, json={"data": given}).json()["event_id"]
        assert "event: complete" in httpx.get(f"{url}/{event}").text, given
