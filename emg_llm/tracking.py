"""What a training reports while it runs, to any of the trackers that accelerate knows."""

from contextlib import contextmanager


class TrackingError(ValueError):
    """A tracker that can't be reported to; the text says what to do about it."""


@contextmanager
def reporting_to(name, project, config):
    """A function log(figures, step) while the run is open; None where `name` is "none".

    config: dict of what the run was started with. Raises TrackingError before anything is
    trained.
    """
    if name == "none":
        yield None
        return
    from accelerate import Accelerator
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    if name not in LOGGER_TYPE_TO_CLASS:
        known = ", ".join(["none", *LOGGER_TYPE_TO_CLASS])
        raise TrackingError(f"--report_to {name}: no such tracker; choose one of {known}.")
    if name not in map(str, get_available_trackers()):
        package = "'emg-llm[trackio]'" if name == "trackio" else name
        raise TrackingError(
            f"--report_to {name} needs a package that isn't installed: pip install {package}, or "
            "leave the option out."
        )
    accelerator = Accelerator(log_with=name, project_dir="runs")
    try:
        accelerator.init_trackers(project, config)
        yield accelerator.log
    finally:  # end_training() would also part processes that still have work to share
        for tracker in accelerator.trackers:
            tracker.finish()
