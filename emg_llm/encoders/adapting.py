"""Encoders adapted to one person with a few labelled recordings."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from emg_llm.encoders.base import EmgEncoder
from emg_llm.encoders.examples import Examples, Fronts
from emg_llm.encoders.training import EncoderTraining


def calibrate(
    encoder: EmgEncoder, inputs: Fronts | Sequence, targets: np.ndarray, seed: int = 0
) -> EmgEncoder:
    """A copy of an encoder, adapted to one person's few labelled recordings.

    inputs, targets: see Examples. Only the path that the head reads is adapted. What is known of
    the person, with "person" scaling these recordings, becomes the fixed reference for the
    person's levels.
    """
    tuned = copy.deepcopy(encoder).cpu()
    examples = Examples(tuned, inputs, targets, np.zeros(len(inputs)))
    examples.shift_to_people(tuned)
    shift = examples.shifts[0, 0]
    if tuned.config.lead != "deep":
        with torch.inference_mode():
            offsets = torch.stack([tuned.offset(*front) for front in examples.fronts])
        return learned(tuned, offsets, examples.targets, shift)
    tuned.settle(shift)
    examples.shifts.zero_()
    _tune(tuned, examples, seed)
    return tuned.eval()


def learned(
    encoder: EmgEncoder, offsets: Tensor, targets: Tensor | np.ndarray, shift: Tensor
) -> EmgEncoder:
    """A copy of an encoder, on its device, whose readouts learned a person's few recordings.

    offsets: (n, levels), see `EmgEncoder.offset`; targets: int (n,); shift: (n_shift,), the
    person's, see `EmgEncoder.zero`. A "deep" head reads no readout: such an encoder learns from
    whole recordings alone, see `calibrate`.
    """
    tuned = copy.deepcopy(encoder).cpu()
    before = tuned.center.clone()
    tuned.settle(shift.cpu())
    levels = (offsets.to(before) + before - tuned.center) / tuned.spread
    tuned.readouts.adapt(levels, torch.as_tensor(targets), tuned.config.confidence.temperature)
    return tuned.to(encoder.device).eval()


def _tune(encoder, examples, seed, steps=60, learning_rate=1e-3):
    """Fine-tune the network and the head on a few augmented recordings."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    training = EncoderTraining(seed=seed)
    settings = replace(training.augmentation, overall_db=1.0, gain_db=0.5, mixup=0.0)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=learning_rate)
    rows = torch.arange(len(examples))
    encoder.eval()  # too few recordings for batch statistics and dropout
    for _ in range(steps):
        with torch.no_grad():
            drawn = examples.draw(rows, training.segments, settings, encoder, generator)
        logits = (
            encoder.head(encoder.body(*encoder.tell(*drawn)))
            .unflatten(0, (len(rows), -1))
            .mean(dim=1)
        )
        loss = F.cross_entropy(logits, examples.targets, label_smoothing=training.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
