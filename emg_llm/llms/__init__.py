"""Language models that read EMG: registry, nano models, label scoring, chat, fine-tuning."""

import logging

# On a CPU it warns that a kernel for 4-bit weights is missing.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
