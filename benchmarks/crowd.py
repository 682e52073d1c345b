"""Many people use the app at once: errors, answers about another's file, times and memory.

    python benchmarks/crowd.py
    python benchmarks/crowd.py --people 8 --minutes 1
    python benchmarks/crowd.py --url http://127.0.0.1:7860

Each person has a recording of their own, told by its length, and again and again uploads it, each
time a little stronger so that nobody has read it before, has it predicted and asks about it. The
app is started here unless --url names one. Its memory is looked at after two minutes, or halfway if
that is earlier, and at the end. Exits with 1 if a request failed, an answer was about another file,
or memory grew by more than a tenth.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import psutil
from gradio_client import Client, handle_file

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from serving import served

import emg_llm

STEADY_S = 120  # after which memory may hardly grow
GROWTH = 1.10
QUESTION = "How long is the recording?"


class Tally:
    """What all people saw: seconds by step, and a count of every kind of trouble."""

    def __init__(self):
        self.seconds, self.trouble, self.busy = defaultdict(list), Counter(), 0
        self._lock = threading.Lock()

    def took(self, step, seconds):
        with self._lock:
            self.seconds[step].append(seconds)

    def saw(self, what):
        with self._lock:
            self.trouble[what] += 1

    def was_busy(self):
        with self._lock:
            self.busy += 1


def own_file(folder, person):
    """(path, Recording) of a recording that only this person has."""
    seconds = 2.0 + 0.05 * person
    recording = emg_llm.simulate("happiness", subject=1 + person, duration=seconds)
    return Path(folder) / f"person_{person}.npy", recording


def visit(url, path, recording, until, tally):
    """Upload, predict and ask until it is time."""
    try:
        client = Client(url, verbose=False)
    except Exception as error:
        tally.saw(f"no connection: {type(error).__name__}")
        return
    seconds, signal = recording.duration, recording.signal
    about = {"sampling_rate": recording.sampling_rate, "unit": "uV", "montage": "face"}
    while time.monotonic() < until:
        try:
            signal = signal * 1.001
            np.save(path, signal)
            start = time.monotonic()
            answer = client.predict(handle_file(path), **about, api_name="/predict")
            tally.took("predict", time.monotonic() - start)
            check(answer, path, seconds, tally)
            start = time.monotonic()
            told = client.predict(
                QUESTION, handle_file(path), **about, llm="report", api_name="/chat"
            )
            tally.took("ask", time.monotonic() - start)
            if f"{round(seconds, 3):g} s" not in told:
                tally.saw("an answer in the chat about another file")
        except Exception as error:
            tally.saw(f"{type(error).__name__}: {str(error)[:80]}")
            time.sleep(1)


def check(answer, path, seconds, tally):
    """Whether a prediction is about the file that was sent."""
    length = {s["id"]: s["value"] for s in answer["statements"]}["duration"]
    if answer["recording"] != path.stem or abs(length - seconds) > 1e-3:
        tally.saw("a prediction of another file")
    tally.took("models", len(answer["probabilities"]))
    if any("busy" in warning for warning in answer["warnings"]):
        tally.was_busy()


def listening(url):
    """The process on this machine that serves this address."""
    port = int(url.rstrip("/").rpartition(":")[2])
    found = (c for c in psutil.net_connections() if c.laddr and c.laddr.port == port)
    return psutil.Process(next(c.pid for c in found if c.status == "LISTEN"))


def megabytes(process):
    """Memory of the app and of the processes that it started."""
    every = [process, *process.children(recursive=True)]
    return sum(p.memory_info().rss for p in every) / 2**20


def main(args):
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        files = [own_file(folder, person) for person in range(args.people)]
        with served(args.url, folder) as (url, process):
            process = process or listening(url)
            start = time.monotonic()
            until = start + 60 * args.minutes
            people = [
                threading.Thread(target=visit, args=(url, *file, until, tally)) for file in files
            ]
            for person in people:
                person.start()
            time.sleep(min(STEADY_S, 30 * args.minutes))
            steady = megabytes(process)
            for person in people:
                person.join()
            minutes, end = (time.monotonic() - start) / 60, megabytes(process)
    print(f"{args.people} people, {minutes:.1f} minutes")
    for step in ("predict", "ask"):
        if seconds := tally.seconds[step]:
            low, high = np.percentile(seconds, [50, 95])
            print(f"{step}: {len(seconds)} times, median {low:.2f} s, 95 % within {high:.2f} s")
    print(f"answered without language models: {tally.busy} of {len(tally.seconds['models'])}")
    print(f"memory: {steady:.0f} MB, at the end {end:.0f} MB ({end / steady - 1:+.1%})")
    print("trouble:", dict(tally.trouble) or "none")
    return 1 if tally.trouble or not tally.seconds["ask"] or end > GROWTH * steady else 0


def make_parser():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=50, help="who use the app at once")
    parser.add_argument("--minutes", type=float, default=10, help="for which they do")
    parser.add_argument("--url", help="of an app that runs on this machine")
    return parser


if __name__ == "__main__":
    sys.exit(main(make_parser().parse_args()))
