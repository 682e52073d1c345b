"""How long a visitor of a warm app waits: for a sample, an upload, a zoom and a chat's first word.

    python benchmarks/page.py
    CHROMIUM=/usr/bin/chromium python benchmarks/page.py --times 20
    python benchmarks/page.py --url http://127.0.0.1:7860

Starts the app unless --url names one, and uses it in a headless Chromium as a person would. The
clock runs in the page, from the visitor's event to the first frame that shows all of the answer.
Each upload is a recording that nobody has read. Prints the median and the worst time beside the
limit.
"""

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import Error, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from serving import served

import emg_llm

LIMITS = {  # seconds
    "sample: signal, face and emotion": 1.0,
    "upload: signal, face and emotion": 1.5,
    "zoom by the button: finer data": 0.3,
    "zoom by dragging: finer data": 0.3,
    "first question: first word": None,
    "next question: first word": None,
}
SAMPLE, UPLOAD, BUTTON, DRAG, FIRST, NEXT = LIMITS
RATE, SECONDS = 15_000, 3
WINDOW = {"width": 1440, "height": 900}
WAIT_S = 120
QUESTIONS = "Which muscle is most active?", "When are the muscles active?"

# Each says of the page now whether the answer is there; `before` is what WATCH saw at the start.
OPENED = """(before) => before.reading && now().key !== before.key
  && element("emg-signal").shadowRoot.querySelector("svg.row")
  && shown("emg-face .site") && shown("#answer h2.emotion, #answer .question")
  && !element("#answer .waiting")"""
FINER = """(before) => now().step < before.step && element("emg-signal").asked === null"""
WHOLE = """() => `${now().view}` === `${now().whole}`"""
ANSWERED = """(before) => {
  const said = document.querySelectorAll(".answer .message.bot");
  return said.length > before.said && said[said.length - 1].innerText.trim();
}"""
# Begin to wait for an event; `took` is then a promise of the seconds until `answered`.
WATCH = """([type, answered, wait]) => {
  const element = (selector) => document.querySelector(selector);
  const shown = (selector) => element(selector)?.checkVisibility();
  const now = () => element("emg-signal")?.data ?? {};
  const { key, step } = now(), said = document.querySelectorAll(".answer .message.bot").length;
  const before = { key, step, said, reading: false }, isThere = eval(answered);
  // The answer of before may be shown until the models read: no moment of that must be missed.
  const reads = new MutationObserver(() => before.reading ||= Boolean(element("#answer .waiting")));
  reads.observe(document.body, { subtree: true, childList: true, attributes: true });
  window.took = new Promise((resolve) => {
    const begin = () => {
      const start = performance.now();
      const look = () => {
        const seconds = (performance.now() - start) / 1000;
        if (!isThere(before) && seconds < wait) return requestAnimationFrame(look);
        reads.disconnect();
        resolve(seconds < wait ? seconds : null);
      };
      requestAnimationFrame(look);
    };
    document.addEventListener(type, begin, { capture: true, once: true });
  });
}"""


class Visit:
    """A page and the seconds that it took, by step."""

    def __init__(self, page):
        self.page, self.seconds = page, defaultdict(list)

    def timed(self, step, event, answered, act):
        """Do something and wait for its answer. Raises SystemExit if none comes."""
        self.page.evaluate(WATCH, [event, answered, WAIT_S])
        act()
        seconds = self.page.evaluate("took")
        if seconds is None:
            raise SystemExit(f"No answer within {WAIT_S} s ({step}); is it an app of this version?")
        if step:
            self.seconds[step].append(seconds)

    @property
    def samples(self):
        return self.page.locator("[data-sample]").count()

    def open_sample(self, k, step=None):
        card = self.page.locator("[data-sample]").nth(k % self.samples)
        self.timed(step, "click", OPENED, card.click)

    def open_form(self):
        """Let uploads be of a face, which the first sample is: it isn't read again."""
        self.open_sample(0)
        settings = self.page.locator("#more")
        settings.get_by_role("button", name="Sampling rate, unit and sites").click()
        settings.get_by_label("Sites").click()
        settings.get_by_role("option", name="face").click()

    def upload(self, path):
        form = self.page.locator("#upload")
        remove = form.get_by_role("button", name="Remove this file").or_(form.get_by_label("Clear"))
        if remove.count():
            remove.first.click()
            self.page.locator("emg-signal").wait_for(state="detached")
        files = form.locator("input[type=file]")
        self.timed(UPLOAD, "change", OPENED, lambda: files.set_input_files(path))

    def zoom(self):
        closer = self.page.locator("emg-signal [data-act=closer]")
        self.timed(BUTTON, "click", FINER, closer.click)
        self.show_whole()
        plot = self.page.locator("emg-signal .plot")
        plot.scroll_into_view_if_needed()
        place, mouse = plot.bounding_box(), self.page.mouse
        x, y = place["x"], place["y"] + 40
        mouse.move(x + 0.3 * place["width"], y)
        mouse.down()
        mouse.move(x + 0.6 * place["width"], y)
        self.timed(DRAG, "pointerup", FINER, mouse.up)
        self.show_whole()

    def show_whole(self):
        whole = self.page.locator("emg-signal [data-act=whole]")
        self.timed(None, "click", WHOLE, whole.click)

    def ask(self, question, step):
        self.page.locator("#question textarea").fill(question)
        button = self.page.get_by_role("button", name="Ask", exact=True)
        self.timed(step, "click", ANSWERED, button.click)
        self.page.get_by_role("button", name="Stop").wait_for(state="hidden")
        self.page.wait_for_timeout(500)  # Gradio hears nothing while it ends an answer


def write_new(path, k):
    """A recording that nobody has read, (45000, 8) float32 in volts as bare numbers."""
    rng = np.random.default_rng()
    emotion = emg_llm.EMOTIONS[k % len(emg_llm.EMOTIONS)]
    made = emg_llm.simulate(emotion, subject=1000 + k, duration=SECONDS, sampling_rate=RATE)
    np.save(path, (made.signal * 1e-6 * rng.uniform(0.95, 1.05)).astype(np.float32))
    return path


def told(seconds):
    """The lines of the result; seconds: of each step, by its name."""
    width = max(map(len, LIMITS))
    for step, limit in LIMITS.items():
        took = seconds[step]
        line = f"{step:{width}}  median {median(took):.2f} s, worst {max(took):.2f} s"
        yield line + (f", limit {limit:.1f} s" if limit else "")


def main(args):
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        print("Starting the app and a browser …" if not args.url else "Starting a browser …")
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox", "--disable-gpu"]
        )
        with served(args.url, folder) as (url, _):
            page = chromium.new_page(viewport=WINDOW)
            page.set_default_timeout(1000 * WAIT_S)
            page.goto(url)
            visit = Visit(page)
            visit.page.locator("#answer h2.emotion:not(.none)").wait_for()
            print("Opening each sample once, so that all is warm …")
            for k in range(visit.samples):
                visit.open_sample(k)
            print("Opening samples again …")
            for k in range(args.times):
                visit.open_sample(k, SAMPLE)
            visit.open_form()
            for k in range(args.times):
                print(f"Upload, zoom and questions, {k + 1} of {args.times} …")
                visit.upload(write_new(Path(folder) / f"new_{k}.npy", k))
                visit.zoom()
                for question, step in zip(QUESTIONS, (FIRST, NEXT), strict=True):
                    visit.ask(question, step)
            chromium.close()
    print(f"\n{args.times} times each:", *told(visit.seconds), sep="\n")


def make_parser():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=10, help="how often each is measured")
    parser.add_argument("--url", help="of an app that runs already")
    return parser


if __name__ == "__main__":
    try:
        main(make_parser().parse_args())
    except Error as error:  # of the browser
        why, *_ = error.message.splitlines()
        lacks = "Executable doesn't exist" in why
        sys.exit(f"{why}\n`make browser` installs one; CHROMIUM names another." if lacks else why)
