"""Visits of the page: people who come back with a profile, and files of every kind."""

import numpy as np
import pytest

import emg_llm
from tests.end_to_end.pages import ANSWER_MS, page_of

pytestmark = pytest.mark.slow

SHOWN = 3  # emotions that a person shows, twice each
UPLOAD = "input[type=file]"


@pytest.fixture(scope="session")
def labelled(tmp_path_factory):
    """A person's recordings, whose names tell the emotion."""
    folder, paths = tmp_path_factory.mktemp("face"), []
    for emotion in emg_llm.EMOTIONS[:SHOWN]:
        for trial in range(2):
            recording = emg_llm.simulate(emotion, subject=11, trial=trial, seed=4, duration=2)
            paths.append(_saved(folder / f"{emotion}_{trial + 1}.npz", recording))
    return paths


def _saved(path, recording, names=None, keep=slice(None)):
    np.savez_compressed(
        path,
        signal=recording.signal[:, keep].round(1),
        sampling_rate=recording.sampling_rate,
        unit="uV",
        channel_names=np.array(names or recording.channel_names),
    )
    return path


@pytest.mark.parametrize("width", [1440, 390])
def test_a_person_calibrates_leaves_and_comes_back(browser, url, labelled, tmp_path, width):
    with page_of(browser, url, width, 900) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        page.get_by_role("tab", name="Your face").click()
        page.locator(f"#face-files {UPLOAD}").set_input_files(labelled)
        page.locator("#face-list .given").nth(2 * SHOWN - 1).wait_for(timeout=ANSWER_MS)
        page.get_by_role("button", name="Learn my face").click()
        page.get_by_role("button", name="Use this profile now").wait_for(timeout=ANSWER_MS)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download my profile").or_(
                page.get_by_role("link", name="Download my profile")
            ).first.click()
        profile = tmp_path / "me.json"
        download.value.save_as(profile)
        assert profile.stat().st_size < 200_000

    with page_of(browser, url, width, 900) as page:  # another day
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        assert not page.locator("#profile-chip").is_visible()
        page.get_by_role("tab", name="Your face").click()
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Load my profile").click()
        chooser.value.set_files(profile)
        page.locator("#loaded").get_by_text("profile").first.wait_for(timeout=ANSWER_MS)
        page.get_by_role("tab", name="Recording").click()
        page.locator("#profile-chip").wait_for()
        page.get_by_role("button", name="Drop it").click()
        page.locator("#profile-chip").wait_for(state="hidden")


def test_an_arm_and_two_channels_get_a_signal_and_a_reason(browser, url, tmp_path):
    made = emg_llm.simulate("happiness", subject=3)
    arm = "biceps", "triceps", "flexor carpi radialis", "extensor digitorum"
    files = {
        "arm": _saved(tmp_path / "arm.npz", made, arm, slice(4)),
        "two": _saved(tmp_path / "two.npz", made, ("zygomaticus", "corrugator"), [6, 0]),
    }
    with page_of(browser, url, 1440, 900) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        for name, path in files.items():
            page.locator(UPLOAD).first.set_input_files(path)
            page.get_by_text(name, exact=True).first.wait_for(timeout=ANSWER_MS)
            page.locator("#answer .why").wait_for(timeout=ANSWER_MS)
            assert page.locator("emg-signal svg.row").count() == (4 if name == "arm" else 2)
            assert page.locator(".emotion").text_content() not in emg_llm.EMOTIONS
            page.get_by_role("button", name="Why is no emotion named?").click()
            page.locator(".answer .message.bot").last.get_by_text("No emotion is named").wait_for()
            page.locator('[aria-label="Remove this file"], [aria-label="Clear"]').first.click()
            page.locator("emg-signal").wait_for(state="detached")


def test_ten_minutes_are_read_over_time(browser, url, tmp_path):
    made = emg_llm.simulate("surprise", subject=5, sampling_rate=1000, duration=6)
    times = np.tile(made.signal, (100, 1))
    path = _saved(tmp_path / "ten_minutes.npz", made.replace(signal=times, valid=None))
    with page_of(browser, url, 390, 844) as page:
        page.locator("#answer .agree").wait_for(timeout=ANSWER_MS)
        page.locator(UPLOAD).first.set_input_files(path)
        page.get_by_text("600 s").first.wait_for(timeout=ANSWER_MS)
        page.locator(".strip button").nth(99).wait_for(timeout=ANSWER_MS)
        page.locator("emg-signal svg.row").first.wait_for()
