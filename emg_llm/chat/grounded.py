"""Chats that are answered from the report of a recording: its facts, and questions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile

from emg_llm.chat.turns import Message
from emg_llm.report import Report, Statement
from emg_llm.report.check import unmarked
from emg_llm.report.models import LIMITS, TERMS
from emg_llm.report.retrieve import known, lines, retrieve
from emg_llm.report.statements import shown

ABOUT = (
    "You answer questions about a recording of surface EMG, briefly and from these facts alone. "
    "Where they hold no answer you say that you don't know it."
)
ROW = {  # what a line on a channel says of it
    "rms": "RMS {value} {unit}",
    "level": "level {value} dB",
    "site_snr": "SNR {value} dB",
    "onset": "active {value} s",
}
# Said alike of every recording, or in more detail than anybody asks for.
UNTOLD = {"mains", *LIMITS, *TERMS}
SHORTENED = {"accuracy": " (", "withheld": ";"}  # up to where they are told
MOST_REMEMBERED = 6  # questions and answers before the last question
NEAREST, WHOLE = "nearest", "whole"  # of a report: what comes with each question, or first
NEAR = 4  # kinds of statements with each question


@dataclass(frozen=True)
class Grounded:
    """A chat about a recording: what its report states, and questions and answers.

    Unlike a `Chat` it holds no codes, and needs no emotion: that is one of the statements. facts:
    WHOLE, the report in compact form comes first; or NEAREST, the few statements that matter for
    it come with each question, as suits a small model.
    """

    report: Report
    later: tuple[Message, ...] = ()
    facts: str = NEAREST

    @property
    def turns(self) -> list[Message]:
        """All messages, for training and inference alike."""
        if self.facts == WHOLE:
            return [{"role": "system", "content": f"{ABOUT}\n{whole(self.report)}"}, *self.later]
        turns, earlier = [{"role": "system", "content": ABOUT}], []
        for message in self.later:
            if message["role"] == "user":
                question = message["content"]
                told = lines(short(nearest(self.report, question, earlier)))
                message = message | {"content": f"{told}\n\n{question}"}
                earlier = [*earlier, question]
            turns.append(message)
        return turns

    def asked(self, question: str) -> "Grounded":
        """The chat with one more question."""
        return replace(self, later=(*self.later, {"role": "user", "content": question}))

    def answered(self, reply: str) -> "Grounded":
        """The chat with an answer to its last question."""
        return replace(self, later=(*self.later, {"role": "assistant", "content": reply}))

    def after(self, messages: Sequence[Message]) -> "Grounded":
        """The chat after the last of some messages, without their marks."""
        plain = ({**m, "content": unmarked(m["content"])} for m in messages)
        recent = [*plain][-2 * MOST_REMEMBERED :]
        return replace(
            self, later=(*self.later, *dropwhile(lambda m: m["role"] == "assistant", recent))
        )

    def shorter(self) -> "Grounded | None":
        """The chat without its oldest question and answer, or None with only one question."""
        return replace(self, later=self.later[2:]) if len(self.later) > 2 else None


def nearest(report: Report, question: str, earlier: Sequence[str] = ()) -> Report:
    """What of a report is told with a question: in its order, so that place tells nothing."""
    told = retrieve(report, question, earlier, NEAR) or known(report)
    return replace(report, statements=tuple(told))


def whole(report: Report) -> str:
    """The statements of a report in compact form: a line for each channel, the strongest first."""
    rows = list(_by_channel(report))
    listed = {"sites", "model"} if rows else {"model"}  # the lines name the channels
    told = [s.sentence for s in short(report) if s.kind not in (*ROW, *UNTOLD, *listed)]
    return "\n".join([*rows, *told, *_by_model(report)])


def short(statements: Iterable[Statement]) -> list[Statement]:
    """Statements without the details of an accuracy, and the advice where no emotion is named."""
    return [
        replace(s, sentence=f"{s.sentence.partition(SHORTENED[s.kind])[0].rstrip('.')}.")
        if s.kind in SHORTENED
        else s
        for s in statements
    ]


def _by_channel(report: Report) -> Iterator[str]:
    strength = {s.on: s.numbers[0] for s in report.of("rms")}
    for site in sorted(report.sites, key=lambda site: -strength.get(site, 0.0)):
        said = {kind: report.get(f"{kind}:{site}") for kind in ROW}
        parts = [
            ROW[kind].format(value=shown(s.value, kind), unit=s.unit)
            for kind, s in said.items()
            if s is not None
        ]
        yield f"{site}: {', '.join(parts) or 'no signal'}."


def _by_model(report: Report) -> Iterator[str]:
    if models := report.of("model"):
        said = (f"{s.on} {s.value} % {s.sentence.rstrip('.').split()[-1]}" for s in models)
        yield f"Models: {', '.join(said)}."
