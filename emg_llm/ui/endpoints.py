"""The endpoints for gradio_client and HTTP; three of them are tools of the MCP server.

A tool has the name of its function, and the function's docstring as its description.
"""

import logging
from contextlib import contextmanager

import gradio as gr
from gradio.data_classes import ListFiles

from emg_llm.llms.loading import LlmError
from emg_llm.plots import signals as plots
from emg_llm.profile import ProfileError
from emg_llm.registry import REPORT
from emg_llm.report.measured import measured
from emg_llm.report.retrieve import lines
from emg_llm.signal.montage import FACE
from emg_llm.signal.quality import assess_quality
from emg_llm.signal.recording import EMOTIONS, RecordingError
from emg_llm.signal.simulation.config import COURSES, POSED
from emg_llm.ui import analysis
from emg_llm.ui.busy import MODEL
from emg_llm.ui.chat import asked, stream
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


def _no_tool(function):
    """Keep an endpoint, whose answers are plots and files, from the MCP server's tools."""
    function._mcp_type = "none"
    return function


def add_endpoints(pipeline, opened, turns):
    """Add invisible components that name and type the endpoints.

    opened: OpenRecordings; turns: Turns, at the language models.
    """

    def open_file(*settings):
        return opened(analysis.make_source(*settings))

    @_no_tool
    def analyze(file, sampling_rate=None, unit="auto", montage="auto", channels=""):
        """The quality as text, plots of signal and spectrum, features and quality by channel.

        Args:
            file: the recording.
            sampling_rate: Hz, where the file doesn't state it.
            unit: of the values, where the file doesn't state it.
            montage: "face" for the standard order, or the site of each channel, with commas.
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

    def analyze_emg(file, sampling_rate=None, unit="auto", montage="auto", channels=""):
        """Read a surface-EMG recording and measure it, without any emotion: size and sampling rate,
        signal quality with reasons, strength, signal-to-noise ratio, hum and onset by channel.
        JSON: "report" holds the sentences, "statements" their values with units.

        Args:
            file: the recording: the URL of a file, or a data URI as in data:text/csv;base64,...
            sampling_rate: Hz, where the file doesn't state it.
            unit: of the values, where the file doesn't state it.
            montage: "face" for the standard order, or the site of each channel, with commas.
            channels: the columns that are EMG, by name or by number from 1, with commas.
        """
        with _explained():
            recording = open_file(file, sampling_rate, unit, montage, channels)
            report = measured(recording)
            return {"report": lines(report)} | report.as_dict()

    def predict_emotion(
        file, sampling_rate=None, unit="auto", montage="auto", channels="", profile=None
    ):
        """Name the emotion in a recording of facial surface EMG, or say why none is named. JSON:
        "label" (null where "withheld" says why), "probabilities" by model, "warnings", each
        language model's prompt, and "statements", all that was measured. It guesses at a face, not
        at a mind, and is no medical device.

        Args:
            file: the recording: the URL of a file, or a data URI as in data:text/csv;base64,...
            sampling_rate: Hz, where the file doesn't state it.
            unit: of the values, where the file doesn't state it.
            montage: "face" for the standard order, or the site of each channel, with commas.
            channels: the columns that are EMG, by name or by number from 1, with commas.
            profile: the person's profile, a JSON file that the app made under "Your face".
        """
        with _explained():
            recording = open_file(file, sampling_rate, unit, montage, channels)
            known = pipeline.with_profile(profile) if profile else None
            prediction, report = turns.read(known, recording)
            return prediction_json(prediction) | report.as_dict()

    def ask_about_emg(
        message,
        file,
        sampling_rate=None,
        unit="auto",
        llm=None,
        history=None,
        montage="auto",
        channels="",
    ):
        """Ask a question about a recording of facial surface EMG, such as "Which muscle is most
        active?". In the answer ✓ marks a statement that agrees with the measurement, ✗ one that
        doesn't, followed by the measured value.

        Args:
            message: the question, in at most 1000 characters.
            file: the recording: the URL of a file, or a data URI as in data:text/csv;base64,...
            sampling_rate: Hz, where the file doesn't state it.
            unit: of the values, where the file doesn't state it.
            llm: who answers; "report" quotes the measured statements nearest to the question.
            history: earlier messages, a list of {"role": "user" or "assistant", "content": text}.
            montage: "face" for the standard order, or the site of each channel, with commas.
            channels: the columns that are EMG, by name or by number from 1, with commas.
        """
        with _explained():
            message = asked(message)
            if history is not None and not isinstance(history, list):
                history = [history]
            try:
                history = analysis.plain_history(history)
            except ValueError as error:
                raise RecordingError(str(error)) from None
            recording = open_file(file, sampling_rate, unit, montage, channels)
            name = llm or next(iter(pipeline.llms), REPORT)
            with turns.turn(None, recording, writes=name != REPORT) as (model, busy):
                yield from stream(model, recording, message, name, history, busy)

    # Clients call the parameters by these names.
    @_no_tool
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
        montage.api_info = lambda: {"type": "string"}
        channels = gr.Textbox(label="channels", value="")
        profile = gr.File(label="profile", file_types=[".json"])
        message = gr.Textbox(label="message")
        who = [*pipeline.llms, REPORT]
        llm = gr.Dropdown(who, value=who[0], label="llm")
        history = gr.JSON(label="history", value=None)
        # What tools are told of a field; a schema without a type would be none.
        history.api_info = lambda: {"type": "array", "items": {"type": "object"}}
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
            analyze_emg,
            [*recording, montage, channels],
            gr.JSON(label="report"),
            api_name="analyze_emg",
        )
        gr.Button().click(
            predict_emotion,
            [*recording, montage, channels, profile],
            gr.JSON(label="prediction"),
            api_name="predict",
            **MODEL,
        )
        gr.Button().click(
            ask_about_emg,
            [message, *recording, llm, history, montage, channels],
            gr.Textbox(label="reply"),
            api_name="chat",
            **MODEL,
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
    except (RecordingError, LlmError, ProfileError) as error:
        raise gr.Error(str(error), print_exception=False) from None
    except Exception:
        log.exception("An endpoint failed")
        raise gr.Error(BROKEN, print_exception=False) from None
