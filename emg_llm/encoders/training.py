"""Fitting an encoder on recordings; every recording is one example, however many segments."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from emg_llm.calibration import fit_temperature
from emg_llm.encoders import build_encoder


@dataclass
class EncoderTraining:
    """How an encoder is fitted."""

    epochs: int = 20
    batch_size: int = 32  # recordings
    segments: int = 4  # drawn from each recording
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    gain_db: float = 3.0  # augmentation: electrode gain, standard deviation
    seed: int = 0


def device():
    return "cuda" if torch.cuda.is_available() else "cpu"


def fit_encoder(config, tensors, targets, validation=None, training=None, progress=True):
    """A trained encoder, at its best epoch on the validation people where there are any.

    tensors: list of float32 (n_segments, length, features), one for each recording;
    targets: int (n,); validation: (tensors, targets) of other people.
    """
    training = training or EncoderTraining()
    torch.manual_seed(training.seed)
    rng = np.random.default_rng(training.seed)
    encoder = build_encoder(config).to(device())
    optimizer = torch.optim.AdamW(
        encoder.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    steps = training.epochs * -(-len(tensors) // training.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, training.learning_rate, total_steps=steps, pct_start=0.15
    )
    best, best_state = (np.inf,), None
    bar = tqdm(range(training.epochs), desc="encoder", unit="epoch", disable=not progress)
    for _ in bar:
        encoder.train()
        losses = []
        order = rng.permutation(len(tensors))
        for start in range(0, len(order), training.batch_size):
            rows = order[start : start + training.batch_size]
            x = draw_segments([tensors[i] for i in rows], training, config.n_channels, rng)
            x = torch.from_numpy(x).to(device())  # (recordings, segments, length, features)
            _, logits = encoder(x.flatten(0, 1))
            logits = logits.unflatten(0, x.shape[:2]).mean(dim=1)
            target = torch.as_tensor(targets[rows], device=device())
            loss = F.cross_entropy(logits, target, label_smoothing=training.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        figures = {"loss": f"{np.mean(losses):.3f}"}
        if validation is not None:
            encoder.eval()
            logits = recording_logits(encoder, validation[0])
            now = F.cross_entropy(logits, torch.as_tensor(validation[1])).item()
            accuracy = (logits.argmax(1).numpy() == validation[1]).mean()
            figures |= {"val_loss": f"{now:.3f}", "val_acc": f"{accuracy:.3f}"}
            if now < best[0]:
                best = (now,)
                best_state = {k: v.clone() for k, v in encoder.state_dict().items()}
        bar.set_postfix(figures)
    if best_state is not None:
        encoder.load_state_dict(best_state)
        config.temperature = fit_temperature(
            recording_logits(encoder.eval(), validation[0]), validation[1]
        )
    return encoder.eval().cpu()


def recording_embeddings(encoder, tensors):
    """float32 tensor (recordings, embedding_dim): each recording's mean over its segments."""
    return torch.stack([encoder.encode(t) for t in tensors])


def recording_logits(encoder, tensors):
    with torch.inference_mode():
        return encoder.head(recording_embeddings(encoder, tensors)).cpu()


def draw_segments(tensors, training, n_channels, rng):
    """Random segments of each recording under random gains: (recordings, segments, …)."""
    drawn = [t[rng.integers(len(t), size=training.segments)] for t in tensors]
    x = np.stack(drawn)
    gain = 10 ** (training.gain_db / 20 * rng.standard_normal((len(x), 1, 1, n_channels)))
    x[..., :n_channels] *= gain.astype(np.float32)
    return x
