"""The simulator: repeatable, in microvolts, with people who differ and emotions that show."""

import numpy as np
import pytest

from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import EMOTIONS, MONTAGE
from emg_llm.signal.simulation import PATTERNS, Person, SimulationConfig, describe, simulate, trials

QUICK = {"duration": 1.0}


def channel_rms(recording):
    return np.sqrt(np.mean(np.square(clean(recording).signal), axis=0))


def test_the_same_seed_gives_the_same_signal_and_another_seed_another():
    first, again = simulate("fear", 1, 2, **QUICK), simulate("fear", 1, 2, **QUICK)
    assert np.array_equal(first.signal, again.signal)
    other = simulate("fear", 1, 2, seed=1, **QUICK)
    assert not np.allclose(first.signal, other.signal)
    assert first.subject != other.subject  # another seed's people are other people


def test_a_recording_does_not_depend_on_what_was_recorded_before_it():
    config = SimulationConfig(subjects=2, trials=2, **QUICK)
    in_order = {r.recording_id: r.signal for r in (simulate(*t, config) for t in trials(config))}
    assert len(in_order) == 2 * 12 * 2
    person = Person(1, config)
    for emotion, trial in (("surprise", 1), ("anger", 0)):
        alone = person.record(emotion, trial)
        assert np.array_equal(alone.signal, in_order[alone.recording_id])


def test_trials_people_and_emotions_all_differ():
    base = simulate("anger", 0, 0, **QUICK).signal
    for emotion, person, trial in (("anger", 0, 1), ("anger", 1, 0), ("pride", 0, 0)):
        assert not np.allclose(base, simulate(emotion, person, trial, **QUICK).signal)


def test_people_differ_more_than_one_persons_trials_do():
    # (people, trials, channels), log amplitude
    level = np.log([[channel_rms(simulate("anger", p, t)) for t in range(3)] for p in range(8)])
    within = level.std(axis=1).mean()
    between = level.mean(axis=1).std(axis=0).mean()
    assert between > 1.3 * within


def test_a_recording_says_whose_it_is_which_emotion_and_that_it_is_simulated():
    recording = simulate("delight", 4, sampling_rate=1500.0, duration=2.0)
    assert recording.signal.shape == (3000, 8) and recording.sampling_rate == 1500
    assert (recording.label, recording.unit) == ("delight", "uV")
    assert recording.subject == "sim0-P005" and recording.channel_names == MONTAGE
    assert any("simulated" in note for note in recording.notes)


def test_amplitudes_are_those_of_facial_emg_in_microvolts():
    strong = [channel_rms(simulate("delight", p)).max() for p in range(5)]
    rest = [np.median(channel_rms(simulate("neutral", p))) for p in range(5)]
    assert all(15 < rms < 500 for rms in strong)
    assert all(1 < rms < 15 for rms in rest)


def test_a_persons_electrodes_have_gains_of_their_own():
    plain, varied = SimulationConfig(gain_sd=0), SimulationConfig(gain_sd=0.5)
    person = Person(2, varied)
    ratio = channel_rms(person.record("delight", 0)) / channel_rms(
        Person(2, plain).record("delight", 0)
    )
    assert person.gain.std() > 0.2
    assert np.allclose(ratio, person.gain, rtol=0.1)


def test_an_emotion_moves_its_own_muscles():
    for emotion in ("surprise", "happiness", "disgust"):
        level = np.mean([np.log(channel_rms(simulate(emotion, p))) for p in range(10)], axis=0)
        pattern = np.array(PATTERNS[emotion])
        assert np.corrcoef(level, pattern)[0, 1] > 0.7


def test_every_emotion_has_a_pattern_and_an_unknown_one_is_refused():
    assert tuple(PATTERNS) == EMOTIONS
    with pytest.raises(ValueError, match="choose one of anger"):
        simulate("boredom")


def test_a_configurations_description_says_its_seed_exactly():
    line = describe(SimulationConfig(seed=123456789, gain_sd=0.5))
    assert line.startswith("simulated:")
    assert "seed=123456789," in line and "gain_sd=0.5" in line
