"""Each variation does to covariances what it would have done to the signal."""

import numpy as np
import pytest
import torch

from emg_llm.encoders.augmentation import Augmentation, add_noise, augment, mix, retime, rotate
from emg_llm.encoders.front import covariances

NOTHING = {"overall_db": 0.0, "gain_db": 0.0, "mixup": 0.0}


def wave(n=3, length=1600, channels=4, seed=0):
    return torch.randn(n, length, channels, generator=torch.Generator().manual_seed(seed))


def covariance_of(x):
    """(n, length, channels) -> (n, 1 segment, frames, bands, channels, channels)."""
    return covariances(x, 1000.0)[:, None]


def varied(x, seed=0, **settings):
    generator = torch.Generator().manual_seed(seed)
    return augment(x, Augmentation(**(NOTHING | settings)), generator)


def test_nothing_asked_for_is_nothing_done():
    x = covariance_of(wave())
    assert torch.equal(varied(x), x)


def test_gains_are_those_of_a_louder_signal():
    x = wave()
    found = varied(covariance_of(x), overall_db=3.0, gain_db=6.0)
    ratio = (found / covariance_of(x)).diagonal(dim1=-2, dim2=-1)
    gain = ratio[:, 0, 0, 0].sqrt()  # one for each recording and channel
    assert gain.std() > 0.1
    assert torch.allclose(found, covariance_of(x * gain[:, None]), rtol=1e-3, atol=1e-5)


def test_noise_has_the_power_that_was_asked_for_and_no_correlation():
    x = covariance_of(wave())
    found = add_noise(x, torch.tensor([0.0, 10.0, 20.0])) - x
    power = x[:, :, :, 0].diagonal(dim1=-2, dim2=-1).mean(dim=(1, 2, 3))
    added = found[:, 0, 0, 0].diagonal(dim1=-2, dim2=-1).mean(1)
    assert torch.allclose(added, power * torch.tensor([1.0, 0.1, 0.01]), rtol=1e-2)
    assert found[0, 0, 0, 0, 0, 1].abs() < 1e-6


@pytest.mark.parametrize("places", [-1, 0, 1, 3])
def test_a_turned_armband_is_the_signal_with_its_channels_turned(places):
    x = wave()
    found = rotate(covariance_of(x), torch.full((3,), places))
    assert torch.allclose(found, covariance_of(torch.roll(x, places, dims=2)), atol=1e-5)


def test_frames_move_and_speed_up_around_the_middle():
    x = torch.arange(9.0).reshape(1, 1, 9, 1, 1, 1).expand(3, 1, 9, 1, 1, 1)
    found = retime(x, torch.tensor([0, 2, 0]), torch.tensor([1.0, 1.0, 2.0])).flatten(1)
    assert found[0].tolist() == list(range(9))
    assert found[1].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert found[2].tolist() == [0, 0, 0, 2, 4, 6, 8, 8, 8]


def test_lost_channels_and_stopped_bands_hold_nothing():
    x = covariance_of(wave(200))
    power = varied(x, drop_channel=0.3)[:, 0, 0, 0].diagonal(dim1=-2, dim2=-1)
    lost = power < 1e-3 * x[:, 0, 0, 0].diagonal(dim1=-2, dim2=-1)
    assert 0.2 < lost.float().mean() < 0.4
    stopped = (varied(x, band_stop=0.3).flatten(4).abs().sum(-1) == 0)[:, 0, 0]
    assert 0.2 < stopped[:, 1:].float().mean() < 0.4 and not stopped[:, 0].any()


def test_mixed_inputs_and_labels_are_mixed_alike():
    generator = torch.Generator().manual_seed(0)
    targets = torch.eye(50)
    [one, two], labels = mix([targets.clone(), 3 * targets], targets, 0.4, generator)
    assert torch.allclose(one, labels) and torch.allclose(two, 3 * labels)
    assert torch.allclose(labels.sum(1), torch.ones(50))
    assert ((labels > 0.01).sum(1) == 2).float().mean() > 0.3


def test_the_same_seed_varies_in_the_same_way():
    x = covariance_of(wave())
    settings = {"gain_db": 2.0, "noise_snr_db": 5.0, "drop_channel": 0.2, "band_stop": 0.2}
    settings |= {"rotation": 2, "time_shift": 2, "time_warp": 0.2}
    one, again, other = (varied(x, seed, **settings) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.allclose(one, other)
    assert np.isfinite(one.numpy()).all() and one.shape == x.shape
