"""A person asks, and looks at what an answer says in the signal."""

from tests.end_to_end.pages import ANSWER_MS, ask, page_of


def test_a_statement_of_an_answer_shows_its_channel_and_time(browser, url):
    with page_of(browser, url, 1440, 900) as page:
        page.wait_for_function("document.querySelector('#hero')?.innerText.includes('%')")
        page.wait_for_selector("#signal svg")
        ask(page, "Which muscle is the strongest?")
        said = page.locator(".answer .message.bot a").first
        said.wait_for(timeout=ANSWER_MS)
        assert said.get_attribute("title").startswith("Measured: ")
        page.get_by_role("tab", name="Quality").click()
        said.click()
        page.locator("emg-signal svg.row.dimmed").nth(6).wait_for()  # all but one of eight
        assert page.get_by_role("tab", name="Signal").get_attribute("aria-selected") == "true"
        ask(page, "When is the peak?")
        page.locator(".answer .message.bot").last.locator('a[href*="at="]').last.click()
        width = "(({view: [a, b], data: {whole: [c, d]}}) => (b - a) / (d - c))"
        page.wait_for_function(f"{width}(document.querySelector('emg-signal')) < 0.5")


def test_an_answer_is_asked_for_again_and_the_conversation_copied(browser, url):
    with page_of(browser, url, 1440, 900) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator("#answer").wait_for(timeout=ANSWER_MS)
        page.wait_for_selector("#signal svg")
        ask(page, "How long is the recording?")
        answer = page.locator(".answer .message.bot").last
        answer.get_by_text("✓").wait_for(timeout=ANSWER_MS)
        page.get_by_role("button", name="Copy the conversation").click()
        page.get_by_role("button", name="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("You: How long is the recording?\n\n") and "](#" not in copied
        page.get_by_label("Retry").first.click()
        answer.get_by_text("✓").wait_for(timeout=ANSWER_MS)
        assert page.locator(".answer .message.bot").count() == 1
