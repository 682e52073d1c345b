"""The signal as a person looks closer at it, and the emotion over time below."""

import numpy as np
import pytest

from emg_llm.ui import build_app, launch_options
from tests.end_to_end.pages import ANSWER_MS, page_of
from tests.pretending import FakePipeline
from tests.test_ui_signal import Encoders

pytestmark = pytest.mark.slow

ANSWERED = """() => {
  const signal = document.querySelector("emg-signal");
  return signal.asked === null && `${signal.data.view}` === `${signal.view}`;
}"""
SEEN = "element => ({ view: element.view, size: element.data.size, peak: element.data.peak })"


class Long(FakePipeline):
    """One that reads windows, too."""

    encoders = Encoders().encoders

    def asking(self, llms):
        return self

    def withheld(self, recording):
        return "It is an arm." if recording.start > 9 else ""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A demo whose sample lasts 15 s, with a burst from 6 to 7 s."""
    rng, t = np.random.default_rng(0), np.arange(30_000) / 2000
    x = rng.standard_normal((30_000, 8)) * np.where((t > 6) & (t < 7), 40, 3)[:, None]
    path = tmp_path_factory.mktemp("files") / "long.npz"
    names = [f"muscle {i + 1}" for i in range(8)]
    np.savez(path, signal=x, sampling_rate=2000, unit="uV", channel_names=names)
    demo = build_app(Long({"Sample": path}))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    demo.close()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_a_person_looks_closer_until_every_sample_is_seen(browser, url, width, height):
    with page_of(browser, url, width, height) as page:
        signal = page.locator("emg-signal")
        page.locator("emg-signal svg.row").first.wait_for(timeout=ANSWER_MS)
        seen = signal.evaluate(SEEN)
        assert seen["view"] == [0, 15] and seen["size"] > 1 and 6 < seen["peak"] < 7
        assert page.locator("emg-signal .band").count() == 8
        assert page.locator("emg-signal .onset").count() >= 8
        names = page.locator("emg-signal .names div")
        assert names.first.bounding_box()["x"] < page.locator("svg.row").first.bounding_box()["x"]

        page.locator(".strip button.some").nth(2).click()  # the window of the burst
        page.wait_for_function(ANSWERED, timeout=ANSWER_MS)
        seen = signal.evaluate(SEEN)
        assert seen["view"] == [6, 9] and page.locator(".strip .frame").is_visible()
        assert page.locator(".strip button.none").count() == 1

        page.locator("emg-signal .plot").focus()
        for _ in range(4):
            page.keyboard.press("+")
        page.wait_for_function("document.querySelector('emg-signal').data.size === 1")
        page.wait_for_function(ANSWERED, timeout=ANSWER_MS)
        near = signal.evaluate(SEEN)
        assert near["size"] == 1 and near["view"][1] - near["view"][0] < 0.2
        assert page.locator("emg-signal .band").count() == 0

        page.get_by_label("cleaned").check()
        page.wait_for_function("v => document.querySelector('emg-signal').data.view[0] === v",
                               arg=near["view"][0])  # fmt: skip
        assert signal.evaluate(SEEN)["view"] == near["view"]
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Whole recording").click()
        page.wait_for_function(ANSWERED, timeout=ANSWER_MS)
        assert signal.evaluate(SEEN)["view"] == [0, 15]
        assert not page.locator(".strip .frame").is_visible()
