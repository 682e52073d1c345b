"""The pictures of the app in the README and in the documentation.

    python docs/pictures.py

Starts the demo, opens its first sample, asks a question, and saves what a screen and a phone show.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
# File -> width, height and theme of the page, and whether all of it is shown.
PICTURES = {
    ".github/app.png": (1280, 900, "light", True),
    "docs/phone.png": (390, 844, "dark", False),
}
QUESTION = "Which muscle is most active?"
COLOURS = 256
WAIT_MS = 120_000


def main():
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    demo = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox", "--disable-gpu"]
            )
            for file, look in PICTURES.items():
                take(browser, f"http://127.0.0.1:{port}/", ROOT / file, *look)
            browser.close()
    finally:
        demo.terminate()


def take(browser, url, file, width, height, theme, whole):
    """Save a picture of the page with few colours, which suits flat ones."""
    page = browser.new_page(viewport={"width": width, "height": height})
    end = time.monotonic() + WAIT_MS / 1000
    while True:
        try:
            page.goto(f"{url}?__theme={theme}")
            break
        except Exception:  # it is starting
            if time.monotonic() > end:
                raise
            time.sleep(1)
    page.locator("#answer .agree").wait_for(timeout=WAIT_MS)
    if whole:
        page.get_by_role("button", name=QUESTION).click()
        page.locator(".answer .message.bot").last.get_by_text("✓").wait_for(timeout=WAIT_MS)
        page.mouse.move(0, 0)
    page.wait_for_timeout(2000)  # until nothing moves
    page.screenshot(path=file, full_page=whole)
    page.close()
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(COLOURS).save(file, optimize=True)
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
