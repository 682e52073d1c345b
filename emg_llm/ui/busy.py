"""What the app does when many people use it at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Condition
from time import monotonic
from typing import Any

# All events that use a model share one limit, whichever comes first.
MODEL = {"concurrency_id": "model", "concurrency_limit": 4}
# But those that read many files last minutes: apart, so that nobody waits for them.
MANY = {"concurrency_id": "many", "concurrency_limit": 2, "api_visibility": "private"}
QUEUED = 200  # events that wait, before another is refused

AT_ONCE = 2  # events that use language models
PATIENCE_S = 3.0  # how long an event waits for its turn
LOST_S = 120.0  # after which a turn is over: its visitor has gone
BUSY = (
    "The language models are busy with other people's recordings, so the SVM and the encoders "
    "answer alone; open the recording again in a minute for all models."
)
BUSY_CHAT = "The language models are busy with other people's questions. The report says:\n\n"


class Turns:
    """Who may use the language models of a pipeline; the others get its other models alone."""

    def __init__(self, pipeline: Any, patience_s: float = PATIENCE_S) -> None:
        self.pipeline, self.patience_s = pipeline, patience_s
        self.alone = pipeline.asking({})  # one, which keeps what it has computed
        self._held: dict[object, float] = {}  # since when
        self._changed = Condition()

    @contextmanager
    def turn(self, person: Any, recording: Any, writes: bool = False) -> Iterator[tuple[Any, bool]]:
        """(the pipeline to ask, whether the language models are busy), for a `with` block.

        person: the pipeline that knows the visitor, or None. Nobody waits for what is computed
        already; writes: whether a language model is to write an answer, too.
        """
        pipeline = person or self.pipeline
        if not pipeline.llms or (not writes and pipeline.remembers(recording)):
            yield pipeline, False
            return
        turn = self._take()
        if turn is None:
            if not pipeline.remembers(recording):
                pipeline = person.asking({}) if person else self.alone
            yield pipeline, True
            return
        try:
            yield pipeline, False
        finally:
            with self._changed:
                self._held.pop(turn, None)
                self._changed.notify()

    def read(self, person: Any, recording: Any) -> tuple[Any, Any]:
        """(Prediction, Report); a warning says where the language models had no time for it."""
        with self.turn(person, recording) as (pipeline, busy):
            prediction, report = pipeline(recording), pipeline.report(recording)
        if (
            busy
            and prediction.probabilities
            and not set(self.pipeline.readers) & {*prediction.probabilities}
        ):
            prediction = replace(prediction, warnings=(*prediction.warnings, BUSY))
        return prediction, report

    def _take(self) -> object | None:
        turn = object()
        with self._changed:
            if not self._changed.wait_for(self._is_free, self.patience_s):
                return None
            self._held[turn] = monotonic()
        return turn

    def _is_free(self) -> bool:
        since = monotonic() - LOST_S
        self._held = {turn: start for turn, start in self._held.items() if start > since}
        return len(self._held) < AT_ONCE
