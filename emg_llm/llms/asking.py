"""All models asked about one recording; one that fails is left out."""

import logging
from collections.abc import Callable, Mapping, Sequence

from emg_llm.evaluation.prediction import finite
from emg_llm.llms.loading import LlmError
from emg_llm.signal.recording import Recording, RecordingError

log = logging.getLogger(__name__)

Asked = tuple[Sequence[str], Callable[[Recording], Sequence[float]]]


def ask(
    models: Mapping[str, Asked], recording: Recording
) -> tuple[dict[str, dict[str, float]], list[str], RecordingError | None]:
    """(probabilities by model and label, a sentence for each failure, the first refusal or None).

    models: name -> (labels, a function from the recording to its probabilities (labels,)).
    """
    probabilities, failures, refused = {}, [], None
    for model, (labels, predict) in models.items():
        try:
            probabilities[model] = dict(zip(labels, finite(predict(recording)), strict=True))
        except RecordingError as error:
            refused = refused or error
            failures.append(f"{model} can't read this recording: {error}")
        except LlmError as error:
            failures.append(f"{model} is left out: {error}")
        except Exception:
            log.exception("The model %s failed", model)
            failures.append(f"{model} failed and is left out; the log has the details.")
    return probabilities, failures, refused
