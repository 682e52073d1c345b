"""The download of a recording's report."""

import json
import re

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache


class ReportDownload:
    """`show(report)` fills `outputs` with a file, `clear()` empties them."""

    def __init__(self):
        self.button = gr.DownloadButton("Download the report (.json)", size="sm", visible=False)
        self.outputs = [self.button]

    def show(self, report):
        """Values for `outputs`; the file is deleted with the uploads."""
        name = re.sub(r"[^\w-]+", "_", report.recording)[:80] or "recording"
        data = json.dumps(report.as_dict(), indent=2, ensure_ascii=False).encode()
        path = save_bytes_to_cache(data, f"{name}_report.json", self.button.GRADIO_CACHE)
        return [gr.DownloadButton(value=path, visible=True)]

    def clear(self):
        """Values that empty `outputs`."""
        return [gr.DownloadButton(value=None, visible=False)]
