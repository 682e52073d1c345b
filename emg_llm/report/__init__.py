"""The report of a recording: statements that are computed once, said, checked and looked up."""

from emg_llm.report.statements import Report, Statement

__all__ = ["Report", "Statement"]
