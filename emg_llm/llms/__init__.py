"""Language models that read EMG: registry, nano models, label scoring, chat, fine-tuning."""

import logging

# On a CPU it warns about a kernel for 4-bit weights, which are for GPUs.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
