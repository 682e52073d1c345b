"""Writing answers with llama.cpp: the merged weights as a GGUF file, and a Writer that reads it.

It writes faster than PyTorch on a CPU (`benchmarks/writing.py`). The weights go there in 8 bits
(Q8_0); labels are still scored by PyTorch, in the precision of the calibration.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers.decoders import ByteLevel

from emg_llm.llms.loading import LlmError
from emg_llm.llms.writing import without_loops

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TINY = 20e6  # parameters
AT_ONCE = 2  # answers that are written side by side; each keeps the prompt that it read last
CONTEXT = 4096  # tokens of each
KEPT_MIB = 64  # of prompts that were read before these


def can_write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether llama.cpp is installed and gains something: not for tiny models, or on a GPU.

    `write_gguf` knows Llamas with plain rotary embeddings and byte-level tokenizers: TinyLlama's
    tokenizer, for one, is another.
    """
    if find_spec("xllamacpp") is None or model.config.model_type != "llama":
        return False
    plain = model.config.rope_parameters["rope_type"] == "default"
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    large = model.num_parameters() > TINY and model.device.type == "cpu"
    return plain and large and isinstance(decoder, ByteLevel)


def write_gguf(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, file: Path) -> None:
    """Save a Llama model with a byte-level BPE tokenizer as a GGUF file in 8 bits."""
    import gguf

    config = model.config
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, tokenizer, config.vocab_size)
    theirs = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = weight.float().numpy()
        if ".q_proj." in name or ".k_proj." in name:
            values = _interleaved(values, head_dim)
        stem, kind = name.rsplit(".", 1)
        writer.add_tensor(f"{theirs[stem]}.{kind}", *_in_8_bits(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer, tokenizer, n_rows):
    """The tokens by id; rows without one get a name that no text has."""
    from gguf import TokenType

    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    names = {i: token for token, i in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    kinds = {
        i: TokenType.CONTROL if t.special else TokenType.USER_DEFINED for i, t in added.items()
    }
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([names.get(i, f"<|unused_{i}|>") for i in range(n_rows)])
    writer.add_token_types([kinds.get(i, TokenType.NORMAL) for i in range(n_rows)])
    merges = whole["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)


def _interleaved(weight, head_dim):
    """Rows of queries or keys as llama.cpp rotates them: pairs side by side, not halves apart."""
    # (heads * head_dim, …) -> (heads, halves, pairs, …)
    rows = weight.reshape(-1, 2, head_dim // 2, *weight.shape[1:])
    return rows.swapaxes(1, 2).reshape(weight.shape)


def _in_8_bits(values):
    """(data, shape, type) for GGUFWriter.add_tensor; vectors and odd widths stay in 32 bits."""
    import gguf
    from gguf.quants import quantize

    if values.ndim < 2 or values.shape[1] % 32:
        return np.ascontiguousarray(values, np.float32), None, None
    kind = gguf.GGMLQuantizationType.Q8_0
    return quantize(np.ascontiguousarray(values, np.float32), kind), None, kind


class LlamaCppWriter:
    """Writes answers like `writing.Writer`, with llama.cpp.

    It keeps what it has read of the last prompts, so the next question about a recording is quick.
    room: tokens that a prompt and its answer may have together.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, threads: int
    ) -> None:
        import xllamacpp

        self.room = min(CONTEXT, model.config.max_position_embeddings)
        params = xllamacpp.CommonParams()
        params.n_parallel, params.n_ctx = AT_ONCE, AT_ONCE * self.room
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE  # the file is deleted
        params.cache_ram_mib, params.warmup, params.verbosity = KEPT_MIB, False, -1
        # It also listens on a port of this machine, which nobody else may use.
        params.endpoint_slots, params.api_keys = False, [secrets.token_hex()]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "model.gguf")
            write_gguf(model, tokenizer, file)
            params.model.path = str(file)
            self._server = xllamacpp.Server(params)

    def pieces(self, prompt: Sequence[int], max_new_tokens: int) -> Generator[str]:
        """The greedy answer to a prompt (token ids), piece by piece; closing it stops it.

        Raises LlmError where llama.cpp fails.
        """
        with closing(self.tokens(prompt, max_new_tokens)) as tokens:
            yield from without_loops(tokens)

    def tokens(self, prompt: Sequence[int], max_new_tokens: int) -> Generator[str]:
        """The text of each token, loops and all."""
        told: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        closed = Event()
        request = {"prompt": list(prompt), "n_predict": max_new_tokens, "temperature": 0}

        def write():
            def tell(event):
                told.put(event)
                return closed.is_set()  # True ends it

            try:
                self._server.handle_completions(request | {"stream": True}, tell)
            except Exception as error:
                told.put({"error": {"message": str(error)}})
            finally:
                told.put(None)

        Thread(target=write, daemon=True).start()
        try:
            yield from _texts(iter(told.get, None))
        finally:
            closed.set()


def _texts(events):
    """The text of each event of a completion."""
    for event in events:
        if "error" in event:
            raise LlmError(f"llama.cpp stopped: {event['error'].get('message', 'no reason given')}")
        if text := event["choices"][0]["text"]:
            yield text
