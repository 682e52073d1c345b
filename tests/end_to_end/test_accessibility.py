"""Every page holds to the rules of axe-core, on a screen and on a phone, light and dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.end_to_end.pages import page_of

DRAWN = "![...document.querySelectorAll('.empty')].some(box => box.checkVisibility())"
TABS = "Recording", "Your face", "Many files", "Results"


@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(browser, url, width, scheme):
    with page_of(browser, url, width, 900, f"?__theme={scheme}") as page:
        page.wait_for_selector("#signal svg")
        page.wait_for_function("document.querySelector('#hero')?.innerText.includes('%')")
        for tab in TABS:
            page.get_by_role("tab", name=tab, exact=True).first.click()
            page.wait_for_timeout(500)  # of a fade
            page.wait_for_function(DRAWN)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = Axe().run(page).response["violations"]
            assert not [(v["id"], [n["target"] for n in v["nodes"]]) for v in found], tab
