"""Several streams of text at once."""

from queue import Empty, SimpleQueue
from threading import Event, Thread


def merged(streams):
    """{key: newest text}, as often as any of `streams` ({key: iterator of texts}) has news.

    Each runs in a thread of its own, so that a slow one holds up no other. When the generator is
    closed, each of them is closed at its next text. An error of one ends only that one: what it
    is to say, it must say itself.
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
            while True:  # all that is there by now
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
