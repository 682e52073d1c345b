"""How far a signal can be trusted: measures, one table of criteria, and the report."""

from emg_llm.signal.quality.assess import assess_quality
from emg_llm.signal.quality.criteria import CRITERIA, GOOD_SNR_DB, USABLE_SNR_DB, Criterion
from emg_llm.signal.quality.report import ChannelQuality, Finding, QualityReport
from emg_llm.signal.quality.snr import snr_db

__all__ = [
    "CRITERIA",
    "GOOD_SNR_DB",
    "USABLE_SNR_DB",
    "ChannelQuality",
    "Criterion",
    "Finding",
    "QualityReport",
    "assess_quality",
    "snr_db",
]
