"""Which language models are known by name, and how each is best fine-tuned."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LlmSpec:
    """base: a folder in the bundle, or a Hub id. training: defaults of `train/sft.py`."""

    base: str
    training: dict = field(default_factory=dict)


NANO_TRAINING = {
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 32,
    "num_train_epochs": 3,
    "activation_checkpointing": False,
    "max_length": 512,
}
REGISTRY = {
    name: LlmSpec(f"bundle:llms/{name}", NANO_TRAINING)
    for name in ("nano-llama2", "nano-phi3", "nano-llama3")
}


def base_path(name):
    """Where the weights of a registered name, a folder or a Hub id are loaded from."""
    from emg_llm.hub import bundle_folder

    base = REGISTRY[name].base if name in REGISTRY else str(name)
    if base.startswith("bundle:"):
        return str(bundle_folder() / base.removeprefix("bundle:"))
    return base
