"""What several models say of one recording."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Prediction:
    """The models' predictions for one recording.

    label: has the highest mean probability over the language models, or over all models if no
    language model answers; None where the emotion is withheld. withheld: the sentence of why, or
    "". probabilities: model -> label -> probability; empty where withheld. tokens: language model
    -> the codes in its prompt. prompts: language model -> its prompt. warnings: sentences. sets:
    model -> the labels that it can't rule out, likeliest first; MEAN is that of the language
    models together. Without calibration people a model has no sets.
    """

    label: str | None
    probabilities: dict[str, dict[str, float]]
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    withheld: str = ""
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)
