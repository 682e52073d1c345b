"""The one contract of all encoders, held against each of them."""

import copy
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from emg_llm.encoders import ARCHITECTURES, EncoderConfig, build_encoder, load_encoder
from emg_llm.encoders.training import (
    EncoderTraining,
    draw_segments,
    fit_encoder,
    recording_embeddings,
)
from emg_llm.recording import Recording, RecordingError
from emg_llm.simulation import simulate

every_architecture = pytest.mark.parametrize("arch", ARCHITECTURES)


def config(arch, channels=8, labels=("anger", "fear", "pride"), **more):
    settings = {"width": 8, "embedding_dim": 16, "segment_length": 256, "dropout": 0.0} | more
    return EncoderConfig(
        arch, list(labels), n_channels=channels, n_features=channels + 4, **settings
    )


def build(arch, **more):
    torch.manual_seed(0)
    return build_encoder(config(arch, **more)).eval()


def segments(n=6, length=256, channels=8, seed=0, scale=20.0):
    """float32 (n, length, channels + 4), the last four constant over time."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, scale, (n, length, channels + 4)).astype(np.float32)
    x[:, :, channels:] = np.abs(x[:, :1, channels:])
    return torch.from_numpy(x)


@every_architecture
@pytest.mark.parametrize("length", [64, 128, 300, 512])
@pytest.mark.parametrize("channels", [1, 8, 16])
def test_segments_of_any_length_and_channels_give_embeddings_and_logits(arch, length, channels):
    encoder = build(arch, channels=channels)
    embedding, logits = encoder(segments(5, length, channels))
    assert embedding.shape == (5, 16) and logits.shape == (5, 3)
    assert torch.isfinite(embedding).all() and torch.isfinite(logits).all()


@every_architecture
def test_the_mean_of_segment_logits_is_the_head_of_the_mean_embedding(arch):
    encoder, x = build(arch), segments()
    with torch.no_grad():
        logits = encoder(x)[1].mean(dim=0)
        assert torch.allclose(logits, encoder.head(encoder.encode(x)), atol=1e-5)
        probabilities = encoder.classify(encoder.encode(x))
    assert np.allclose(probabilities, torch.softmax(logits, 0), atol=1e-5)


@every_architecture
def test_a_segments_embedding_does_not_depend_on_its_neighbours(arch):
    encoder, x = build(arch), segments()
    with torch.no_grad():
        together, alone = encoder.embed(x)[2], encoder.embed(x[2:3])[0]
    assert torch.allclose(together, alone, atol=1e-4)


@every_architecture
def test_every_weight_learns(arch):
    encoder = build(arch).train()
    x, targets = segments(16), torch.arange(16) % 3
    before = copy.deepcopy(encoder.state_dict())
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.5)
    for _ in range(2):  # a layer that starts at zero lets its inputs learn one step later
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(encoder(x)[1], targets).backward()
        optimizer.step()
    for name, parameter in encoder.named_parameters():
        assert parameter.requires_grad and parameter.grad is not None, name
        # A bias ahead of a normalisation or a softmax has nothing to learn.
        if not name.endswith("bias"):
            assert not torch.allclose(parameter, before[name], rtol=0, atol=1e-6), name


@every_architecture
def test_amplitude_changes_the_embedding(arch):
    encoder, x = build(arch), segments()
    louder = x.clone()
    louder[..., :8] *= 4  # the signal's columns alone
    with torch.no_grad():
        one, four = encoder.embed(x), encoder.embed(louder)
    assert (one - four).norm(dim=1).min() > 0.05 * one.norm(dim=1).max()


@every_architecture
def test_the_channels_order_changes_the_embedding(arch):
    encoder, x = build(arch), segments()
    x[..., 0] *= 10
    swapped = x.clone()
    swapped[..., [0, 5]] = x[..., [5, 0]]
    with torch.no_grad():
        assert not torch.allclose(encoder.embed(x), encoder.embed(swapped), atol=1e-2)


@every_architecture
def test_a_saved_encoder_is_loaded_identically(arch, tmp_path):
    encoder = build(arch, trained_on="made here", embedding_dim=24)
    encoder.config.temperature = 1.7  # set after the encoder was built, as training does
    encoder.save_pretrained(tmp_path)
    loaded = load_encoder(tmp_path)
    assert type(loaded) is ARCHITECTURES[arch] and not loaded.training
    assert loaded.config == encoder.config and loaded.config.temperature == 1.7
    recording = simulate("fear", duration=1.0)
    assert np.array_equal(loaded(recording), encoder(recording))
    assert {p.name for p in tmp_path.iterdir()} >= {"config.json", "model.safetensors"}


@every_architecture
def test_missing_weights_are_refused(arch, tmp_path):
    build(arch).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["head.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(RuntimeError, match=r"head\.weight"):
        load_encoder(tmp_path)


def test_an_unknown_architecture_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"arch": "transformer"}))
    with pytest.raises(KeyError, match="transformer"):
        load_encoder(tmp_path)


@every_architecture
def test_a_recording_gives_probabilities(arch):
    probabilities = build(arch)(simulate("fear", duration=1.0))
    assert probabilities.shape == (3,) and probabilities.sum() == pytest.approx(1)


@every_architecture
def test_temperature_softens_probabilities_without_changing_the_answer(arch):
    encoder, recording = build(arch), simulate("fear", duration=1.0)
    plain = encoder(recording)
    encoder.config.temperature = 5.0
    soft = encoder(recording)
    assert soft.max() < plain.max() and soft.argmax() == plain.argmax()


@every_architecture
def test_a_recording_with_two_channels_is_refused_in_one_sentence(arch):
    two = Recording(np.random.default_rng(0).standard_normal((3000, 2)), 1000)
    with pytest.raises(RecordingError) as caught:
        build(arch)(two)
    words = str(caught.value)
    assert "read 8 channels and this recording has 2" in words
    assert words.count(".") == 1 and "\n" not in words


def test_the_input_is_resampled_and_a_short_trial_fills_one_segment():
    recording = simulate("fear", sampling_rate=4000, duration=1.6)
    assert config("cnn").tensor(recording).shape == (6, 256, 12)
    short = simulate("fear", sampling_rate=4000, duration=0.25)
    assert config("cnn").tensor(short).shape == (1, 256, 12)


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
    assert 0.2 <= encoder.config.temperature <= 5 and encoder.config.temperature != 1
    if not torch.cuda.is_available():
        assert torch.equal(embeddings, recording_embeddings(again, tensors))


def test_drawn_segments_get_random_gains_on_the_signal_and_leave_the_source_as_it_was():
    tensors = [segments(4, 64, 2, seed=i).numpy() for i in range(3)]
    before = copy.deepcopy(tensors)
    training = EncoderTraining(segments=5, gain_db=6.0)
    x = draw_segments(tensors, training, 2, np.random.default_rng(0))
    assert x.shape == (3, 5, 64, 6) and x.dtype == np.float32
    assert all(np.array_equal(a, b) for a, b in zip(tensors, before, strict=True))
    for drawn, source in zip(x, tensors, strict=True):
        # One gain for each channel of a recording, whichever of its segments are drawn
        place = [int(np.argmin(np.abs(source[:, 0, 2] - s[0, 2]))) for s in drawn]
        gain = drawn[..., :2] / source[place][..., :2]
        assert np.allclose(gain, gain[0, 0], rtol=1e-3) and not np.allclose(gain[0, 0], 1, 1e-3)
        assert np.array_equal(drawn[..., 2:], source[place][..., 2:])
