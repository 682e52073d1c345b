"""A pipeline that answers at once, and a recording for it, for tests of the app."""

import copy
from types import SimpleNamespace

import numpy as np

from emg_llm.bridge.codebook import CodebookConfig
from emg_llm.pipeline import Prediction
from emg_llm.profile import Profile
from emg_llm.report.measured import measured
from emg_llm.signal.recording import EMOTIONS, MONTAGE, RecordingError

P = dict.fromkeys(EMOTIONS, 0.02) | {"fear": 0.78}
TOKENS = "<emg_0_3>", "<emg_1_7>"


class FakePipeline:
    """Answers as fast as a test wants, in the shape of an EmotionPipeline."""

    labels, sites = EMOTIONS, MONTAGE
    models = ("svm", "cnn", "nano-llama2", "nano-phi3")
    not_loaded = {"tinyllama": "It needs 3 GB & more."}  # noqa: RUF012
    llms = readers = ("nano-llama2", "nano-phi3")
    talkers = ()
    codebook = SimpleNamespace(config=CodebookConfig())
    trained_on = "Trained on simulated facial EMG of 24 simulated people."
    results = {  # noqa: RUF012
        "command": "python train/bundle.py",
        "data": "simulated",
        "models": [
            {
                "model": "svm",
                "accuracy": 0.61,
                "accuracy_ci95": [0.5, 0.7],
                "chance": 0.083,
                "controls": {"noise_emg": 0.09},
            },
            {"model": "cnn"},
        ],
    }

    def __init__(self, samples=None, truths=None):
        self.samples, self.montages = samples or {}, {}
        self.config = {"truths": truths or {}}

    def asking(self, llms):
        other = copy.copy(self)
        other.llms = tuple(llms)
        other.models = tuple(m for m in self.models if m not in self.llms or m in llms)
        return other

    def remembers(self, recording):
        return False

    def with_profile(self, profile):
        return Profile.load(profile) and self

    def llm(self, name):
        return SimpleNamespace(bridge=SimpleNamespace(scale=None))

    def __call__(self, recording):
        if recording.n_channels != 8:
            raise RecordingError(f"The models need 8 channels, not {recording.n_channels}.")
        return Prediction(
            "fear",
            dict.fromkeys(self.models, P),
            dict.fromkeys(self.llms, TOKENS),
            dict.fromkeys(self.llms, "EMG features: <emg_0_3><emg_1_7>"),
            ("Simulated.",),
        )

    def chat(self, recording, message, llm=None, history=()):
        yield f"{llm} read {recording.n_channels} channels"
        yield f" and {len(history)} earlier messages: {message}"

    def report(self, recording, llm=None):
        return measured(recording)

    def checked(self, recording, reply, dress=None):
        return reply.replace("8 channels", "8 channels ✓")


def write_csv(path, channels=8, rate=1000, seconds=1.0):
    rng = np.random.default_rng(0)
    t = np.arange(int(rate * seconds)) / rate
    names = [f"ch{i + 1} (uV)" for i in range(channels)]
    values = np.column_stack([t, 20 * rng.standard_normal((len(t), channels))])
    np.savetxt(path, values, delimiter=",", header=",".join(["time", *names]), comments="")
    return str(path)
