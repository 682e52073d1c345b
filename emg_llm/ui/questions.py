"""Questions to click, those that fit the recording first."""

from emg_llm.report import Report

SHOWN = 4
# What a report states, and the question that it answers. Where something is wrong:
UNUSUAL = {
    "withheld": "Why is no emotion named?",
    "dead": "Which electrode has no signal?",
    "stuck": "Which channel stands still?",
    "clipped": "Which channel is clipped?",
    "hum": "Which channel has mains hum?",
}
USUAL = {
    "emotion": "Which emotion is this?",
    "strongest": "Which muscle is most active?",
    "active": "When are the muscles active?",
    "quality": "How good is the signal?",
    "snr": "What is the SNR?",
    "duration": "How long is the recording?",
}


def suggested(report: Report | None = None) -> list[str]:
    """`SHOWN` questions, by default of any recording; at most half are of what is wrong."""
    if report is None:
        return [*USUAL.values()][:SHOWN]
    unusual = [question for kind, question in UNUSUAL.items() if report.value(kind)]
    usual = [question for kind, question in USUAL.items() if report.value(kind) is not None]
    return [*unusual[: SHOWN // 2], *usual][:SHOWN]
