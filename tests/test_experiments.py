"""What a fold tells beyond its score, asked of models whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from emg_llm.data.datasets import Dataset, DatasetError, load_dataset
from emg_llm.data.splits import PROTOCOLS, grouped_k_fold, held_out_sessions, leave_one_subject_out
from emg_llm.encoders import adapting
from emg_llm.evaluation.confidence import Confidence
from emg_llm.experiments import measure
from emg_llm.experiments.controls import Inputs, shuffled_labels
from emg_llm.experiments.extras import Extras, check_extras, curve_sizes, few_shot
from emg_llm.experiments.fitted import Fitted
from emg_llm.experiments.folds import FoldStore
from emg_llm.experiments.measure import measure_recipe, measure_trained
from emg_llm.experiments.results import Measured
from emg_llm.experiments.trained import load_fitted
from emg_llm.signal.features import channel_power
from emg_llm.svm import RECORDING_FEATURES

LABELS = ("anger", "fear")
LOSO = PROTOCOLS["leave_one_subject_out"]


def trials(people=4, each=6, seed=0, **more):
    """A feature table: `a` tells the label, `b` nothing."""
    rng = np.random.default_rng(seed)
    known = [(p, t) for p in range(people) for t in (0, 1) for _ in range(each)]
    targets = np.array([t for _, t in known])
    table = np.column_stack([np.exp(2.0 * targets), np.ones(len(known))])
    return Dataset(
        "made here",
        tuple(f"row {i}" for i in range(len(known))),
        tuple(LABELS[t] for t in targets),
        **{
            "subjects": tuple(f"P{p}" for p, _ in known),
            "table": table * np.exp(0.1 * rng.standard_normal(table.shape)),
            "columns": ("a", "b"),
        }
        | more,
    )


class Recorder:
    """A kind of model that answers at random and remembers what it was fitted on and asked."""

    def __init__(self, fail_at=None):
        self.fitted_on, self.given, self.fail_at = [], [], fail_at

    def __call__(self, dataset, split, seed):
        if len(self.fitted_on) == self.fail_at:
            raise KeyboardInterrupt
        self.fitted_on.append((split, dataset))
        return self.model()

    def model(self):
        def predict(dataset, rows):
            return np.random.default_rng(0).dirichlet([1, 1], len(rows))

        def adapt(dataset, rows, seed):
            self.given.append(rows)
            return self.model()

        own = Confidence(fitted_on="calibration people", n_people=3)
        return Fitted("recorder", LABELS, predict, adapt, confidence=own)


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(measure, "fitter", lambda name, how=None, material=None: recorder)
    return recorder


def test_the_learning_curve_trains_on_some_of_the_training_people_and_on_no_others(recorder):
    data = trials(6)
    results, *_ = measure_recipe("x", data, LOSO, 0, Extras(learning_curve=True))
    assert [p["n_people"] for p in results["learning_curve"]] == [1, 2, 4, 5]
    assert results["learning_curve"][-1]["accuracy"] == results["accuracy"]
    people = np.array(data.subjects)
    for fold in leave_one_subject_out(data):
        drawn = [set(people[s.train]) for s, _ in recorder.fitted_on if s.hash == fold.hash]
        full, *fewer = sorted(drawn, key=len, reverse=True)
        assert [len(d) for d in fewer] == [4, 2, 1] and full == set(people[fold.train])
        assert fewer[2] < fewer[1] < fewer[0] < full
    firsts = [set(people[s.train]) for s, _ in recorder.fitted_on if len(s.train) == 12]
    assert len(set(map(frozenset, firsts))) > 1  # not the same person in every fold


def test_a_size_that_is_too_little_to_fit_is_left_out_of_the_curve(table_of_single_trials):
    results, *_ = measure_recipe(
        "svm", table_of_single_trials, LOSO, 0, Extras(learning_curve=True)
    )
    assert [p["n_people"] for p in results["learning_curve"]] == [2, 4, 5]


@pytest.fixture
def table_of_single_trials():
    return trials(6, each=1)


def test_folds_of_different_size_share_the_sizes_of_the_smallest():
    data = trials(7)
    assert curve_sizes(data, list(grouped_k_fold(data, folds=2))) == ([1, 2], 3)


def test_trials_that_were_given_away_are_never_scored_in_that_draw(recorder):
    data = trials(3)
    rows = np.arange(len(data))
    found = few_shot(recorder.model, Inputs(data, rows), rows, 2, 0, 3, rows)
    assert len(recorder.given) == 9  # three people, three draws
    scored, n = iter(found["rows"]), 0
    for given in recorder.given:
        theirs = set(np.flatnonzero(np.array(data.subjects) == data.subjects[given[0]]))
        assert sorted(data.targets[given]) == [0, 0, 1, 1] and set(given) < theirs
        rest = {next(scored) for _ in range(8)}
        assert rest == theirs - set(given)
        n += 8
    assert len(found["rows"]) == len(found["probabilities"]) == n
    assert len({tuple(sorted(g)) for g in recorder.given}) > 3  # draws differ


def test_more_trials_are_the_fewer_ones_and_some(recorder):
    data = trials(1)
    rows = np.arange(len(data))
    for n in (1, 3):
        few_shot(recorder.model, Inputs(data, rows), rows, n, 0, 2, rows)
    one, three = recorder.given[:2], recorder.given[2:]
    assert all(set(a) < set(b) for a, b in zip(one, three, strict=True))


def test_blocked_trials_are_the_first_of_each_label_and_later_ones_are_scored(recorder):
    data = trials(2)
    order = np.random.default_rng(1).permutation(len(data))
    found = few_shot(recorder.model, Inputs(data, order), order, 2, 0, 5, order, blocked=True)
    first = [[0, 1, 6, 7], [12, 13, 18, 19]]  # once each, not in five draws
    assert [sorted(given) for given in recorder.given] == first
    assert sorted(found["rows"]) == sorted(set(range(24)) - set(np.ravel(first)))


def test_the_nearest_trial_alone_is_beside_the_model_and_loses_to_drift(recorder):
    data = trials(4, each=8)
    table = data.table.copy()
    table[:, 0] = np.exp(2.0 * data.targets + 0.25 * (np.arange(len(data)) % 8))  # within a label
    data = replace(data, table=table)
    results, *_ = measure_recipe("x", data, LOSO, 0, Extras(few_shot=(2,), draws=3))
    none, two = results["few_shot"]
    assert "nearest_trial" not in none
    assert two["nearest_trial"] > 0.8 > two["accuracy"]  # the model only guesses
    assert two["nearest_trial_blocked"] < two["nearest_trial"] - 0.05
    for what, name in (("", "accuracy"), ("_blocked", "accuracy_blocked")):
        less = two[name] - two[f"nearest_trial{what}"]
        assert two[f"over_nearest_trial{what}"] == pytest.approx(less)
    for name in ("accuracy", "accuracy_blocked", "nearest_trial", "nearest_trial_blocked"):
        low, high = two[f"{name}_ci95"]
        assert low <= two[name] <= high


def test_an_exact_copy_of_a_trial_that_was_given_is_not_scored(recorder):
    data = trials(1)
    copied = data.table.copy()
    copied[:6] = copied[0]  # all trials of one label are the same
    rows = np.arange(len(data))
    inputs = Inputs(replace(data, table=copied), rows)
    found = few_shot(recorder.model, inputs, rows, 1, 0, 1, rows)
    assert set(data.targets[found["rows"]]) == {1} and len(found["rows"]) == 5


def test_a_person_without_a_trial_to_spare_is_left_out(recorder):
    data = trials(2)
    rows = np.array([*range(12), 12, 13, 18, 19])  # the second person has two of each
    found = few_shot(recorder.model, Inputs(data, rows), rows, 2, 0, 1, rows)
    assert set(np.array(data.subjects)[found["rows"]]) == {"P0"}


def test_some_trials_teach_the_svm_what_a_new_person_does_otherwise():
    data = trials(5, each=8)
    louder = np.array(data.subjects) == "P2"  # this person's weakest is above the others' strongest
    table = data.table.copy()
    table[louder, 0] *= np.exp(5.0)
    data = replace(data, table=table)
    extras = Extras(few_shot=(1, 3), draws=2)
    results, *_ = measure_recipe("svm", data, LOSO, 0, extras)
    before, one, three = results["few_shot"]
    assert (before["trials"], one["trials"], three["trials"]) == (0, 1, 3)
    assert before["accuracy"] == results["accuracy"] < 0.92
    assert three["accuracy"] > 0.94 and three["gain"] > 0.04
    # One person of five gains much and the others nothing: that says little of a sixth.
    assert three["gain_ci95"][0] < 0 and three["gain_p"] > 0.05
    assert three["n_subjects"] == 5


def test_shuffled_labels_keep_each_persons_counts_and_leave_the_tested_alone():
    data = trials(4)
    split = next(leave_one_subject_out(data))
    shuffled = shuffled_labels(data, split.train, 0)
    labels, before = np.array(shuffled.labels), np.array(data.labels)
    assert (labels[split.test] == before[split.test]).all()
    assert (labels[split.train] != before[split.train]).any()
    for person in ("P1", "P2", "P3"):
        theirs = np.array(data.subjects) == person
        assert sorted(labels[theirs]) == sorted(before[theirs])


def test_a_model_of_shuffled_labels_reads_nothing():
    results, *_ = measure_recipe("svm", trials(6), LOSO, 0, Extras(controls=True))
    assert results["accuracy"] == 1
    assert abs(results["controls"]["shuffled_labels"]["accuracy"] - 0.5) < 0.25


def test_one_channel_alone_is_worth_what_it_tells():
    results, *_ = measure_recipe("svm", trials(), LOSO, 0, Extras(channels=True))
    a, b = results["channels"]
    assert (a["channel"], b["channel"]) == ("a", "b")
    assert a["accuracy"] == 1 and b["accuracy"] < 0.7


def test_a_channel_that_is_taken_away_is_noise_of_its_usual_power(people):
    rows = np.arange(len(people))
    inputs = Inputs(people, rows)
    alone = inputs.only(3, rows[:24])
    usual = np.median([channel_power(r) for r in inputs.dataset.recordings[:24]], axis=0)
    for i in (0, 30):
        kept, taken = inputs.dataset.recordings[i], alone.recordings[i]
        np.testing.assert_array_equal(taken.signal[:, 3], kept.signal[:, 3])
        others = np.arange(8) != 3
        np.testing.assert_allclose(channel_power(taken)[others], usual[others], rtol=0.01)
        assert abs(np.corrcoef(taken.signal[:, 0], kept.signal[:, 0])[0, 1]) < 0.2


def test_the_svms_features_of_a_channel_stay_together(people):
    rows = np.arange(len(people))
    inputs = Inputs(people, rows, as_features=True)
    alone = inputs.only(3, rows)
    same = np.array([c.endswith(people.recordings[0].channel_names[3]) for c in alone.columns])
    assert same.sum() == len(RECORDING_FEATURES)
    np.testing.assert_array_equal(alone.table[:, same], inputs.dataset.table[:, same])
    assert (alone.table[:, ~same] == np.median(inputs.dataset.table[:, ~same], axis=0)).all()


def test_noise_is_asked_about_where_there_is_a_signal(people, recorder):
    few = people.with_labels(LABELS)
    assert "noise_emg" in measure_recipe("x", few, LOSO, 0)[0]["controls"]
    assert "noise_emg" not in measure_recipe("x", trials(), LOSO, 0)[0]["controls"]


def test_an_interrupted_run_goes_on_with_the_fold_where_it_stopped(tmp_path, monkeypatch):
    data, extras = trials(), Extras(few_shot=(1,), draws=2)
    first, second = Recorder(fail_at=2), Recorder()
    monkeypatch.setattr(measure, "fitter", lambda name, how, material: first)
    with pytest.raises(KeyboardInterrupt):
        measure_recipe("x", data, LOSO, 0, extras, FoldStore(tmp_path))
    monkeypatch.setattr(measure, "fitter", lambda name, how, material: second)
    store = FoldStore(tmp_path)
    resumed = measure_recipe("x", data, LOSO, 0, extras, store)
    assert len(store.reused) == 2 and len(second.fitted_on) == 2
    at_once = measure_recipe("x", data, LOSO, 0, extras)
    assert resumed[0] == at_once[0]
    np.testing.assert_array_equal(resumed[2], at_once[2])
    # Other numbers under the same names are other data.
    store = FoldStore(tmp_path)
    measure_recipe("x", replace(data, table=data.table * 2), LOSO, 0, extras, store)
    assert not store.reused


def test_the_one_model_of_a_single_split_is_measured_with_its_own_confidence(recorder):
    results, *_ = measure_recipe("x", trials(5), PROTOCOLS["held_out"], 0)
    assert results["calibration"]["fitted_on"] == "calibration people"
    results, *_ = measure_recipe("x", trials(5), LOSO, 0)
    assert results["calibration"]["fitted_on"] == "other test people"


def test_a_recording_that_is_asked_about_twice_counts_once():
    data = trials(2)
    found = Measured(data, 0)
    rows = np.arange(len(data))
    right = np.eye(2)[data.targets]
    found.add("emg", rows[12:], {"probabilities": right[12:]})
    found.add("emg", rows[:12], {"probabilities": right[:12]})
    rows, p = found.scored
    assert rows.tolist() == list(range(24)) and (p == right).all()
    found.add(("few_shot", 1), np.array([0, 1, 0]), {"probabilities": right[[0, 1, 0]]})
    curve = found.results("x", {})["few_shot"]
    assert curve[1]["n_recordings"] == 2 and curve[1]["gain"] == 0


@pytest.mark.parametrize(
    ("data", "splits", "extras", "trained", "words"),
    [
        (trials(), LOSO, Extras(few_shot=(6,)), False, "have 6"),
        (trials(), LOSO, Extras(few_shot=(0,)), False, "the smallest is 1"),
        (trials(subjects=(None,) * 48), None, Extras(few_shot=(1,)), False, "'subject' column"),
        (
            trials(sessions=("one", "two") * 24),
            held_out_sessions,
            Extras(learning_curve=True),
            False,
            "another protocol",
        ),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_trained(
    data, splits, extras, trained, words
):
    with pytest.raises(DatasetError, match=words):
        check_extras(extras, data, list(splits(data)) if splits else [], trained)


def test_an_encoder_is_calibrated_on_a_persons_trials(people, tmp_path, monkeypatch):
    from emg_llm.encoders import EncoderConfig, build_encoder

    config = EncoderConfig("cnn", ["fear", "pride", "anger"], embedding_dim=8, width=8)
    build_encoder(config).save_pretrained(tmp_path)
    given = []

    def calibrate(encoder, tensors, targets, seed=0):
        given.append((tensors, targets, seed))
        other = build_encoder(encoder.config).eval()
        other.head.bias.data[:] = encoder.head.bias.data.new_tensor([9.0, 0.0, 0.0])
        return other

    monkeypatch.setattr(adapting, "calibrate", calibrate)
    data = people.with_labels(LABELS)
    fitted = load_fitted(tmp_path)
    adapted = fitted.adapt(data, np.array([0, 1]), seed=5)
    ((tensors, targets, seed),) = given
    assert [config.labels[t] for t in targets] == [data.labels[0], data.labels[1]] and seed == 5
    np.testing.assert_array_equal(tensors[1][1], config.front(data.recordings[1])[1])
    p = adapted.ask(data, np.arange(2))
    assert p.shape == (2, 2) and (p[:, data.label_names.index("fear")] > 0.9).all()
    assert abs(fitted.ask(data, np.arange(2)) - 0.5).max() < 0.4  # the first one is as it was


def test_a_saved_model_that_cannot_learn_from_trials_says_so(tmp_path):
    from emg_llm.svm import EmotionSVM

    data = trials()
    svm = EmotionSVM.fit(data.table, data.columns, data.targets, data.groups, LABELS)
    svm.save_pretrained(tmp_path)
    with pytest.raises(DatasetError, match="--model svm"):
        measure_trained(tmp_path, data, extras=Extras(few_shot=(1,)))
    results, *_ = measure_trained(tmp_path, data, extras=Extras(channels=True))
    assert [c["channel"] for c in results["channels"]] == ["a", "b"]


def test_a_test_part_of_one_label_can_be_measured():
    data = load_dataset("simulated:subjects=3,trials=2,duration=0.5").with_labels(LABELS)
    only = [i for i in range(len(data)) if data.subjects[i][-1] != "1" or data.labels[i] == "fear"]
    results, *_ = measure_recipe("svm", data.take(only), LOSO, 0)
    assert results["n_recordings"] == 10
