"""Merges concurrent streams of text."""

from queue import Empty, SimpleQueue
from threading import Event, Thread


def merged(streams):
    """Yield {key: newest text} whenever any of `streams` ({key: iterator of texts}) advances.

    Each runs in its own thread, so a slow one delays no other. Closing the generator closes each
    at its next text. An error ends only its own stream, which must report it itself.
    """
    news, closed = SimpleQueue(), Event()

    def run(key, stream):
        try:
            for text in stream:
                if closed.is_set():
                    break
                news.put((key, text))
        finally:
            stream.close()
            news.put((key, None))

    for key, stream in streams.items():
        Thread(target=run, args=(key, stream), daemon=True).start()
    left, newest = set(streams), {}
    try:
        while left:
            key, text = news.get()
            while True:  # everything that has arrived
                if text is None:
                    left.discard(key)
                else:
                    newest[key] = text
                try:
                    key, text = news.get_nowait()
                except Empty:
                    break
            if newest:
                yield newest
                newest = {}
    finally:
        closed.set()
