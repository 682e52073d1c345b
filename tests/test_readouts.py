"""The readouts beside the network, and who decides which way of reading leads."""

import copy

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.nn import functional as F

from emg_llm.encoders import EncoderConfig, build_encoder
from emg_llm.encoders.adapting import calibrate
from emg_llm.encoders.examples import Examples
from emg_llm.encoders.readouts import PATHS, UNSEEN, Readouts, lead
from emg_llm.encoders.training import EncoderTraining, fit_encoder
from emg_llm.evaluation.confidence import Confidence

CHANNELS, LABELS = 3, 4
N_INPUTS = CHANNELS * (CHANNELS + 1) // 2


def levels(n=200, seed=0, ring=False):
    """Levels float32 (n, levels) and labels; with `ring`, one label surrounds another."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % LABELS
    x = rng.normal(0, 0.4, (n, N_INPUTS + 1 + CHANNELS))
    powers = 2 * np.eye(LABELS)[targets][:, :CHANNELS]
    if ring:
        angle = rng.uniform(0, 2 * np.pi, n)
        powers = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1) * targets[:, None]
    x[:, -CHANNELS:] += powers
    x[:, :CHANNELS] += powers
    return torch.tensor(x, dtype=torch.float32), targets


@pytest.fixture
def fitted():
    readouts = Readouts(N_INPUTS, CHANNELS, LABELS)
    readouts.fit(*levels())
    return readouts


def accuracy(scores, targets):
    return (scores.argmax(dim=1).numpy() == targets).mean()


def test_both_readouts_tell_labels_apart_on_recordings_they_have_not_seen(fitted):
    x, targets = levels(seed=1)
    assert accuracy(fitted.power(x), targets) > 0.9
    assert accuracy(fitted.pattern(x), targets) > 0.9
    assert fitted(x).shape == (200, 2 * LABELS)


def test_the_pattern_readout_is_a_discriminant_analysis(fitted):
    (x, targets), (new, _) = levels(), levels(seed=1)
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    analysis.fit(x[:, :N_INPUTS].double().numpy(), targets)
    mine = torch.softmax(fitted.pattern(new), dim=1).numpy()
    np.testing.assert_allclose(mine, analysis.predict_proba(new[:, :N_INPUTS].numpy()), atol=1e-3)


def test_the_power_readout_follows_a_curve_that_a_straight_one_cannot():
    readouts = Readouts(N_INPUTS, CHANNELS, LABELS)
    readouts.fit(*levels(400, ring=True))
    x, targets = levels(400, seed=1, ring=True)
    assert accuracy(readouts.power(x), targets) > accuracy(readouts.pattern(x), targets) + 0.2


def test_scores_are_about_one_wide(fitted):
    power, pattern = fitted(levels()[0]).split(LABELS, dim=1)
    assert power.std() == pytest.approx(1, abs=0.01)
    assert pattern.std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("n_left", [2, 3])
def test_a_label_that_no_training_recording_has_is_never_read(n_left):
    x, targets = levels()
    kept = targets < n_left
    readouts = Readouts(N_INPUTS, CHANNELS, LABELS)
    readouts.fit(x[kept], targets[kept])
    assert (readouts.pattern(x)[:, n_left:] == UNSEEN).all()
    assert readouts.power(x[kept]).argmax(dim=1).max() < n_left
    assert accuracy(readouts.power(x[kept]), targets[kept]) > 0.9


@pytest.mark.parametrize("kept", [[0, 4, 8], [0, 1, 2, 3]])  # one label; each label once
def test_of_too_few_recordings_nothing_is_fitted(kept):
    x, targets = levels()
    readouts = Readouts(N_INPUTS, CHANNELS, LABELS)
    readouts.fit(x[kept], targets[kept])
    assert (readouts(x) == 0).all()


def test_many_inputs_are_reduced_before_their_covariance_is_estimated():
    channels = 24  # 300 inputs
    readouts = Readouts(300, channels, 2)
    x, targets = torch.randn(300, 325), np.arange(300) % 2
    x[:, 0] += 6 * torch.tensor(targets)
    readouts.fit(x, targets)
    assert accuracy(readouts.pattern(x), targets) > 0.95


def test_a_person_of_whom_other_things_are_true_is_learned(fitted):
    x, targets = levels(seed=2)
    turned = (targets + 1) % LABELS
    before = accuracy(fitted.power(x), turned), accuracy(fitted.pattern(x), turned)
    fitted.adapt(x[: 3 * LABELS], turned[: 3 * LABELS])
    after = accuracy(fitted.power(x), turned), accuracy(fitted.pattern(x), turned)
    assert max(before) < 0.2 and min(after) > 0.7


def test_one_recording_of_each_label_moves_the_scores_towards_them(fitted):
    x, targets = levels(seed=2)
    turned = torch.tensor((targets + 1) % LABELS)

    def losses():
        return [F.cross_entropy(way(x), turned) for way in (fitted.power, fitted.pattern)]

    before = losses()
    fitted.adapt(x[:LABELS], turned[:LABELS])
    assert all(new < old - 0.5 for new, old in zip(losses(), before, strict=True))


def scores(*accuracies, people=10, trials=10):
    """Scores of ways that read each person's recordings equally well, their labels and people."""
    n = people * trials
    targets = np.arange(n) % 2
    found = []
    for share in accuracies:
        right = np.tile(np.arange(trials) < round(share * trials), people)
        found.append(3.0 * np.eye(2)[np.where(right, targets, 1 - targets)])
    return found, targets, np.repeat(np.arange(people), trials)


def test_the_best_way_leads_and_the_simplest_of_equals():
    assert lead(*scores(0.6, 0.9, 0.7)) == 1
    assert lead(*scores(0.6, 0.7, 0.9)) == 2
    assert lead(*scores(0.8, 0.8, 0.8)) == 0


def test_a_better_way_that_only_one_person_speaks_for_does_not_lead():
    found, targets, people = scores(0.8, 0.5, 0.8)
    found[2][people == 0] = 3.0 * np.eye(2)[targets[people == 0]]  # all right of one of ten
    assert found[2].argmax(1).__eq__(targets).mean() > found[0].argmax(1).__eq__(targets).mean()
    assert lead(found, targets, people) == 0


def recordings(n, seed):
    """Tensors whose label is which of two channels is louder, their labels and people."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 2
    tensors = []
    for target in targets:
        x = rng.normal(0, 20, (1, 128, 6)).astype(np.float32)
        x[..., target] *= 4
        x[..., 2:] = np.abs(x[:, :1, 2:])
        tensors.append(x)
    return tensors, targets, np.repeat(np.arange(4), -(-n // 4))[:n]


def settings(**more):
    return EncoderConfig("cnn", ["left", "right"], n_channels=2, n_features=6, width=8,
        embedding_dim=16, segment_length=128, dropout=0.0, **more)  # fmt: skip


@pytest.mark.parametrize("way", PATHS)
def test_the_head_goes_by_the_way_that_is_named(way):
    tensors, targets, people = recordings(24, 0)
    training = EncoderTraining(epochs=4, batch_size=8, learning_rate=1e-2, lead=way)
    encoder = fit_encoder(settings(), tensors, targets, None, training, False, people)
    assert encoder.config.lead == way and encoder.config.confidence == Confidence()
    new, truth, _ = recordings(12, 1)
    assert (Examples(encoder, new, truth).ask(encoder).argmax(1) == truth).mean() > 0.9
    with torch.no_grad():
        embedding = torch.stack([encoder.encode(t) for t in new])
        logits = encoder.head(embedding)
    deep = encoder.deep_dim
    own = {"deep": slice(0, deep), "power": slice(deep, deep + 2), "pattern": slice(deep + 2, None)}
    own["combination"] = slice(None)
    without = embedding.clone()
    without[:, own[way]] = 0
    with torch.no_grad():  # nothing else is heard
        assert torch.allclose(encoder.head(without), encoder.head.bias.expand(12, -1), atol=1e-6)
    # All paths are known after the training, and the one that leads is what the head reads.
    scores = encoder.ways(embedding)
    assert tuple(scores) == PATHS and torch.allclose(scores[way], logits, atol=1e-5)
    if way == "power":
        np.testing.assert_allclose(
            logits, embedding[:, own[way]] * encoder.readouts.widths[0], rtol=1e-5
        )


@pytest.mark.parametrize("validated", [False, True])
def test_people_left_out_choose_the_way_and_its_temperature(validated):
    tensors, targets, people = recordings(32, 0)
    others = recordings(16, 1) if validated else None
    training = EncoderTraining(epochs=2, batch_size=8)
    encoder = fit_encoder(settings(), tensors, targets, others, training, False, people)
    assert encoder.config.lead == "power" and encoder.config.confidence.temperature != 1.0
    new, truth, _ = recordings(12, 2)
    assert (Examples(encoder, new, truth).ask(encoder).argmax(1) == truth).mean() > 0.9
    assert encoder.readouts.near.any() and encoder.readouts.straight.any()


def test_a_calibrated_encoder_reads_single_recordings_against_its_person():
    tensors, targets, people = recordings(32, 0)
    training = EncoderTraining(epochs=2, batch_size=8, lead="power")
    config = settings(scaling="person")
    encoder = fit_encoder(config, tensors, targets, None, training, False, people)
    before = copy.deepcopy(encoder.state_dict())
    other, truth, _ = recordings(16, 3)
    gain = np.r_[30, 2, np.ones(4)].astype(np.float32)  # electrodes unlike the others'
    other = [t * gain for t in other]
    tuned = calibrate(encoder, other[:8], truth[:8])
    alone = [int(tuned.classify(tuned.encode(t)).argmax()) for t in other[8:]]
    assert (np.array(alone) == truth[8:]).mean() == 1.0
    assert tuned.config.scaling == "training" and encoder.config.scaling == "person"
    assert all(torch.equal(before[name], v) for name, v in encoder.state_dict().items())


def test_an_embedding_too_small_for_the_scores_is_refused():
    with pytest.raises(ValueError, match="take more than 4"):
        build_encoder(EncoderConfig("cnn", ["left", "right"], embedding_dim=4))
