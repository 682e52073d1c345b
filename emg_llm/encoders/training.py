"""Training of encoders; a recording is one example, however many segments it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from emg_llm.data.processes import device, is_main
from emg_llm.encoders import build_encoder
from emg_llm.encoders.augmentation import Augmentation, mix
from emg_llm.encoders.base import EmgEncoder, EncoderConfig
from emg_llm.encoders.examples import Examples, Fronts
from emg_llm.encoders.familiar import fit_familiar
from emg_llm.encoders.readouts import PATHS, lead
from emg_llm.evaluation.confidence import Confidence, fit_temperature
from emg_llm.signal.missing import MOST_MISSING

LOSSES = ("cross_entropy", "focal")
LEADS = ("auto", *PATHS)
FOCAL_GAMMA, FOCAL_ALPHA = 2.0, 0.25  # Lin et al., ICCV 2017, and the original project


@dataclass
class EncoderTraining:
    """Settings for `fit_encoder`."""

    epochs: int = 60
    stop: int | None = None  # after this epoch of the schedule
    batch_size: int = 32  # recordings
    segments: int = 1  # drawn per recording
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    loss: str = "cross_entropy"
    patience: int = 30  # epochs without improvement of the validation loss
    augmentation: Augmentation = field(default_factory=Augmentation)
    lead: str = "auto"  # the path that the head reads, one of LEADS
    folds: int = 3  # over the training people, to choose the path without validation people
    seed: int = 0


class CheckpointError(ValueError):
    """A checkpoint that training can't resume from; the text says what to do."""


def fit_encoder(
    config: EncoderConfig,
    inputs: Fronts | Sequence,
    targets: np.ndarray,
    validation: tuple | None = None,
    training: EncoderTraining | None = None,
    progress: bool = True,
    groups: np.ndarray | None = None,
    folder: str | Path | None = None,
    log: Callable[[dict, int], None] | None = None,
    calibration: tuple | None = None,
    fitted_on: str = "",
) -> EmgEncoder:
    """A trained encoder, at its best epoch on the validation people if there are any.

    inputs, targets, groups: see Examples; validation: (inputs, targets) or (inputs, targets,
    groups) of other people; calibration: the same of the people, named `fitted_on`, that the
    confidence is fitted to; without them the temperature is fitted to those that chose the path.
    folder: for a checkpoint after every epoch; an interrupted run resumes from it with the same
    result. log(figures, epoch) receives the loss and accuracy of every epoch. Raises
    CheckpointError if the folder holds another run's checkpoint.
    """
    training = training or EncoderTraining()
    config.lead, config.confidence = "deep", Confidence()
    encoder = build_encoder(config)
    train = Examples(encoder, inputs, targets, groups)
    held = Examples(encoder, *validation) if validation is not None else None
    encoder, run = _fit(config, train, held, training, progress, folder, log)
    path = training.lead
    if held is not None or path == "auto":
        if held is None:
            judged, scores = train, left_out(config, train, training, progress)
        else:
            judged, scores = held.each(), ways(encoder, held.each())
        if path == "auto":
            path = PATHS[lead(scores, judged.targets, judged.people)]
        config.confidence = Confidence(fit_temperature(scores[PATHS.index(path)], judged.targets))
    encoder.follow(path)
    fit_familiar(
        encoder.familiar,
        train.fronts,
        train.people,
        None if held is None else held.fronts,
        training.folds,
        training.seed,
    )
    if calibration is not None:
        others = Examples(encoder, *calibration)
        others.shift_to_people(encoder)
        others = others.each()
        of = others.logits(encoder).numpy(), others.targets.numpy(), others.people
        fitted = Confidence.fit(*of, fitted_on, known=encoder.known_in(others.shifts[0]))
        config.confidence = sure_without_sites(encoder, others, fitted, training.seed)
    encoder.config.confidence, encoder.epochs = config.confidence, run.chosen
    run.forget()
    return encoder


def sure_without_sites(
    encoder: EmgEncoder, examples: Examples, confidence: Confidence, seed: int = 0
) -> Confidence:
    """How sure the encoder may be without some sites, from people outside its training."""
    counts = range(1, 1 + min(MOST_MISSING, encoder.config.n_channels // 2))
    if not counts:
        return confidence
    scores = np.concatenate([examples.lacking(n, seed).logits(encoder).numpy() for n in counts])
    targets = np.tile(examples.targets.numpy(), len(counts))
    known = np.tile(encoder.known_in(examples.shifts[0]), len(counts))
    return confidence.with_missing(scores, targets, np.repeat(counts, len(examples)), known)


def fit_readouts(config: EncoderConfig, examples: Examples, path: str, seed: int = 0) -> EmgEncoder:
    """An encoder that reads by one readout alone, with a network that isn't trained.

    Training people left out choose the temperature.
    """
    training = EncoderTraining(epochs=0, seed=seed)
    scores = left_out(config, examples, training)[PATHS.index(path)]
    encoder, _ = _fit(config, examples, None, training, False)
    temperature = fit_temperature(scores, examples.targets)
    encoder.config.confidence = Confidence(temperature)
    encoder.follow(path)
    return encoder


def left_out(
    config: EncoderConfig, examples: Examples, training: EncoderTraining, progress: bool = False
) -> np.ndarray:
    """The scores of each path (paths, n, labels), cross-validated over folds of people."""
    from sklearn.model_selection import GroupKFold

    people = examples.people
    if len(np.unique(people)) < 2:
        people = np.arange(len(examples))
    scores = np.zeros((len(PATHS), len(people), len(config.labels)))
    folds = GroupKFold(min(training.folds, len(np.unique(people))))
    for others, mine in folds.split(people, groups=people):
        encoder, _ = _fit(config, examples.take(others), None, training, progress)
        others = examples.take(mine)
        others.shift_to_people(encoder)
        scores[:, mine] = ways(encoder, others.mixed(training.seed))
    return scores


def ways(encoder: EmgEncoder, examples: Examples) -> np.ndarray:
    """The scores of each path: float (paths, n, labels)."""
    scores = encoder.ways(examples.embeddings(encoder))
    return np.stack([scores[path].numpy() for path in PATHS])


def _fit(config, train, held, training, progress, folder=None, log=None):
    """(an encoder with trained network and fitted readouts, its run)."""
    torch.manual_seed(training.seed)
    encoder = build_encoder(config)
    train.fit_scale(encoder)
    judged = None
    if held is not None:
        held.shift_to_people(encoder)
        judged = held.each()
    state = _Run(encoder, training, len(train), folder)
    bar = tqdm(
        range(state.epoch, training.stop or training.epochs),
        initial=state.epoch,
        total=training.stop or training.epochs,
        desc="encoder",
        unit="epoch",
        disable=not (progress and is_main()),
    )
    for epoch in bar:
        figures = dict(zip(("loss", "accuracy"), state.train_epoch(epoch, train), strict=True))
        if judged is not None:
            validated = state.validate(judged, epoch + 1)
            figures |= zip(("val_loss", "val_accuracy"), validated, strict=True)
        bar.set_postfix({name: f"{figure:.3f}" for name, figure in figures.items()})
        if log is not None:
            log(figures, epoch + 1)
        state.keep(epoch + 1)
        if judged is not None and state.stale >= training.patience:
            break
    encoder = state.best()
    train = train.mixed(training.seed)
    encoder.readouts.fit(*train.levels(encoder), training.seed)
    encoder.deep_width = float(train.logits(encoder).std().clamp_min(1e-6))
    encoder.follow("deep")
    return encoder, state


class _Run:
    """The state of a training run: weights, optimiser, schedule and the best epoch so far."""

    def __init__(
        self, encoder: EmgEncoder, training: EncoderTraining, n: int, folder: str | Path | None
    ) -> None:
        self.encoder, self.training = encoder.to(device()), training
        self.file = Path(folder) / "checkpoint.pt" if folder else None
        self.what = f"{encoder.config} {training} {n} recordings"
        self.optimizer = torch.optim.AdamW(
            encoder.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            training.learning_rate,
            total_steps=max(1, training.epochs * -(-n // training.batch_size)),
            pct_start=0.15,
        )
        self.epoch, self.least, self.stale, self.weights = 0, float("inf"), 0, None
        self.chosen = training.stop or training.epochs  # the best epoch, or the last
        if self.file and self.file.exists():
            self._load()

    def train_epoch(self, epoch, examples):
        """One pass over the augmented data: (loss, accuracy).

        Its random numbers depend only on the seed and the epoch's number.
        """
        training, encoder = self.training, self.encoder.train()
        generator = torch.Generator().manual_seed(1_000_003 * (training.seed + 1) + epoch)
        torch.manual_seed(1_000_003 * (training.seed + 1) + epoch)
        batches = examples.batches(training.batch_size, generator)
        steps = [self._step(encoder, examples, rows, generator) for rows in batches]
        return np.mean(steps, axis=0).tolist()

    def _step(self, encoder, examples, rows, generator):
        training = self.training
        n_labels = len(encoder.config.labels)
        with torch.no_grad():
            drawn = examples.draw(
                rows, training.segments, training.augmentation, encoder, generator
            )
            targets = F.one_hot(examples.targets[rows], n_labels).float().to(encoder.device)
            if training.augmentation.mixup:
                drawn = [v.unflatten(0, (len(rows), training.segments)) for v in drawn]
                drawn, targets = mix(drawn, targets, training.augmentation.mixup, generator)
                drawn = [v.flatten(0, 1) for v in drawn]
        inputs = encoder.tell(*drawn)
        with torch.autocast("cuda", torch.bfloat16, enabled=device() == "cuda"):
            logits = encoder.head(encoder.body(*inputs)).float()
        logits = logits.unflatten(0, (len(rows), training.segments)).mean(dim=1)
        loss = loss_of(logits, targets, training)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        return loss.item(), (logits.argmax(1) == targets.argmax(1)).float().mean().item()

    def validate(self, held, epoch):
        """(loss, accuracy) on the validation people; keeps the weights of the best epoch."""
        logits = held.logits(self.encoder.eval())
        loss = F.cross_entropy(logits, held.targets).item()
        self.stale += 1
        if loss < self.least:
            self.least, self.stale, self.chosen = loss, 0, epoch
            self.weights = {k: v.detach().clone() for k, v in self.encoder.state_dict().items()}
        return loss, (logits.argmax(1) == held.targets).float().mean().item()

    def best(self):
        """The encoder at its best epoch; ends the training."""
        if self.weights is not None:
            self.encoder.load_state_dict(self.weights)
        return self.encoder.eval().cpu()

    def keep(self, epoch):
        if self.file and is_main():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            partial = self.file.with_suffix(".partial")
            torch.save(
                {
                    "what": self.what,
                    "epoch": epoch,
                    "least": self.least,
                    "stale": self.stale,
                    "chosen": self.chosen,
                    "weights": self.weights,
                    "encoder": self.encoder.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "schedule": self.schedule.state_dict(),
                },
                partial,
            )
            partial.replace(self.file)  # atomic: a stop never leaves half a checkpoint

    def forget(self):
        if self.file and is_main():
            self.file.unlink(missing_ok=True)

    def _load(self):
        try:  # weights_only: unpickles nothing but tensors and plain values
            kept = torch.load(self.file, "cpu", weights_only=True)
            # The center is the mean over the training recordings, so it identifies the data.
            same = kept["what"] == self.what and torch.allclose(
                kept["encoder"]["center"], self.encoder.center.cpu(), atol=1e-3
            )
            if same:
                self.epoch, self.least, self.stale = kept["epoch"], kept["least"], kept["stale"]
                self.weights, self.chosen = kept["weights"], kept["chosen"]
                self.encoder.load_state_dict(kept["encoder"])
                self.optimizer.load_state_dict(kept["optimizer"])
                self.schedule.load_state_dict(kept["schedule"])
        except Exception:  # a damaged or foreign file can raise anything
            raise CheckpointError(
                f"{self.file} is damaged or not a checkpoint of this training; delete it to train "
                "from the start, or choose another --output_dir."
            ) from None
        if not same:
            raise CheckpointError(
                f"{self.file} is from a run with other settings or data; repeat that command to "
                "finish it, delete the file to start over, or choose another --output_dir."
            )


def loss_of(logits: Tensor, targets: Tensor, training: EncoderTraining) -> Tensor:
    """Mean loss of logits (n, labels) for label shares (n, labels)."""
    if training.loss == "focal":
        probability = torch.softmax(logits, dim=1)
        weight = FOCAL_ALPHA * (1 - probability) ** FOCAL_GAMMA
        return -(weight * targets * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    return F.cross_entropy(logits, targets, label_smoothing=training.label_smoothing)
