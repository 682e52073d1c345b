"""What a score means: recording-level metrics, intervals over people, chance and controls."""

from emg_llm.evaluation.confidence import (
    abstention_curve,
    calibration_figures,
    conformal_figures,
    expected_calibration_error,
    reliability_bins,
)
from emg_llm.evaluation.metrics import (
    accuracy_of,
    bootstrap_interval,
    control,
    evaluate,
    per_class,
    per_subject,
    results_of,
    shuffled_control,
    within_people_p,
)
from emg_llm.evaluation.report import (
    result_figures,
    result_tables,
    save_comparison,
    save_report,
    summary,
)
from emg_llm.evaluation.results import headline, save_results

__all__ = [
    "abstention_curve",
    "accuracy_of",
    "bootstrap_interval",
    "calibration_figures",
    "conformal_figures",
    "control",
    "evaluate",
    "expected_calibration_error",
    "headline",
    "per_class",
    "per_subject",
    "reliability_bins",
    "result_figures",
    "result_tables",
    "results_of",
    "save_comparison",
    "save_report",
    "save_results",
    "shuffled_control",
    "summary",
    "within_people_p",
]
