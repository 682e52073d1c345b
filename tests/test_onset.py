"""Onset and offset of each channel, against the simulator's own course and made-up bursts."""

import numpy as np
import pytest

import emg_llm
from emg_llm.signal.onset import THRESHOLD_DB, Activation, activations
from emg_llm.signal.recording import EMOTIONS, Recording
from emg_llm.signal.simulation import Person, SimulationConfig

RATE = 2000.0


def bursts(*times, duration=4.0, channels=2, gain=1.0, rest=1.0, active=10.0):
    """Noise of `rest`, in the first channel of `active` in each (start, end)."""
    rng = np.random.default_rng(0)
    t = np.arange(int(duration * RATE)) / RATE
    strength = np.full((len(t), channels), rest)
    for start, end in times:
        strength[(t >= start) & (t < end), 0] = active
    return Recording(gain * strength * rng.standard_normal(strength.shape), RATE)


def times(recording, **settings):
    return [(a.onset, a.offset) for a in activations(recording, **settings)]


def true_level(emotion, index):
    """A recording and the expected power of its channels, from what it was made with."""
    config = SimulationConfig(noise=0.9)
    person = Person(index, config)
    recording, truth = person.perform(emotion, 0)
    rng = np.random.default_rng((config.seed, index, EMOTIONS.index(emotion), 0))
    made = person.face.expression(emotion, rng)  # the first thing drawn for a recording
    muscles = made.muscles[:, None] * np.square(truth.course.strength)
    power = made.rest + (made.pick_up @ muscles).T + config.noise**2
    return recording, 10 * np.log10(power / power.min(axis=0)), truth.rate


def test_onset_and_offset_are_those_of_the_simulators_course():
    errors, quiet = [], []
    for emotion in EMOTIONS:
        for person in range(3):
            recording, level, rate = true_level(emotion, person)
            found = activations(recording)
            for name, of in zip(recording.channel_names, level.T, strict=True):
                mine = [a for a in found if a.channel == name]
                if of.max() > THRESHOLD_DB + 6:  # clearly active
                    active = np.flatnonzero(of > THRESHOLD_DB)
                    true = active[0] / rate, (active[-1] + 1) / rate
                    assert mine, f"{emotion}, {name}"
                    errors.append((mine[0].onset - true[0], mine[-1].offset - true[1]))
                if of.max() < THRESHOLD_DB - 3:  # clearly not
                    quiet.append(not mine)
    # Few motor units at a time come in bursts of their own.
    assert len(quiet) > 20 and np.mean(quiet) > 0.85
    assert len(errors) > 40
    assert (np.abs(np.median(errors, axis=0)) < 0.03).all()
    assert (np.percentile(np.abs(errors), 90, axis=0) < 0.15).all()


@pytest.mark.parametrize("gain", [1.0, 1e-3])
def test_a_burst_is_found_where_it_is_at_any_gain(gain):
    [found] = activations(bursts((1.0, 2.0), gain=gain))
    assert isinstance(found, Activation) and found.channel == "channel 1"
    assert found.onset == pytest.approx(1, abs=0.04) and found.offset == pytest.approx(2, abs=0.04)
    assert found.peak_db == pytest.approx(20, abs=4)


def test_several_bursts_are_told_apart_and_short_pauses_bridged():
    assert len(times(bursts((0.5, 1.0), (2.0, 2.5)))) == 2
    [(onset, offset)] = times(bursts((0.5, 1.0), (1.08, 1.5)))
    assert (onset, offset) == pytest.approx((0.5, 1.5), abs=0.05)
    assert len(times(bursts((0.5, 1.0), (1.3, 1.8)))) == 2
    assert len(times(bursts((0.5, 1.0), (1.3, 1.8)), pause=0.5)) == 1
    assert not times(bursts((0.5, 1.0)), shortest=0.8)
    assert not times(bursts((0.5, 1.0)), threshold_db=30)


def test_a_short_strong_burst_is_found_and_a_flicker_of_rest_is_not():
    [(onset, offset)] = times(bursts((2.0, 2.1)))
    assert (onset, offset) == pytest.approx((2.0, 2.1), abs=0.05)
    assert times(bursts((2.0, 2.06), active=6.0)) and not times(bursts((2.0, 2.06), active=3.0))


def test_rest_and_steady_activity_have_no_onset():
    assert not activations(bursts())
    assert not activations(bursts((0, 4)))


def test_an_activation_may_last_to_the_end():
    [(onset, offset)] = times(bursts((3.0, 4.0)))
    assert onset == pytest.approx(3, abs=0.04) and offset == pytest.approx(4, abs=0.01)


def test_times_count_from_the_files_first_sample_and_gaps_are_never_active():
    recording = bursts((1.0, 2.0))
    valid = np.ones(recording.n_samples, bool)
    valid[: int(0.5 * RATE)] = False
    valid[int(1.4 * RATE) : int(1.6 * RATE)] = False
    signal = np.where(valid[:, None], recording.signal, 0)
    gappy = times(Recording(signal, RATE, valid=valid))
    assert np.ravel(gappy) == pytest.approx([1, 1.4, 1.6, 2], abs=0.05)


def test_dead_channels_and_short_or_silent_recordings_have_none():
    recording = bursts((1.0, 2.0))
    dead = recording.replace(signal=recording.signal * np.float32([1, 0]))
    assert {a.channel for a in activations(dead)} == {"channel 1"}
    assert not activations(recording.replace(signal=0 * recording.signal))
    assert not activations(Recording(recording.signal[:400], RATE))


def test_they_are_part_of_the_package():
    assert emg_llm.activations is activations
