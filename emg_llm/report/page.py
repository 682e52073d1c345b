"""A self-contained page about one recording."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emg_llm.plots.page import report_page
from emg_llm.signal.description import description
from emg_llm.signal.recording import Recording

if TYPE_CHECKING:
    import pandas as pd


def recording_page(
    recording: Recording, said: Sequence[str], head: str = "", foot: str = "", more: str = ""
) -> str:
    """The page's HTML: sentences on a recording, its signal and spectrum, and its channels.

    head, foot: HTML before the sentences and at the end. more: HTML for the page's own head, such
    as styles.
    """
    from emg_llm.plots.signals import signal_figure, spectrum_figure

    figures = {"Signal": ("As recorded.", signal_figure(recording))}
    figures["Spectrum"] = ("Of the valid samples.", spectrum_figure(recording))
    tables = {"Channels": channel_table(recording).reset_index()}
    return report_page(recording.recording_id, said, figures, tables, head, foot, more)


def channel_table(recording: Recording) -> "pd.DataFrame":
    """What is known of each channel, by its name."""
    import pandas as pd

    table = pd.DataFrame(description(recording)["channels"]).set_index("name").round(3)
    return table.rename(columns={"rms": "unfiltered rms"})  # the sentences tell the filtered one
