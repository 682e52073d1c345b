"""A visitor takes a recording along, and opens it again where there is no network."""

import json

import pandas as pd
import pytest

from tests.end_to_end.pages import ANSWER_MS, ask, page_of

pytestmark = pytest.mark.slow


def test_a_person_takes_the_report_and_opens_it_without_a_network(browser, url, trial, tmp_path):
    files = {}
    with page_of(browser, url, 390, 844) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        page.locator("input[type=file]").first.set_input_files(trial)
        page.locator("#summary").get_by_text("my_trial").first.wait_for()
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        emotion = page.locator(".emotion").text_content()
        ask(page, "How good is the <i>signal</i>?")
        page.get_by_role("button", name="Stop").wait_for(state="hidden", timeout=ANSWER_MS)
        page.get_by_role("button", name="Take it with you").click()
        assert not page.locator("#take-file").is_visible()  # after a second recording, too
        for button in page.locator("#take .chips button").all():
            with page.expect_download(timeout=ANSWER_MS) as saved:
                button.click()
            name = saved.value.suggested_filename
            files[name] = tmp_path / name
            saved.value.save_as(files[name])
    assert json.loads(files["my_trial.json"].read_text())["recording"] == "my_trial"
    csv, parquet = pd.read_csv(files["my_trial.csv"]), pd.read_parquet(files["my_trial.parquet"])
    assert len(csv) == len(parquet) > 10

    with browser.new_context(offline=True, viewport={"width": 390, "height": 844}) as context:
        page, problems = context.new_page(), []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("requestfailed", lambda request: problems.append(request.url))
        page.goto(files["my_trial.html"].as_uri())
        assert page.locator(".emotion").text_content() == emotion
        page.locator(".readout", has_text="Strongest").wait_for()
        assert page.locator(".site").count() == 8
        assert page.locator(".js-plotly-plot").count() == 2
        page.get_by_text("How good is the <i>signal</i>?").wait_for()
        page.get_by_role("heading", name="Limits").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert problems == []
