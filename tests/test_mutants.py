"""Damaged files of every format: a Recording that all can use, or a sentence."""

from emg_llm.signal.readers import SUPPORTED_EXTENSIONS
from emg_llm.signal.readers.formats import FORMATS
from tests.scripts import load_script

APART = {ending for form in FORMATS if form.apart for ending in form.endings} - {".mat"}


def test_damaged_files_become_usable_recordings_or_one_sentence(tmp_path):
    mutants = load_script("mutants", "benchmarks")
    here = tuple(e for e in SUPPORTED_EXTENSIONS if e not in APART)
    counts, faults = mutants.run(tmp_path, here, range(240))
    assert not faults and counts.total() == 240
    assert {"opened", "refused"} == {outcome for _, outcome in counts}
    counts, faults = mutants.run(tmp_path, tuple(APART & {*SUPPORTED_EXTENSIONS}), range(9))
    assert not faults and counts.total() == 9


def test_what_is_wrong_with_a_file_is_found(tmp_path, monkeypatch):
    mutants = load_script("mutants", "benchmarks")
    read = mutants.read_recording
    broken = lambda path, rate: read(path, rate) if "good" in path.name else 1 / 0  # noqa: E731
    monkeypatch.setattr(mutants, "read_recording", broken)
    _, [fault] = mutants.run(tmp_path, (".npy",), range(1))
    assert fault == "seed 0, .npy: ZeroDivisionError: division by zero"
    monkeypatch.undo()
    monkeypatch.setattr(mutants, "SECONDS", -1)
    _, [fault] = mutants.run(tmp_path, (".npy",), range(1))
    assert "took 0" in fault
