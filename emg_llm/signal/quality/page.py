"""The table of criteria as Markdown, for docs/quality.md."""

from emg_llm.signal.quality.criteria import CRITERIA, SEVERITIES, Criterion

HEAD = "| criterion | of a | measured | said | usable at most | poor | limits from |"
RULE = "|---|---|---|---|---|---|---|"


def limit(row: Criterion, value: float | None) -> str:
    """A limit in print, such as "> 10 %"; a dash for none."""
    if value is None:
        return "–"
    if row.unit == "0 or 1":
        return "yes"
    number = f"{100 * value:g} %" if row.unit == "%" else f"{value:g} {row.unit}"
    return f"{'<' if row.below else '>'} {number}"


def markdown() -> str:
    """The table, a line for each criterion."""
    lines = [HEAD, RULE]
    for row in CRITERIA:
        limits = [limit(row, getattr(row, severity)) for severity in SEVERITIES]
        cells = [row.name, row.of, row.measure, *limits, row.source]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)
