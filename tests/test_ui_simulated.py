"""The simulator in the app: the recording of the settings, within bounds, and its truth."""

import shutil

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import emg_llm
from emg_llm.signal.recording import MONTAGE, RecordingError
from emg_llm.ui import build_app, launch_options
from emg_llm.ui.signals import RAW
from emg_llm.ui.simulated import BOUNDS, SEED, make, save
from tests.pretending import FakePipeline, write_csv
from tests.test_ui_opened import handlers

OTHER = {"person": 5, "intensity": 1.4, "severity": 0.25, "noise": 3.0, "take": 2}
OTHER |= {"sampling_rate": 1000, "duration": 2.0}


def test_settings_make_the_recording_that_the_simulator_makes_of_them():
    made = make("fear", "held", **OTHER)
    names = {k: v for k, v in OTHER.items() if k not in ("person", "take")}
    same = emg_llm.simulate("fear", 4, 1, seed=SEED, course="held", **names)
    assert np.array_equal(made.recording.signal, same.signal)
    assert np.array_equal(eval(made.call, {"emg_llm": emg_llm}).signal, same.signal)
    assert np.array_equal(make("fear", "held", **OTHER).recording.signal, same.signal)


@pytest.mark.parametrize("name", OTHER)
def test_every_setting_counts(name):
    plain, other = make("fear").recording, make("fear", **{name: OTHER[name]}).recording
    assert plain.signal.shape != other.signal.shape or not np.allclose(plain.signal, other.signal)


@pytest.mark.parametrize("name", BOUNDS)
def test_a_value_out_of_bounds_is_refused_in_one_sentence_with_the_bounds(name):
    bound = BOUNDS[name]
    beyond = (bound.least - 0.1, bound.most + 1, float("nan"), float("inf"), 10**400)
    for value in (*beyond, None, "1", True, [1]):
        with pytest.raises(RecordingError) as refused:
            make("fear", **{name: value})
        text = str(refused.value)
        assert text.startswith(bound.label) and f"{bound.least:g} to {bound.most:g}" in text
        assert text.endswith(".") and text.count(". ") == 0
    for value in (bound.least, bound.most):
        assert make("fear", **{name: value}).recording.n_channels == 8


@pytest.mark.parametrize("name", ["person", "take", "sampling_rate"])
def test_a_fraction_is_no_number_of_a_person(name):
    with pytest.raises(RecordingError, match="whole number"):
        make("fear", **{name: 700.5 if name == "sampling_rate" else 1.5})


@pytest.mark.parametrize("emotion", ["boredom", None, "", ["fear"], "../fear"])
def test_an_unknown_emotion_or_course_is_refused_with_the_choices(emotion):
    with pytest.raises(RecordingError, match="anger, anxiety"):
        make(emotion)
    with pytest.raises(RecordingError, match="posed or held"):
        make("fear", emotion)


def test_its_people_are_not_those_that_the_bundle_is_made_and_tested_with():
    from emg_llm.data.samples import SAMPLE_SEED
    from tests.scripts import load_script

    bundle = load_script("bundle")
    used = f"{bundle.BundleArguments().data},{bundle.NEW_PEOPLE},seed={SAMPLE_SEED},"
    assert f"seed={SEED}," not in used


def test_the_file_holds_the_recording_and_says_that_it_is_simulated(tmp_path):
    for settings in (OTHER, {"sampling_rate": 15000, "duration": 3.0}):  # the original's shape
        made = make("disgust", **settings)
        read = emg_llm.read_recording(save(made, str(tmp_path / "cache")))
        assert np.array_equal(read.signal, made.recording.signal) and read.valid.all()
        assert read.sampling_rate == made.recording.sampling_rate and read.unit == "uV"
        assert read.channel_names == MONTAGE
        assert (read.label, read.subject) == ("disgust", made.recording.subject)
        (note,) = read.notes
        assert "is simulated" in note and made.conditions in note
        assert "disgust" not in note  # a note must not tell the label


FULL = "full", "fades"


def test_the_truth_says_when_the_expression_begins_and_ends():
    made = [make("delight", take=take, noise=0) for take in range(1, 9)]
    for each in made:
        t, signal = each.times, each.recording.signal
        assert 0 < t["begins"] < t["full"] < t["fades"] < each.recording.duration
        rate = each.recording.sampling_rate
        power = np.square(np.diff(signal, axis=0)).mean(axis=1)
        before, during = int(t["begins"] * rate), slice(*(int(t[k] * rate) for k in FULL))
        assert power[during].mean() > 5 * power[:before].mean()
        if t["ends"] is not None:
            assert t["fades"] < t["ends"] < each.recording.duration
            assert f"{t['ends']:.2f} s" in each.sentence
        else:
            assert "still fading" in each.sentence
    assert len({each.times["ends"] is None for each in made}) == 2


def test_neutral_and_held_faces_have_no_beginning_and_no_end():
    for made in (make("neutral"), make("fear", "held"), make("neutral", "held")):
        assert set(made.times.values()) == {None}
    assert "no expression" in make("neutral").sentence
    assert "held" in make("fear", "held").sentence


@pytest.fixture
def panel(tmp_path, monkeypatch):
    """(handlers, components, a sample's path) of an app with one sample."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    sample = write_csv(tmp_path / "sample.csv")
    demo = build_app(FakePipeline({"sample": sample}))
    return handlers(demo), list(demo.blocks.values()), sample


PANEL = ("fear", 2, 1.0, 0.0, 0.9, 3.0, "posed", 2000, 1)  # in the order of the page


def shown(values):
    """All texts in an event's values."""
    held = (getattr(v, "value", v) for v in values)
    return " ".join(v for v in held if isinstance(v, str))


def test_the_panel_is_folded_away_and_every_field_has_a_label(panel):
    _, blocks, _ = panel
    (fold,) = (b for b in blocks if isinstance(b, gr.Accordion) and b.elem_id == "simulator")
    assert fold.label == "Simulate a recording" and not fold.open
    fields = gr.Dropdown | gr.Number | gr.Slider | gr.Radio

    def inside(block):
        for child in getattr(block, "children", ()):
            yield child
            yield from inside(child)

    labels = [b.label for b in inside(fold) if isinstance(b, fields)]
    assert len(labels) == len(PANEL) == len({*labels}) and all(labels)


def test_a_simulated_recording_opens_like_an_upload_with_its_truth_and_a_download(panel):
    does, _, _ = panel
    source, *values = does["simulated"](RAW, *PANEL)
    text = shown(values)
    assert "8 channels" in text and "This recording is simulated: person 2" in text
    assert "Simulated: <b>fear</b>" in text and "The expression begins at" in text
    downloads = [v.value["path"] for v in values if isinstance(v, gr.DownloadButton) and v.value]
    assert source.path in downloads
    assert '<h2 class="emotion">fear</h2>' in shown(does["predict"](source, None))
    again, *_ = does["simulated"](RAW, *PANEL)
    assert np.array_equal(*(emg_llm.read_recording(s.path).signal for s in (source, again)))


def test_what_is_open_stays_open_where_the_settings_are_refused(panel):
    does, _, _ = panel
    values = does["simulated"](RAW, "fear", 0, *PANEL[2:])
    assert "Person must be a whole number from 1 to 9999." in shown(values)
    assert "Simulated:" not in shown(values)
    kept = [v for v in values if isinstance(v, dict) and v.get("__type__") == "update"]
    assert len(kept) == len(values) - 1


def test_another_recording_takes_the_truth_away(panel):
    does, _, sample = panel
    done = does["uploaded"](sample, None, "auto", None, RAW)
    assert len(done) == len(does["simulated"](RAW, *PANEL)) - 3  # of the form only its sites
    assert "imulated" not in shown(done)
    *_, download, _ = done
    assert isinstance(download, gr.DownloadButton) and not download.visible


@pytest.fixture(scope="module")
def client():
    demo = build_app(FakePipeline())
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield Client(url, verbose=False)
    demo.close()


def test_a_program_gets_the_file_and_the_truth_and_can_analyse_it(client, tmp_path):
    file, truth = client.predict("sadness", person=3, duration=2, api_name="/simulate")
    made = make("sadness", person=3, duration=2)
    assert truth == made.as_json()
    assert np.array_equal(emg_llm.read_recording(file).signal, made.recording.signal)
    copy = shutil.copy(file, tmp_path / "mine.npz")
    summary, *_ = client.predict(handle_file(copy), api_name="/analyze")
    assert "mine" in summary and "This recording is simulated" in summary


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"intensity": 5}, "Intensity must be a number from 0.2 to 2."),
        ({"duration": 1e9}, "Duration must be a number from 1 to 10 s."),
        ({"course": "danced"}, "The expression must be posed or held."),
        ({"emotion": "/etc/passwd"}, "Choose an emotion: anger, "),
        ({"emotion": None}, "Choose an emotion: anger, "),
    ],
)
def test_a_program_is_told_the_bounds(client, settings, said):
    with pytest.raises(AppError) as refused:
        client.predict(**{"emotion": "fear"} | settings, api_name="/simulate")
    assert said in str(refused.value) and "passwd" not in str(refused.value)
