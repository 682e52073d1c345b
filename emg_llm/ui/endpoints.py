"""The endpoints `/analyze`, `/predict`, `/chat` and `/simulate`, for gradio_client and HTTP."""

import logging
from contextlib import contextmanager

import gradio as gr
from gradio.data_classes import ListFiles

from emg_llm.llms.loading import LlmError
from emg_llm.plots import signals as plots
from emg_llm.registry import REPORT
from emg_llm.report.measured import measured
from emg_llm.signal.montage import FACE
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.recording import EMOTIONS, RecordingError
from emg_llm.signal.simulation.config import COURSES, POSED
from emg_llm.ui import analysis
from emg_llm.ui.chat import MAX_MESSAGE, stream
from emg_llm.ui.prediction import prediction_json
from emg_llm.ui.simulated import BOUNDS, make, save

log = logging.getLogger(__name__)
BROKEN = "Something went wrong inside the app; its log has the details."


class Page(gr.Blocks):
    """A page whose endpoints fill in the last values of a request that has fewer than they have
    fields, such as one of a program that was written before a field was added."""

    def validate_inputs(self, block_fn, inputs):
        inputs.extend(block.value for block in block_fn.inputs[len(inputs) :])
        super().validate_inputs(block_fn, inputs)


def add_endpoints(pipeline, opened):
    """Add invisible components that name and type the endpoints; opened: OpenRecordings."""

    def open_file(*settings):
        return opened(analysis.make_source(*settings))

    def analyze(file, sampling_rate=None, unit="auto", montage="auto", channels=""):
        """The quality as text, plots of signal and spectrum, features and quality by channel.

        channels: the columns that are EMG, by name or by number from 1, with commas.
        """
        with _explained():
            recording = open_file(file, sampling_rate, unit, montage, channels)
            report = assess_quality(recording)
            features, _ = analysis.feature_frames(analysis.cleaned_or_not(recording))
            return (
                analysis.summary_markdown(measured(recording)),
                plots.signal_figure(recording),
                plots.spectrum_figure(recording),
                analysis.rounded(features),
                analysis.quality_frame(report),
                plots.snr_figure(report),
            )

    def predict(file, sampling_rate=None, unit="auto", montage="auto", channels=""):
        """The emotion or why it is withheld, all probabilities, each LLM's prompt, and the report's
        statements, as JSON.

        montage: "face" for the standard order, or the site of each channel, with commas.
        channels: the columns that are EMG, by name or by number from 1, with commas.
        """
        with _explained():
            recording = open_file(file, sampling_rate, unit, montage, channels)
            return prediction_json(pipeline(recording)) | pipeline.report(recording).as_dict()

    def chat(
        message,
        file,
        sampling_rate=None,
        unit="auto",
        llm=None,
        history=None,
        montage="auto",
        channels="",
    ):
        """Stream the growing reply of one LLM to a message about the recording.

        llm: by default the first; "report" for the statements that are nearest to the question.
        The last one marks its statements about the recording: ✓ agrees with the measurement, ✗
        does not.
        """
        with _explained():
            message = (message or "").strip()
            if not 0 < len(message) <= MAX_MESSAGE:
                raise RecordingError(f"Ask something in at most {MAX_MESSAGE} characters.")
            if history is not None and not isinstance(history, list):
                history = [history]
            try:
                history = analysis.plain_history(history)
            except ValueError as error:
                raise RecordingError(str(error)) from None
            recording = open_file(file, sampling_rate, unit, montage, channels)
            name = llm or next(iter(pipeline.llms), REPORT)
            yield from stream(pipeline, recording, message, name, history)

    # Clients call the parameters by these names.
    def simulate(
        emotion, course, person, intensity, severity, noise, sampling_rate, duration, take
    ):
        """A simulated recording as an .npz file, and the truth behind it as JSON.

        The same settings always make the same recording.
        """
        numbers = person, intensity, severity, noise, sampling_rate, duration, take
        with _explained():
            simulated = make(emotion, course, **dict(zip(BOUNDS, numbers, strict=True)))
            return save(simulated, file.GRADIO_CACHE), simulated.as_json()

    with gr.Column(visible=False):
        recording = [
            _file_field(),
            gr.Number(label="sampling_rate", value=None),
            gr.Dropdown(list(analysis.UNITS), value="auto", label="unit"),
        ]
        montage = gr.Dropdown(
            ["auto", FACE], value="auto", label="montage", allow_custom_value=True
        )
        channels = gr.Textbox(label="channels", value="")
        message = gr.Textbox(label="message")
        llm = gr.Dropdown(list(pipeline.llms), value=next(iter(pipeline.llms), None), label="llm")
        history = gr.JSON(label="history", value=None)
        gr.Button().click(
            analyze,
            [*recording, montage, channels],
            [
                gr.Markdown(label="summary"),
                gr.Plot(label="signal"),
                gr.Plot(label="spectrum"),
                gr.Dataframe(label="features"),
                gr.Dataframe(label="quality"),
                gr.Plot(label="snr"),
            ],
            api_name="analyze",
        )
        gr.Button().click(
            predict,
            [*recording, montage, channels],
            gr.JSON(label="prediction"),
            api_name="predict",
            concurrency_id="model",
        )
        gr.Button().click(
            chat,
            [message, *recording, llm, history, montage, channels],
            gr.Textbox(label="reply"),
            api_name="chat",
            concurrency_id="model",
        )
        emotion = gr.Dropdown(list(EMOTIONS), value=None, label="emotion", allow_custom_value=True)
        course = gr.Dropdown(list(COURSES), value=POSED, label="course", allow_custom_value=True)
        numbers = [gr.Number(bound.default, label=name) for name, bound in BOUNDS.items()]
        file = gr.File(label="file")
        gr.Button().click(
            simulate,
            [emotion, course, *numbers],
            [file, gr.JSON(label="truth")],
            api_name="simulate",
        )


class _Files(ListFiles):
    """A file, or a list of those that belong together: a WFDB header and its samples."""

    @classmethod
    def model_validate(cls, obj, **options):
        return super().model_validate([obj] if isinstance(obj, dict) else obj, **options)


def _file_field():
    """The field `file` of the endpoints: clients see one file, and may send several in a list."""
    about = {"label": "file", "file_types": analysis.FILE_TYPES}
    field = gr.File(file_count="multiple", **about)
    field.data_model = _Files
    one = gr.File(render=False, **about)
    field.api_info, field.example_payload = one.api_info, one.example_payload
    return field


@contextmanager
def _explained():
    """Turn any exception into the one sentence that a client sees."""
    try:
        yield
    except gr.Error:
        raise
    except (RecordingError, LlmError) as error:
        raise gr.Error(str(error), print_exception=False) from None
    except Exception:
        log.exception("An endpoint failed")
        raise gr.Error(BROKEN, print_exception=False) from None
