"""What a training reports to a tracker, and what it says where there is none."""

import accelerate.tracking
import pytest
from accelerate.tracking import GeneralTracker
from accelerate.utils import LoggerType

from emg_llm.scripts import TrackingError, reporting_to


@pytest.fixture
def trackio(monkeypatch):
    """What a stand-in for trackio's tracker was told: [(what, value)]."""
    told = []

    class Tracker(GeneralTracker):
        name, requires_logging_directory, tracker = "trackio", False, None

        def __init__(self, project, **_):
            super().__init__()
            told.append(("project", project))

        def store_init_configuration(self, values):
            told.append(("config", values))

        def log(self, values, step=None):
            told.append((step, values))

        def finish(self):
            told.append(("finished", None))

    monkeypatch.setitem(accelerate.tracking.LOGGER_TYPE_TO_CLASS, "trackio", Tracker)
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [LoggerType.TRACKIO])
    return told


def test_a_tracker_is_told_the_settings_and_every_epoch_and_is_closed(trackio):
    with reporting_to("trackio", "emg-llm", {"arch": "cnn"}) as log:
        log({"loss": 1.5}, 1)
        log({"loss": 0.5}, 2)
    assert trackio == [
        ("project", "emg-llm"),
        ("config", {"arch": "cnn"}),
        (1, {"loss": 1.5}),
        (2, {"loss": 0.5}),
        ("finished", None),
    ]


def test_a_tracker_is_closed_when_training_fails(trackio):
    with pytest.raises(KeyboardInterrupt), reporting_to("trackio", "emg-llm", {}):
        raise KeyboardInterrupt
    assert trackio[-1] == ("finished", None)


def test_nothing_is_told_where_nothing_was_asked_for(trackio):
    with reporting_to("none", "emg-llm", {}) as log:
        assert log is None
    assert trackio == []


def test_a_missing_tracker_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [])
    words = r"trackio needs .*pip install 'emg-llm\[trackio\]'"
    with pytest.raises(TrackingError, match=words), reporting_to("trackio", "emg-llm", {}):
        pass
    with pytest.raises(TrackingError, match="pip install wandb"), reporting_to("wandb", "x", {}):
        pass
    with pytest.raises(TrackingError, match="choose one of none, "), reporting_to("paper", "x", {}):
        pass
