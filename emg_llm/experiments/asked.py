"""Questions as people type them, the recordings that they are about, and how many are answered.

Six recordings are simulated: `normal`; `dead`, with an electrode off and hum on another; `clipped`,
with an amplifier that clips and an electrode that comes off; `short`; `two`, of two channels; and
`arm`, from an arm. Each question has a rule, see `judge`.
"""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from emg_llm.experiments.judge import judge
from emg_llm.report.retrieve import quoted
from emg_llm.signal.recording import Recording
from emg_llm.signal.simulation import simulate

MUSCLES = "biceps", "triceps", "flexor carpi radialis", "extensor digitorum"
WORST = 10  # questions listed that were not answered


@dataclass(frozen=True)
class Question:
    """question: the text; recording: one of `recordings()`; kind, language: what is counted apart;
    earlier: the questions before it; rule: what a reply must do, see `judge`."""

    question: str
    recording: str
    kind: str
    language: str
    rule: dict
    earlier: tuple[str, ...] = ()


def load_questions(path):
    """The questions of a JSONL file. Raises ValueError for a line that isn't one."""
    questions = []
    for n, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            row["earlier"] = tuple(row.get("earlier", ()))
            questions.append(Question(**row))
        except (TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path}, line {n}, is no question: {error}") from None
    return questions


@cache
def recordings() -> dict[str, Recording]:
    """name -> Recording; the same each time."""
    normal = simulate("happiness", 3, config=None, seed=5)
    rng = np.random.default_rng(0)

    dead = simulate("anger", 4, seed=5)
    x, t = dead.signal.copy(), np.arange(dead.n_samples) / dead.sampling_rate
    x[:, dead.channel_names.index("cheek")] = 0
    x[:, dead.channel_names.index("jaw")] += (60 * np.sin(2 * np.pi * 50 * t)).astype(np.float32)
    dead = dead.replace(signal=x)

    clipped = simulate("surprise", 5, seed=5)
    x = clipped.signal.copy()
    forehead = clipped.channel_names.index("forehead")
    most = np.quantile(np.abs(x[:, forehead]), 0.7)
    x[:, forehead] = np.clip(x[:, forehead], -most, most)
    off = clipped.channel_names.index("below the eye")
    x[int(0.4 * len(x)) :, off] = x[int(0.4 * len(x)), off]
    clipped = clipped.replace(signal=x)

    cut = simulate("fear", 6, seed=5)
    short = cut.replace(signal=cut.signal[2000:2400], valid=cut.valid[2000:2400])

    two = simulate("happiness", 7, seed=5, sampling_rate=1000.0, duration=4.0)
    kept = [two.channel_names.index(site) for site in ("cheek", "above the eye")]
    names = "zygomaticus", "corrugator"
    two = two.replace(signal=two.signal[:, kept], channel_names=names)

    arm = simulate("pride", 8, seed=5, sampling_rate=1000.0, duration=5.0)
    gain = np.array([9.0, 4.0, 2.0, 1.0])
    noise = rng.standard_normal((arm.n_samples, 4))
    x = (arm.signal[:, [6, 7, 3, 0]] * gain + noise).astype(np.float32)
    arm = arm.replace(signal=x, channel_names=MUSCLES)

    made = {"normal": normal, "dead": dead, "clipped": clipped, "short": short, "two": two}
    made |= {"arm": arm}
    return {
        name: r.replace(label=None, subject=None, recording_id=name) for name, r in made.items()
    }


def questions_answered(pipeline, llm, questions, progress=False):
    """How many questions a pipeline's chat answers with a language model, for results.json.

    Returns {"n", "answered": share, "quoted": the share that the nearest statements of the report
    answer by themselves, without a model, "by_kind" and "by_language": {name: [right, n]},
    "by_reason": why others failed, "n_checked", "false": share of checkable statements that are
    false, "unanswered": some questions with their replies}.
    """
    from tqdm.auto import tqdm

    reports = {name: pipeline.report(r, llm) for name, r in recordings().items()}
    kinds, languages, reasons, counts = {}, {}, Counter(), Counter()
    unanswered = []
    for q in tqdm(questions, desc="questions", unit="question", disable=not progress):
        report, asked = reports[q.recording], (*q.earlier, q.question)
        reply = _reply(pipeline, llm, recordings()[q.recording], asked)
        found = judge(reply, q.rule, report, asked)
        counts["quoted"] += not judge(
            quoted(report, q.question, q.earlier), q.rule, report, asked
        ).failed
        for group, name in ((kinds, q.kind), (languages, q.language)):
            group.setdefault(name, [0, 0])
            group[name][0] += not found.failed
            group[name][1] += 1
        reasons.update(found.failed)
        counts.update(n_checked=found.n_checked, n_false=found.n_false)
        if found.failed and len(unanswered) < WORST:
            unanswered.append({"question": q.question, "reply": reply, "failed": found.failed})
    return {
        "n": len(questions),
        "answered": sum(right for right, _ in kinds.values()) / len(questions),
        "quoted": counts["quoted"] / len(questions),
        "by_kind": kinds,
        "by_language": languages,
        "by_reason": dict(reasons),
        "n_checked": counts["n_checked"],
        "false": counts["n_false"] / max(1, counts["n_checked"]),
        "unanswered": unanswered,
    }


def _reply(pipeline, llm, recording, asked):
    """The reply to the last of some questions, each asked after the replies to those before."""
    history, reply = [], ""
    for question in asked:
        reply = "".join(pipeline.chat(recording, question, llm=llm, history=history))
        history += [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    return reply
