"""The one contract of all encoders, held against each of them."""

import copy
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from emg_llm.encoders import ARCHITECTURES, load_encoder
from emg_llm.encoders.front import (
    covariances,
    flatten,
    frames,
    front,
    log_covariances,
    unflatten,
)
from emg_llm.evaluation.confidence import Confidence
from emg_llm.hub.client import HubError
from emg_llm.signal.recording import Recording, RecordingError
from emg_llm.signal.simulation import simulate
from tests.small_encoders import build, config, every_architecture, segments


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
    x, targets = segments(16, 1000), torch.arange(16) % 3  # several frames to weigh
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
    # Set after the encoder was built, as training does.
    encoder.config.confidence = Confidence(1.7, (0.1, 0.2, 0.3), 0.9, 0.9)
    encoder.save_pretrained(tmp_path)
    loaded = load_encoder(tmp_path)
    assert type(loaded) is ARCHITECTURES[arch] and not loaded.training
    assert loaded.config == encoder.config and loaded.config.confidence.temperature == 1.7
    recording = simulate("fear", duration=1.0)
    assert np.array_equal(loaded(recording), encoder(recording))
    assert {p.name for p in tmp_path.iterdir()} >= {"config.json", "model.safetensors"}


@every_architecture
def test_missing_weights_are_refused(arch, tmp_path):
    build(arch).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["head.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(HubError, match="not all of one"):
        load_encoder(tmp_path)


def test_an_unknown_architecture_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"arch": "transformer"}))
    with pytest.raises(HubError, match="holds no encoder"):
        load_encoder(tmp_path)


@every_architecture
def test_a_recording_gives_probabilities(arch):
    probabilities = build(arch)(simulate("fear", duration=1.0))
    assert probabilities.shape == (3,) and probabilities.sum() == pytest.approx(1)


@every_architecture
def test_temperature_softens_probabilities_without_changing_the_answer(arch):
    encoder, recording = build(arch), simulate("fear", duration=1.0)
    plain = encoder(recording)
    encoder.config.confidence = Confidence(5.0)
    soft = encoder(recording)
    assert soft.max() < plain.max() and soft.argmax() == plain.argmax()


@every_architecture
def test_a_recording_with_two_channels_is_refused_in_one_sentence(arch):
    two = Recording(np.random.default_rng(0).standard_normal((3000, 2)), 1000)
    with pytest.raises(RecordingError) as caught:
        build(arch)(two)
    words = str(caught.value)
    assert "doesn't say where its 2 channels were recorded" in words
    assert words.count(".") == 1 and "\n" not in words


def test_the_input_is_resampled_and_cut_into_equal_parts_of_about_the_wanted_length():
    for duration, shape in ((1.6, (6, 266, 12)), (0.25, (1, 250, 12)), (0.3, (1, 300, 12))):
        recording = simulate("fear", sampling_rate=4000, duration=duration)
        assert config("cnn").tensor(recording).shape == shape


@pytest.mark.parametrize("rate", [200, 512, 2000, 15000])
def test_recordings_of_any_rate_are_read(rate):
    recording = simulate("fear", sampling_rate=rate, duration=1.5)
    embedding = build("cnn").encode(config("cnn").tensor(recording))
    assert torch.isfinite(embedding).all()


# What every encoder sees first


def test_covariances_are_those_of_the_band_passed_signal():
    rng = np.random.default_rng(0)
    t = np.arange(4000) / 1000
    slow, fast = np.sin(2 * np.pi * 40 * t), np.sin(2 * np.pi * 150 * t)
    wave = np.stack([3 * slow, -2 * slow, 5 * fast], axis=1) + 0.01 * rng.normal(size=(4000, 3))
    found = covariances(torch.tensor(wave, dtype=torch.float32)[None], 1000.0)[0].mean(0)
    whole, low, _, high = found.numpy()
    expected = np.array([[4.5, -3, 0], [-3, 2, 0], [0, 0, 12.5]])
    np.testing.assert_allclose(whole, expected, atol=0.3)
    np.testing.assert_allclose(low, expected * [[1, 1, 0], [1, 1, 0], [0, 0, 0]], atol=0.3)
    np.testing.assert_allclose(high, expected * [[0, 0, 0], [0, 0, 0], [0, 0, 1]], atol=0.3)


def test_a_gain_shifts_log_powers_and_chance_correlations_vanish():
    generator = torch.Generator().manual_seed(0)
    wave = torch.randn(2, 1000, 4, generator=generator)
    one = log_covariances(covariances(wave, 1000.0).mean(1), 1.0)
    four = log_covariances(covariances(4 * wave, 1000.0).mean(1), 1.0)
    shift = (four - one).diagonal(dim1=-2, dim2=-1)
    assert torch.allclose(shift, torch.full_like(shift, np.log(16)), atol=0.05)
    off = one - torch.diag_embed(one.diagonal(dim1=-2, dim2=-1))
    assert off[:, 0].abs().max() < 0.02  # independent channels
    wave[..., 1] = wave[..., 0] + 0.3 * wave[..., 1]
    assert log_covariances(covariances(wave, 1000.0).mean(1), 1.0)[0, 0, 0, 1].abs() > 0.5


def test_flattening_keeps_distances_and_is_undone():
    a, b = (m + m.transpose(-1, -2) for m in torch.randn(2, 5, 4, 3, 3))
    assert torch.allclose(unflatten(flatten(a), 3), a, atol=1e-6)
    kept = (flatten(a) - flatten(b)).norm(dim=-1)
    assert torch.allclose(kept, (a - b).flatten(1).norm(dim=1), atol=1e-5)


def test_the_tcn_knows_nothing_of_samples_after_a_frame():
    encoder, x = build("tcn", segment_length=1500), segments(2, 1500)
    size, hop = frames(1500, 1000.0)
    later = x.clone()
    at = 5  # everything after this frame's end is another signal
    later[:, size + at * hop :] = segments(2, 1500, seed=9)[:, size + at * hop :]

    def over_time(x):
        seen = front(x, 8, encoder.config.sampling_rate)
        return encoder.over_time(encoder.inputs(*seen)[1])

    with torch.no_grad():
        one, other = over_time(x), over_time(later)
    assert torch.equal(one[:, : at + 1], other[:, : at + 1])
    assert not torch.allclose(one[:, at + 1], other[:, at + 1], atol=1e-3)
