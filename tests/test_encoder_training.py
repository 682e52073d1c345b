"""How encoders learn: the same for a seed, on after a stop, and from a person's own recordings."""

import copy

import numpy as np
import pytest
import torch

from emg_llm.encoders.adapting import calibrate
from emg_llm.encoders.examples import Examples, recording_embeddings
from emg_llm.encoders.training import (
    CheckpointError,
    EncoderTraining,
    fit_encoder,
    loss_of,
)
from emg_llm.evaluation.confidence import Confidence
from emg_llm.signal.recording import Recording
from tests.small_encoders import build, config, every_architecture, segments


def loudness_task(n, seed):
    """Recordings of three segments; the label is which of two channels is louder."""
    targets = np.arange(n) % 2
    tensors = []
    for i, target in enumerate(targets):
        x = segments(3, 128, 2, seed=1000 * seed + i).numpy()
        x[..., target] *= 6
        tensors.append(x)
    return tensors, targets


@every_architecture
def test_an_easy_problem_is_learned_and_the_same_seed_learns_the_same(arch):
    settings = config(arch, channels=2, labels=("left", "right"), segment_length=128)
    training = EncoderTraining(epochs=6, batch_size=8, segments=2, learning_rate=1e-2)

    def fitted():
        parts = loudness_task(32, 1), loudness_task(12, 2)
        return fit_encoder(copy.copy(settings), *parts[0], parts[1], training, progress=False)

    encoder, again = fitted(), fitted()
    tensors, targets = loudness_task(20, 3)
    embeddings = recording_embeddings(encoder, tensors)
    assert embeddings.shape == (20, 16) and not encoder.training
    accuracy = (encoder.classify(embeddings).argmax(axis=1) == targets).mean()
    assert accuracy >= 0.9
    assert 0.2 <= encoder.config.confidence.temperature <= 5
    assert encoder.config.confidence != Confidence()
    if not torch.cuda.is_available():
        assert torch.equal(embeddings, recording_embeddings(again, tensors))


@every_architecture
def test_a_stopped_training_goes_on_and_ends_as_it_would_have(arch, tmp_path, monkeypatch):
    parts = loudness_task(16, 1), loudness_task(8, 2)
    training = EncoderTraining(epochs=4, batch_size=8)

    def fitted(folder=None):
        settings = config(arch, channels=2, labels=("left", "right"), segment_length=128)
        return fit_encoder(
            settings, *parts[0], parts[1], training, progress=False, folder=folder
        ).state_dict()

    from emg_llm.encoders import training as module

    kept = module._Run.keep

    def killed(self, epoch):
        kept(self, epoch)
        if epoch == 2:
            raise KeyboardInterrupt

    whole = fitted()
    monkeypatch.setattr(module._Run, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path)
    assert (tmp_path / "checkpoint.pt").exists()
    monkeypatch.setattr(module._Run, "keep", kept)
    again = fitted(tmp_path)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert not list(tmp_path.iterdir())  # nothing is left that could be mistaken for a model


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """fit(seed=0, of=1), whose first run in tmp_path was stopped after an epoch."""
    from emg_llm.encoders import training as module

    kept = module._Run.keep

    def killed(self, epoch):
        kept(self, epoch)
        raise KeyboardInterrupt

    def fit(seed=0, of=1):
        settings = config("cnn", channels=2, labels=("left", "right"), segment_length=128)
        training = EncoderTraining(epochs=2, batch_size=8, seed=seed)
        parts = loudness_task(16, of)
        return fit_encoder(settings, *parts, None, training, progress=False, folder=tmp_path)

    monkeypatch.setattr(module._Run, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        fit()
    monkeypatch.setattr(module._Run, "keep", kept)
    return fit


@pytest.mark.parametrize("how", ["cut off", "text", "other tensors", "empty", "pickle"])
def test_a_damaged_checkpoint_is_refused_in_words_and_left_alone(stopped, tmp_path, how):
    file = tmp_path / "checkpoint.pt"
    if how == "other tensors":
        torch.save({"weights": torch.zeros(3)}, file)
    elif how == "pickle":
        torch.save({"what": Recording}, file)
    else:
        whole = file.read_bytes()
        file.write_bytes({"cut off": whole[: len(whole) // 2], "text": b"hello"}.get(how, b""))
    found = file.read_bytes()
    with pytest.raises(CheckpointError, match="delete it to train from the start") as caught:
        stopped()
    assert "checkpoint.pt is damaged" in str(caught.value) and "\n" not in str(caught.value)
    assert file.read_bytes() == found


@pytest.mark.parametrize("other", [{"seed": 1}, {"of": 5}])
def test_another_runs_checkpoint_is_refused_in_words(stopped, tmp_path, other):
    with pytest.raises(CheckpointError, match=r"other settings or data; repeat that command"):
        stopped(**other)
    stopped()  # what was begun can still be finished
    assert not (tmp_path / "checkpoint.pt").exists()


def test_every_epochs_figures_are_told():
    told = []
    settings = config("cnn", channels=2, labels=("left", "right"), segment_length=128)
    parts = loudness_task(16, 1), loudness_task(8, 2)
    training = EncoderTraining(epochs=3, batch_size=8)

    def log(figures, epoch):
        told.append((epoch, figures))

    fit_encoder(settings, *parts[0], parts[1], training, progress=False, log=log)
    assert [epoch for epoch, _ in told] == [1, 2, 3]
    for _, figures in told:
        assert set(figures) == {"loss", "accuracy", "val_loss", "val_accuracy"}
        assert 0 <= figures["accuracy"] <= 1 and 0 <= figures["val_accuracy"] <= 1


def test_batches_hold_recordings_of_like_length():
    """Those of a batch are cropped to its shortest: short ones must not shorten all."""
    encoder = build("cnn")
    n_frames = np.random.default_rng(0).integers(1, 60, 200)
    rate = encoder.config.sampling_rate
    tensors = [np.ones((1, round(rate * (0.16 * n + 0.2)), 12), np.float32) for n in n_frames]
    examples = Examples(encoder, tensors, np.zeros(200, int))
    one, other = (examples.batches(8, torch.Generator().manual_seed(s)) for s in (0, 1))
    assert sorted(torch.cat(one).tolist()) == list(range(200))
    spread = [float(np.ptp(examples.n_frames[rows].numpy())) for rows in one]
    assert np.median(spread) <= 6 and not torch.equal(torch.cat(one), torch.cat(other))


def test_focal_loss_is_the_formula():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    p = torch.softmax(logits, 1)[0, 1].item()
    found = loss_of(logits, torch.tensor([[0.0, 1.0, 0.0]]), EncoderTraining(loss="focal"))
    assert found.item() == pytest.approx(-0.25 * (1 - p) ** 2 * np.log(p), rel=1e-5)


@every_architecture
def test_with_a_persons_own_recordings_as_the_measure_a_gain_changes_less(arch):
    tensors, targets = loudness_task(32, 1)
    settings = config(
        arch, channels=2, labels=("left", "right"), segment_length=128, scaling="person"
    )
    people = np.repeat(["a", "b"], 16)
    encoder = fit_encoder(
        settings, tensors, targets, None, EncoderTraining(epochs=2), False, groups=people
    )
    louder = [t * np.r_[30, 30, np.ones(4)].astype(np.float32) for t in tensors]
    mine, known = (recording_embeddings(encoder, t, people) for t in (tensors, louder))
    unknown = recording_embeddings(encoder, louder)
    assert (known - mine).norm() < 0.7 * (unknown - mine).norm()


@every_architecture
def test_a_few_labelled_recordings_teach_an_encoder_a_person(arch):
    tensors, targets = loudness_task(32, 1)
    settings = config(arch, channels=2, labels=("left", "right"), segment_length=128)
    training = EncoderTraining(epochs=6, batch_size=8, learning_rate=1e-2)
    encoder = fit_encoder(settings, tensors, targets, None, training, progress=False)
    before = copy.deepcopy(encoder.state_dict())
    turned = 1 - targets  # a person of whom the opposite is true
    tuned = calibrate(encoder, tensors[:6], turned[:6])
    accuracy = tuned.classify(recording_embeddings(tuned, tensors[6:])).argmax(1) == turned[6:]
    assert accuracy.mean() > 0.8
    assert all(torch.equal(before[name], v) for name, v in encoder.state_dict().items())
