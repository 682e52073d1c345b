"""What a person does on a page of the demo."""

from contextlib import contextmanager

ANSWER_MS = 120_000


@contextmanager
def page_of(browser, url, width, height, query=""):
    """A page that nobody has seen; fails on console errors and on requests elsewhere."""
    problems = []
    with browser.new_context(viewport={"width": width, "height": height}) as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: _is_elsewhere(r.url, url) and problems.append(r.url))
        page.goto(url + query)
        yield page
    assert not problems, problems


def _is_elsewhere(request, url):
    return not request.startswith((url, "data:", "blob:", "about:"))


def choose_all(page):
    """Let the language models answer beside the report."""
    boxes = page.locator("#answerers input")
    for k in range(boxes.count()):
        boxes.nth(k).check()
    page.wait_for_function(
        "n => document.querySelectorAll('.answer').length == n", arg=boxes.count()
    )


def ask(page, question):
    """Ask as a person would, who presses again: Gradio hears nothing while it ends an answer."""
    box = page.locator("#question textarea")
    box.fill(question)
    for _ in range(20):
        page.get_by_role("button", name="Ask", exact=True).click()
        page.wait_for_timeout(500)
        if not box.input_value():
            return
    raise AssertionError(f"{question!r} was not taken.")


def bottom(page, selector):
    box = page.locator(selector).first.bounding_box()
    return box["y"] + box["height"]
