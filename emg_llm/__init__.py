"""EMG-LLM: read emotion from facial muscle signals, and talk about it.

The names below are imported on first use, so `import emg_llm` is fast and reading a file needs
neither torch nor gradio.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "EMOTIONS": "signal.recording",
    "MONTAGE": "signal.recording",
    "Recording": "signal.recording",
    "RecordingError": "signal.recording",
    "read_recording": "signal.readers",
    "simulate": "signal.simulation",
    "assess_quality": "signal.quality",
    "clean": "signal.preprocessing",
    "resample": "signal.preprocessing",
    "segment": "signal.preprocessing",
    "segment_tensor": "signal.features",
    "feature_table": "signal.features",
    "feature_summary": "signal.features",
    "activations": "signal.onset",
    "load_dataset": "data.datasets",
    "EmotionPipeline": "pipeline",
    "Prediction": "pipeline",
    "Profile": "profile",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f"emg_llm.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'emg_llm' has no attribute {name!r}")


def __dir__():
    return [*globals(), *__all__]
