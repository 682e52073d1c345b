"""The simulator: repeatable, physiological, as hard as reality, with people who differ."""

import numpy as np
import pytest
from scipy import signal as sps

from emg_llm.signal.preprocessing import clean
from emg_llm.signal.recording import EMOTIONS, MONTAGE
from emg_llm.signal.simulation import Person, SimulationConfig, describe, simulate, trials
from emg_llm.signal.simulation.anatomy import ACTIVITY, ANATOMY, MUSCLES, PICK_UP, Anatomy, pick_up
from emg_llm.signal.simulation.conditions import Conditions, disturb
from emg_llm.signal.simulation.people import Face
from emg_llm.signal.simulation.units import STRONGEST, Pool

QUICK = {"duration": 1.0}
HELD = SimulationConfig(duration=2.0, course="held")


def channel_rms(recording):
    return np.sqrt(np.mean(np.square(clean(recording).signal), axis=0))


def test_the_same_seed_gives_the_same_signal_and_another_seed_another():
    first, again = simulate("fear", 1, 2, **QUICK), simulate("fear", 1, 2, **QUICK)
    assert np.array_equal(first.signal, again.signal)
    other = simulate("fear", 1, 2, seed=1, **QUICK)
    assert not np.allclose(first.signal, other.signal)
    assert first.subject != other.subject  # another seed's people are other people


@pytest.mark.parametrize("conditions", ["laboratory", "varied"])
def test_a_recording_does_not_depend_on_what_was_recorded_before_it(conditions):
    config = SimulationConfig(subjects=2, trials=2, conditions=conditions, **QUICK)
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
    assert between > 1.5 * within


def test_a_recording_says_whose_it_is_which_emotion_and_that_it_is_simulated():
    recording = simulate("delight", 4, sampling_rate=1500.0, duration=2.0)
    assert recording.signal.shape == (3000, 8) and recording.sampling_rate == 1500
    assert (recording.label, recording.unit) == ("delight", "uV")
    assert recording.subject == "sim0-P005" and recording.channel_names == MONTAGE
    assert any("simulated" in note for note in recording.notes)


@pytest.mark.parametrize(("rate", "seconds"), [(200.0, 10.0), (500.0, 0.25), (15000.0, 3.0)])
def test_any_rate_and_length_has_the_same_power(rate, seconds):
    config = SimulationConfig(sampling_rate=rate, duration=seconds, course="held", noise=0)
    recording, truth = Person(0, config).perform("anger", 0)
    assert recording.n_samples == int(rate * seconds)
    _, usual = Person(0, HELD).perform("anger", 0)
    rms = [np.sqrt(np.square(t.signal).mean()) for t in (truth, usual)]
    assert 0.6 < rms[0] / rms[1] < 1.5


def test_powers_span_the_decades_of_real_faces():
    config = SimulationConfig(subjects=16, duration=0.5, course="held")
    powers = np.array(
        [
            np.square(channel_rms(Person(p, config).record(e, 0)))
            for p in range(16)
            for e in ("neutral", "happiness", "anger", "sadness")
        ]
    )
    assert 3 < np.log10(powers.max() / powers.min()) < 5
    assert np.sqrt(powers.min()) > 1 and np.sqrt(powers.max()) < 1000  # µV


def test_median_frequencies_are_those_of_facial_emg():
    medians, below, above = [], [], []
    for p in range(8):
        _, truth = Person(p, HELD).perform("disgust", 0)
        f, power = sps.welch(truth.signal, 2000, nperseg=512, axis=0)
        power /= power.sum(axis=0)
        medians.append(f[(power.cumsum(axis=0) < 0.5).sum(axis=0)])
        below.append(power[f < 20].sum(axis=0))
        above.append(power[f > 450].sum(axis=0))
    by_site = np.median(medians, axis=0)
    assert ((by_site >= 60) & (by_site <= 180)).all(), by_site
    low, high = np.percentile(medians, (5, 95))
    assert low > 45 and high < 200
    assert np.median(below) < 0.04 and np.median(above) < 0.02


def test_a_stronger_expression_is_a_stronger_signal():
    config = [SimulationConfig(course="held", intensity=v, **QUICK) for v in (0.25, 0.5, 1.0, 2.0)]
    sizes = [
        np.mean(
            [np.square(Person(p, c).perform("happiness", 0)[1].signal).mean() for p in range(4)]
        )
        for c in config
    ]
    assert all(np.diff(sizes) > 0)
    assert 10 < sizes[-1] / sizes[0] < 80  # 18 dB more amplitude, over what is there at rest


def test_a_pool_makes_the_power_that_it_is_asked_for():
    rng = np.random.default_rng(0)
    pool = Pool(rng)
    for decibel in (20.0, 30.0, 40.0):
        excitation = pool.excitation(np.full(5000, 10 ** (decibel / 10)))
        assert (excitation <= 1).all()
        unit, times = pool.firings(excitation, 20.0, rng)
        assert (times >= 0).all() and (times <= 20).all()
        power = np.square(pool.size[unit]).sum() / 20  # Campbell's theorem
        assert abs(10 * np.log10(power) - decibel) < 1
    assert pool.excitation(np.array([10 ** (STRONGEST / 10 + 1)]))[0] == 1


def test_firings_do_not_pile_up_at_the_start():
    pool, rng = Pool(np.random.default_rng(0)), np.random.default_rng(1)
    for rest in (0, 100):
        excitation = np.r_[np.zeros(rest), np.full(250 - rest, 0.8)]
        times = np.concatenate([pool.firings(excitation, 1.0, rng)[1] for _ in range(20)])
        began = rest / 250
        first = ((times >= began) & (times < began + 0.01)).sum() / 0.01
        later = (times > began + 0.2).sum() / (1 - began - 0.2)
        assert first < 1.3 * later and not (times < began - 0.004).any()


def test_units_are_recruited_by_size_and_fire_faster_with_excitation():
    pool = Pool(np.random.default_rng(0))
    weak, strong = pool._rates(np.array([0.1, 1.0])).T
    assert 0 < (weak > 0).sum() < (strong > 0).sum() == len(strong)
    assert (np.diff((weak > 0).astype(int)) <= 0).all()  # the small ones first
    active = weak > 0
    assert (strong[active] >= weak[active]).all() and strong.max() <= 40 and weak[active].min() >= 8


def test_als_leaves_fewer_and_larger_units_that_twitch_at_rest():
    healthy, ill = Pool(np.random.default_rng(1)), Pool(np.random.default_rng(1), 0.8)
    assert (ill.size > 0).sum() < 0.7 * (healthy.size > 0).sum()
    left = ill.size > 0
    assert (ill.size[left] / healthy.size[left]).mean() > 1.2
    rest = np.zeros(250)
    assert len(healthy.firings(rest, 60.0, np.random.default_rng(0))[0]) == 0
    assert len(ill.firings(rest, 60.0, np.random.default_rng(0))[0]) > 2
    with_als = SimulationConfig(severity=0.8, course="held", **QUICK)
    without = SimulationConfig(course="held", **QUICK)
    size = [np.mean([channel_rms(Person(p, c).record("happiness", 0)).max() for p in range(6)])
            for c in (without, with_als)]  # fmt: skip
    assert size[1] < 0.7 * size[0]


def test_an_emotion_moves_its_own_muscles():
    for emotion in ("surprise", "happiness", "disgust", "sadness"):
        level = np.mean(
            [10 * np.log10(np.square(channel_rms(simulate(emotion, p)))) for p in range(10)], axis=0
        )
        rest = np.mean(
            [10 * np.log10(np.square(channel_rms(simulate("neutral", p)))) for p in range(10)],
            axis=0,
        )
        expected = 10 * np.log10(1 + pick_up @ 10 ** (np.array(ACTIVITY[emotion]) / 10))
        assert np.corrcoef(level - rest, expected)[0, 1] > 0.8


def test_the_truth_tells_when_and_how_strongly():
    recording, truth = Person(3, SimulationConfig()).perform("happiness", 0)
    onset, apex, offset = truth.course.onset, truth.course.apex, truth.course.offset
    assert 0 < onset < apex <= offset < 3
    muscle = truth.muscles.index("zygomaticus major")
    before = truth.excitation[: int(onset * truth.rate), muscle]
    during = truth.excitation[int(apex * truth.rate) : int(offset * truth.rate), muscle]
    assert during.min() > 5 * before.max()
    others = recording.signal - truth.signal
    snr = 10 * np.log10(np.square(truth.signal).mean(axis=0) / np.square(others).mean(axis=0))
    assert np.allclose(snr, truth.snr_db, atol=0.1)
    held = Person(3, HELD).perform("happiness", 0)[1].course
    assert held.onset is None and held.strength.min() > 0.5


def test_conditions_do_what_they_say():
    quiet = np.zeros((4000, 8), np.float32)
    rng = np.random.default_rng(0)
    nothing = Conditions(2000.0, 2.0, noise=0, hum=0, motions=0)
    assert not disturb(quiet, nothing, 50, 60, rng).any()

    def disturbed(x=quiet, **settings):
        of = {"noise": 0, "hum": 0, "motions": 0} | settings
        return disturb(x, Conditions(2000.0, 2.0, **of), 50, 60, np.random.default_rng(1))

    assert abs(disturbed(noise=3).std() - 3) < 0.1
    spectrum = np.abs(np.fft.rfft(disturbed(hum=5), axis=0)).mean(axis=1)
    assert np.fft.rfftfreq(4000, 1 / 2000)[spectrum.argmax()] == 50
    assert np.ptp(disturbed(ecg=10)) > 5
    assert np.ptp(disturbed(motions=20)) > 10
    loud = 1000 * np.random.default_rng(0).standard_normal((4000, 8))
    assert np.abs(disturbed(loud, limit=500)).max() == 500
    assert not disturbed(loud, dead=(2, 5))[:, [2, 5]].any()
    assert np.array_equal(disturbed(loud, swapped=(0, 1))[:, 0], loud[:, 1])
    slow = np.abs(np.fft.rfft(disturbed(loud, high_pass=20.0), axis=0))[1:10].mean()
    assert slow < 0.2 * np.abs(np.fft.rfft(loud, axis=0))[1:10].mean()


def test_varied_conditions_vary_and_sessions_place_electrodes_anew():
    varied = [simulate("fear", p, conditions="varied") for p in range(12)]
    assert len({r.sampling_rate for r in varied}) > 3
    assert min(r.n_samples / r.sampling_rate for r in varied) < 1.5
    person = Person(1, SimulationConfig(conditions="varied"))
    made = [person.perform(e, 0)[1].conditions for e in ("anger", "fear", "neutral")]
    assert len({(c.sampling_rate, c.noise, c.hum, c.held, c.high_pass) for c in made}) == 1
    assert len({c.duration for c in made}) == 3
    config = SimulationConfig(sessions=2, trials=2, course="held", **QUICK)
    first, second = (Person(0, config).record("neutral", t) for t in range(2))
    assert (first.session, second.session) == ("1", "2")
    face, rng = Face(config, 0), np.random.default_rng
    one, again, other = (face.expression("anger", rng(0), s).pick_up for s in (0, 0, 1))
    assert np.array_equal(one, again) and not np.allclose(one, other)


def test_people_are_as_hard_to_read_as_real_ones():
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    emotions = "anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"
    config = SimulationConfig(duration=0.5, course="held", sampling_rate=1000.0)
    people = [Person(p, config) for p in range(16)]
    cells = [(p, e, t) for p in people for e in emotions for t in range(5)]
    powers = np.log([np.square(channel_rms(p.record(e, t))) for p, e, t in cells])
    labels, who = [e for _, e, _ in cells], [p.index for p, _, _ in cells]
    svm = make_pipeline(StandardScaler(), SVC(C=3))
    left_out = cross_val_score(svm, powers, labels, groups=who, cv=LeaveOneGroupOut()).mean()
    mixed = cross_val_score(
        svm, powers, labels, cv=StratifiedKFold(5, shuffle=True, random_state=0)
    ).mean()
    assert 0.6 < left_out < 0.82
    assert mixed > left_out + 0.08


def test_every_emotion_has_muscles_and_an_unknown_one_is_refused():
    assert tuple(ACTIVITY) == EMOTIONS and tuple(PICK_UP) == MONTAGE
    assert {len(row) for row in (*ACTIVITY.values(), *PICK_UP.values())} == {len(MUSCLES)}
    with pytest.raises(ValueError, match="choose one of anger"):
        simulate("boredom")


def test_an_anatomy_refits_to_other_powers_of_some_emotions():
    emotions = "neutral", "anger", "sadness"
    rows, louder = [EMOTIONS.index(e) for e in emotions], ANATOMY.activity.copy()
    louder[rows[1], list(MUSCLES).index("corrugator")] += 2
    other = Anatomy(louder, ANATOMY.site_gain + np.linspace(-1, 1, len(MONTAGE)))
    change = (other.powers() - ANATOMY.powers())[rows]
    fitted = ANATOMY.refitted(emotions, change)
    moved = (fitted.powers() - ANATOMY.powers())[rows]
    assert np.ptp(change, axis=0).max() > 0.7 and np.allclose(moved, change, atol=0.2)
    neutral = EMOTIONS.index("neutral")
    assert np.array_equal(fitted.activity[neutral], ANATOMY.activity[neutral])
    same = ANATOMY.refitted(emotions, np.zeros_like(change))
    ours, theirs = simulate("anger", **QUICK), simulate("anger", anatomy=same, **QUICK)
    assert np.allclose(ours.signal, theirs.signal)
    others = simulate("anger", anatomy=fitted, **QUICK)
    assert channel_rms(others)[-1] > channel_rms(ours)[-1]


@pytest.mark.parametrize(
    "settings",
    [{"sampling_rate": 50.0}, {"duration": 0.1}, {"severity": 2.0}, {"conditions": "mad"},
     {"course": "x"}, {"subjects": 0}, {"noise": float("nan")}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_in_words(settings):
    with pytest.raises(
        ValueError,
        match=f"{next(iter(settings))}.* (must be|up to)|must be.*{next(iter(settings))}",
    ):
        simulate("anger", **settings)


def test_a_configurations_description_says_its_seed_exactly():
    line = describe(SimulationConfig(seed=123456789, diversity=0.5))
    assert line.startswith("simulated:")
    assert "seed=123456789," in line and "diversity=0.5" in line and "course=posed" in line
