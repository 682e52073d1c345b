"""A visitor whose file doesn't name its channels shows on the face where they were."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

import emg_llm
from tests.end_to_end.pages import ANSWER_MS, page_of

pytestmark = pytest.mark.slow

DIMMED = "emg-signal svg.row.dimmed"
SMALLEST = 24  # pixels of what a finger hits


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory):
    """Files of a happy person whose channels have no names: of all eight, and of two."""
    made, folder = emg_llm.simulate("happiness", subject=3), tmp_path_factory.mktemp("unnamed")
    for name, n in (("eight", 8), ("two", 2)):
        signal = made.signal[:, :n].round(1)
        np.savez(folder / f"{name}.npz", signal=signal, fs=made.sampling_rate, unit="uV")
    return folder


def upload(page, path):
    if page.get_by_label("Clear").count():
        page.get_by_label("Clear").first.click()
        page.locator("emg-signal").wait_for(state="detached")
    page.locator("input[type=file]").first.set_input_files(path)
    page.get_by_text("Where was channel 1?").wait_for()


def place(page, site):
    return page.locator(f'.place[data-site="{site}"]')


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_person_taps_where_each_channel_was(browser, url, unnamed, width, scheme):
    with page_of(browser, url, width, 900, f"?__theme={scheme}") as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        upload(page, unnamed / "eight.npz")
        page.locator(".instead", has_text="Tap on the face").wait_for(timeout=ANSWER_MS)
        page.wait_for_function("document.querySelector('emg-signal').chosen === 'channel 1'")
        assert page.locator(DIMMED).count() == 7
        box = place(page, "cheek left").locator(".reach").bounding_box()
        assert min(box["width"], box["height"]) >= SMALLEST
        assert page.evaluate("document.documentElement.scrollWidth") <= width

        place(page, "jaw right").click()  # by mistake
        page.get_by_text("Where was channel 2?").wait_for()
        page.get_by_role("button", name="jaw, right: channel 1").wait_for()
        found = Axe().run(page, context={"include": [["#hero"], ["#signal"]]})
        assert not [v["id"] for v in found.response["violations"]]
        page.get_by_role("button", name="Back", exact=True).click()
        place(page, "above the eye left").press("Enter")
        place(page, "above the eye left").press("Enter")  # which is taken
        place(page, "below the eye right").press(" ")
        assert place(page, "below the eye right").text_content() == "2"
        for site in emg_llm.MONTAGE[2:]:
            place(page, f"{site} left").click()
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        assert page.locator(".emotion").text_content() in emg_llm.EMOTIONS
        page.mouse.move(0, 0)
        assert page.locator(".site").count() == 8 and page.locator(DIMMED).count() == 0
        page.locator("emg-signal .names", has_text="below the eye right").wait_for()

        page.get_by_role("button", name="Sampling rate, unit and sites").click()
        sites = page.locator("#more").get_by_label("Sites")
        assert sites.input_value() == "as chosen on the face"
        page.get_by_label("Sampling rate (Hz)").fill("1500")
        page.get_by_label("Sampling rate (Hz)").press("Enter")
        page.locator("#summary").get_by_text("1500 Hz").first.wait_for(timeout=ANSWER_MS)
        assert page.locator(".site").count() == 8

        page.get_by_role("button", name="Change the sites").click()
        page.get_by_text("Where was channel 1?").wait_for()
        assert sites.input_value() == "as named in the file"
        page.locator("#summary").get_by_text("1500 Hz").first.wait_for()


def test_a_person_takes_the_standard_order_and_is_asked_anew_for_another_file(
    browser, url, unnamed
):
    with page_of(browser, url, 1440, 900) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        upload(page, unnamed / "eight.npz")
        place(page, "cheek right").click()
        page.get_by_role("button", name="Standard order").click()
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        assert page.locator(".emotion").text_content() == "happiness"
        assert page.locator(".site").count() == 8

        upload(page, unnamed / "two.npz")
        assert page.get_by_role("button", name="Standard order").count() == 0
        place(page, "cheek left").click()
        page.get_by_role("button", name="Not on the face").click()
        page.locator("emg-face .site").wait_for()
        page.locator("#answer .why", has_text="sites that the models read").wait_for(
            timeout=ANSWER_MS
        )
        assert page.locator("emg-signal .names div").all_inner_texts() == [
            "cheek left",
            "channel 2",
        ]
