"""The demo as a person and as a program meet it: started like `make demo`, then used."""

import pickle
import time
import zipfile

import numpy as np
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError

import emg_llm
from emg_llm.ui import build_app, launch_options
from tests.end_to_end.pages import ANSWER_MS, ask, bottom, choose_all, page_of
from tests.pretending import FakePipeline
from tests.writing import write_wfdb

pytestmark = pytest.mark.slow


def test_a_program_analyses_predicts_and_chats(client, trial):
    summary, signal, *_ = client.predict(handle_file(trial), api_name="/analyze")
    assert "my_trial" in summary and "8 channels" in summary and "2000 Hz" in summary
    assert signal["type"] == "plotly"

    answer = client.predict(handle_file(trial), api_name="/predict")
    for probabilities in answer["probabilities"].values():
        assert set(probabilities) <= set(emg_llm.EMOTIONS)
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert answer["label"] in emg_llm.EMOTIONS

    llms = list(answer["prompts"])
    assert llms and set(llms) <= set(answer["probabilities"])
    for llm in llms:
        job = client.submit("Which emotion is this?", handle_file(trial), llm=llm, api_name="/chat")
        scored = answer["probabilities"][llm]
        assert max(scored, key=scored.get) in job.result().lower()
        assert len(job.outputs()) > 2


def _bomb(path):
    """An npz of some hundred kilobytes that unpacks to 600 MB."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (9830400, 8), }".ljust(117) + "\n"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("signal.npy", "w", force_zip64=True) as member,
    ):
        member.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little"))
        member.write(header.encode())
        for _ in range(600):
            member.write(bytes(2**20))


BAD_FILES = {
    "empty.csv": lambda path: path.touch(),
    "words.csv": lambda path: path.write_text("dear diary,\ntoday I smiled a lot\n"),
    "nan.csv": lambda path: path.write_text("a,b\n" + "nan,nan\n" * 500),
    "two_samples.csv": lambda path: path.write_text("a,b\n1,2\n3,4\n"),
    "picture.npy": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500)),
    "pickle.npy": lambda path: path.write_bytes(pickle.dumps([1, 2, 3])),
    "bomb.npz": _bomb,
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_program_gets_one_sentence_for_a_bad_file_and_can_go_on(client, trial, name, tmp_path):
    BAD_FILES[name](tmp_path / name)
    for endpoint in ("/analyze", "/predict"):
        with pytest.raises(AppError) as refused:
            client.predict(handle_file(tmp_path / name), 1000, api_name=endpoint)
        assert name in str(refused.value) and str(refused.value).endswith(".")
        assert "Traceback" not in str(refused.value)
        assert str(tmp_path) not in str(refused.value)
    assert client.predict(handle_file(trial), api_name="/predict")["label"]


def test_a_single_channel_is_shown_and_the_emotion_withheld_in_words(client, tmp_path):
    np.save(tmp_path / "one.npy", emg_llm.simulate("fear").signal[:, :1])
    summary, *_ = client.predict(handle_file(tmp_path / "one.npy"), 2000, "uV", api_name="/analyze")
    assert "1 channel " in summary
    found = client.predict(handle_file(tmp_path / "one.npy"), 2000, "uV", api_name="/predict")
    assert found["label"] is None and "montage" in found["withheld"]


def test_a_person_uploads_sees_and_asks(browser, url, trial, words):
    with page_of(browser, url, 1280, 900) as page:
        page.get_by_text("not a medical device").wait_for()
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)  # it opens with a sample
        page.locator("input[type=file]").first.set_input_files(words)
        page.get_by_text("This recording can't be used.").wait_for()
        page.locator("emg-signal").wait_for(state="detached")
        assert not page.locator("#hero").is_visible()
        ask(page, "Why?")
        page.get_by_text("Upload a recording or pick a sample first.").first.wait_for()

        page.get_by_role("button", name="Remove this file").or_(
            page.get_by_label("Clear")
        ).first.click()
        page.locator("input[type=file]").first.set_input_files(trial)
        page.get_by_text("my_trial").first.wait_for()
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        page.locator("emg-signal svg.row").first.wait_for()
        assert page.locator(".emotion").text_content() in emg_llm.EMOTIONS
        page.locator(".votes summary").click()
        models = page.locator(".votes thead th").all_inner_texts()
        assert {"svm", "cnn", "tcn"} < {*models}
        choose_all(page)
        page.wait_for_function(  # each language model has its scores
            "() => document.querySelectorAll('.scores').length + 1 =="
            " document.querySelectorAll('.answer').length"
        )
        scored = page.locator(".scores li:first-child .label").all_inner_texts()
        names = page.locator("h3.llm").all_inner_texts()
        assert 1 + len(scored) == len(names) == page.locator(".answer").count()
        assert names[0] == "report"
        page.locator("details.folded summary").last.click()
        page.get_by_text("EMG features: ").last.wait_for()
        for tab in ("Spectrum", "Features", "Quality"):
            page.get_by_role("tab", name=tab).click()
        page.get_by_text("SNR (dB)").first.wait_for()

        ask(page, "Which emotion is this?")
        page.wait_for_function(  # in each column the emotion that this language model scores
            "scored => [...document.querySelectorAll('.answer')].slice(1).every((column, i) => "
            "[...column.querySelectorAll('.message.bot')]"
            ".some(answer => answer.innerText.toLowerCase().includes(scored[i])))",
            arg=scored,
            timeout=ANSWER_MS,
        )
        page.get_by_text("✓ agrees with the measurement").wait_for()


class Endless(FakePipeline):
    """Three language models that answer the first question until they are stopped."""

    llms = "a", "b", "c"

    def __init__(self, samples):
        super().__init__(samples)
        self.stopped = []

    def chat(self, recording, message, llm=None, history=()):
        if message != "Why?":
            yield f"{llm} knows {len(history)}."
            return
        try:
            while True:
                yield "more "
                time.sleep(0.3)  # a browser on a busy machine has to keep up
        finally:
            self.stopped.append(llm)


def test_a_person_stops_all_answers_and_asks_again(browser, trial):
    pipeline = Endless({"Sample": str(trial)})
    demo = build_app(pipeline)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    try:
        with page_of(browser, url, 1280, 900) as page:
            page.locator("#answer .agree").wait_for()
            choose_all(page)
            columns = page.locator(".answer")
            ask(page, "Why?")
            for k in range(4):
                columns.nth(k).get_by_text("more more").wait_for()
            page.get_by_role("button", name="Stop").click()
            page.get_by_role("button", name="Stop").wait_for(state="hidden")
            ask(page, "And now?")
            for k, llm in enumerate(("report", *pipeline.llms)):
                columns.nth(k).get_by_text(f"{llm} knows 2.").wait_for()
            assert sorted(pipeline.stopped) == ["a", "b", "c", "report"]
    finally:
        demo.close()


def test_a_person_is_asked_for_the_rate_where_the_file_does_not_tell_it(browser, url, tmp_path):
    np.save(tmp_path / "bare.npy", emg_llm.simulate("fear").signal)
    with page_of(browser, url, 1280, 900) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)  # it opens with a sample
        page.locator("input[type=file]").first.set_input_files(tmp_path / "bare.npy")
        page.get_by_text("How many samples per second?").wait_for()
        rate = page.get_by_label("Sampling rate (Hz)")
        assert rate.input_value() == "" and rate.get_attribute("placeholder") == "as in the file"
        page.get_by_role("button", name="2000 Hz", exact=True).click()
        page.locator("#summary").get_by_text("2000 Hz").first.wait_for()
        assert rate.input_value() == "2000" and not page.locator("#rates").is_visible()
        page.get_by_role("heading", name="No emotion named").wait_for(timeout=ANSWER_MS)
        page.locator(".instead", has_text="Tap on the face").wait_for()
        page.get_by_text("Where was channel 1?").wait_for()
        page.locator(".samples button").first.click()
        page.wait_for_function("field => field.value === ''", arg=rate.element_handle())


def test_a_person_uploads_a_header_and_its_samples_and_takes_one_of_two_files_back(
    browser, trial, tmp_path
):
    values = np.round(np.random.default_rng(0).normal(0, 500, (1000, 8))).astype(int)
    header = write_wfdb(tmp_path / "record.hea", values, 1000)
    demo = build_app(FakePipeline({"Sample": str(trial)}))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    try:
        with page_of(browser, url, 1280, 900) as page:
            page.locator("#answer .agree").wait_for()  # of the sample that it opens with
            page.locator("input[type=file]").first.set_input_files(header)
            page.get_by_text("give both files together").wait_for()
            page.locator("input[type=file]").first.set_input_files(tmp_path / "record.dat")
            page.locator("#summary").get_by_text("1000 Hz").first.wait_for()
            page.locator("#answer .agree").wait_for()
            page.get_by_label("Clear").first.click()
            page.get_by_text("Upload a recording or pick a sample").first.wait_for()
            page.locator("input[type=file]").first.set_input_files([trial, header])
            page.get_by_text("choose one recording at a time").wait_for()
            page.get_by_label("Remove this file").nth(1).click()
            page.locator("#summary").get_by_text("my_trial").first.wait_for()
    finally:
        demo.close()


def test_a_phone_shows_the_answer_of_a_sample_without_scrolling(browser, url):
    with page_of(browser, url, 390, 844) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        assert bottom(page, ".worth") <= 844
        page.locator(".samples button").nth(1).click()
        page.locator(".question").wait_for(timeout=ANSWER_MS)
        assert bottom(page, ".question") <= 844
        page.get_by_role("button", name="Show the answer").click()
        assert bottom(page, ".agree") <= 844
        page.locator(".votes summary").click()
        page.locator("emg-signal svg.row").first.wait_for()
        for tab in ("Spectrum", "Features", "Quality", "Signal", "Results"):
            page.get_by_role("tab", name=tab).click()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_sample_is_guessed_with_the_keyboard_before_its_emotion_is_shown(browser, url):
    with page_of(browser, url, 1280, 900) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        card = page.locator(".samples button", has_text="hard")
        card.press("Enter")
        page.locator(".question").wait_for(timeout=ANSWER_MS)
        assert card.get_attribute("aria-pressed") == "true"
        choose_all(page)
        for told in (".revealed", "#votes details", ".scores"):
            assert not page.locator(told).first.is_visible()
        page.locator(".choices button").first.press("Enter")
        page.locator(".guessed", has_text="simulated as anger").wait_for()
        assert page.locator(".revealed .emotion").text_content() in emg_llm.EMOTIONS
        assert page.locator("#votes details").is_visible()
        assert page.locator(".scores").first.is_visible()


def test_the_face_shows_levels_over_time_and_finds_a_site_in_the_signal(browser, url):
    with page_of(browser, url, 1280, 900) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        page.locator(".samples button", has_text="broken").click()  # Gradio patches the page
        page.locator(".site.silent").wait_for(timeout=ANSWER_MS)
        page.locator("emg-signal svg.row").first.wait_for()
        assert page.locator(".site.silent").get_attribute("aria-label") == "cheek: no signal"
        marks = page.locator(".site")
        assert marks.count() == 8 and "dB" in marks.first.get_attribute("aria-label")
        colours = "marks => marks.map(mark => mark.style.getPropertyValue('--colour'))"
        whole = marks.evaluate_all(colours)
        assert len({*whole}) > 4
        page.locator('.site[aria-label^="jaw"]').focus()
        assert page.locator(".readout").inner_text().startswith("jaw, ")
        rows = page.locator("emg-signal svg.row")
        dimmed = rows.evaluate_all("rows => rows.map(row => row.classList.contains('dimmed'))")
        assert dimmed == [True] * 7 + [False]  # the jaw is the last channel
        time = page.get_by_role("slider", name="Time")
        time.press("End")
        assert page.locator(".dimmed").count() == 0
        assert time.get_attribute("aria-valuetext") == "2.95 s"
        assert marks.evaluate_all(colours) != whole
        page.get_by_role("button", name="Play").click()
        page.get_by_role("button", name="Pause").click()
        assert page.locator(".time output").inner_text().endswith(" s")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_of_the_answer_has_a_contrast_of_four_and_a_half(browser, url, theme):
    with page_of(browser, url, 1280, 900, f"?__theme={theme}") as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        page.locator(".votes summary").click()
        faint = page.evaluate(FAINT, ["#head", "#samples", "#hero"])
        assert faint == []


# Texts whose contrast with what is behind them is below 4.5:1.
FAINT = """selectors => {
  const rgba = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = rgb => rgb.slice(0, 3).map(c => c / 255)
    .map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if ((colour[3] ?? 1) === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll(selectors.map(s => `${s} *`).join())) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) faint.push(`${element.textContent.trim()} ${ink}`);
  }
  return faint;
}"""


def test_a_person_simulates_a_recording_with_a_phone_and_opens_the_file_again(
    browser, url, tmp_path
):
    with page_of(browser, url, 390, 844) as page:
        panel = page.locator("#simulator")
        page.get_by_role("button", name="Simulate a recording").press("Enter")
        panel.get_by_label("Person").fill("0")
        panel.get_by_role("button", name="Simulate", exact=True).click()
        panel.get_by_text("Person must be a whole number").wait_for()
        panel.get_by_label("Person").fill("7")
        panel.get_by_label("held throughout").check()
        panel.get_by_role("button", name="Simulate", exact=True).click()
        panel.get_by_text("held from the first sample to the last").wait_for()
        panel.get_by_text("Person must be").wait_for(state="hidden")
        page.locator("#summary").get_by_text("This recording is simulated: person 7").wait_for()
        page.locator("#answer .agree, #answer .instead").first.wait_for(timeout=ANSWER_MS)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        with page.expect_download() as saved:
            panel.get_by_role("button", name="Download (.npz)").click()
        saved.value.save_as(tmp_path / "again.npz")
        page.locator("input[type=file]").first.set_input_files(tmp_path / "again.npz")
        page.locator("#summary").get_by_text("again").first.wait_for()
        page.locator("#summary").get_by_text("This recording is simulated: person 7").wait_for()
        assert panel.locator(".truth").count() == 0


def test_on_a_phone_the_newest_answer_is_scrolled_to(browser, url):
    with page_of(browser, url, 390, 844) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        column = page.locator(".answer").first
        for k, question in enumerate(("Why?", "How good is the signal?", "Which emotion is this?")):
            ask(page, question)
            column.locator(".message.user").nth(k).wait_for()
            page.get_by_role("button", name="Stop").wait_for(state="hidden", timeout=ANSWER_MS)
        page.wait_for_function(
            "() => { const column = document.querySelector('.answer');"
            "const end = [...column.querySelectorAll('.message.bot')].at(-1);"
            "const [inner, outer] = [end, column].map(e => e.getBoundingClientRect());"
            "return inner.top >= outer.top && inner.bottom <= outer.bottom; }"
        )
