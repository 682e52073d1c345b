"""Speed and memory of each way to write an answer with SmolLM2, each in a process of its own.

    python benchmarks/writing.py
    python benchmarks/writing.py --adapter runs/smollm2-135m --threads 1 2 4

For each runtime: seconds to the first word of a question about a new recording and of the next
question about it, with and without what was read before; tokens a second; and resident memory.
Times are of the clock and, in brackets, of the processor, on which other programs have less effect.
Without --adapter, a random one with 256 code tokens stands in.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

LLM = "smollm2-135m"
RUNTIMES = ("adapter", "merged", "merged-bfloat16", "merged-int8", "llama.cpp")
PROMPT, ANSWER, QUESTION = 300, 48, 25  # tokens


def writer_of(runtime, adapter, threads):
    """An object that writes with `tokens(ids, n)`."""
    import torch

    from emg_llm.llms.llama_cpp import LlamaCppWriter
    from emg_llm.llms.writing import Writer

    torch.set_num_threads(threads)
    model, tokenizer = tuned(adapter)
    if runtime != "adapter":
        model = model.merge_and_unload().eval()
    if runtime == "llama.cpp":
        return LlamaCppWriter(model, tokenizer, threads)
    if runtime == "merged-bfloat16":
        model = model.to(torch.bfloat16)
    if runtime == "merged-int8":
        from torch.ao.quantization import quantize_dynamic

        model = quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    return Writer(model, tokenizer, ())


def tuned(adapter):
    """(a PeftModel, its tokenizer)."""
    import torch
    from peft import PeftModel, get_peft_model

    from emg_llm.bridge.reading import code_token
    from emg_llm.llms.finetuning import lora_config
    from emg_llm.llms.loading import add_tokens, grow_embeddings, load_base, load_tokenizer
    from emg_llm.registry import REGISTRY

    model, tokenizer = load_base(LLM)
    if adapter:
        tokenizer = load_tokenizer(adapter)
        grow_embeddings(model, len(tokenizer))
        return PeftModel.from_pretrained(model, adapter).eval(), tokenizer
    spec = REGISTRY[LLM]
    add_tokens(model, tokenizer, [code_token(d, c) for d in range(4) for c in range(64)])
    shape = spec.lora_r, spec.lora_alpha, spec.lora_dropout
    model = get_peft_model(model, lora_config(model, tokenizer, spec.spelling, *shape))
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.01 * torch.randn(parameter.shape, generator=generator)
    return model.eval(), tokenizer


def measure(runtime, adapter, threads):
    """{figure: [seconds of the clock, of the processor], or bytes} of one runtime."""
    import numpy as np
    import psutil

    writer = writer_of(runtime, adapter, threads)
    rng = np.random.default_rng(0)
    prompt, question, other = (
        rng.integers(100, 40_000, n).tolist() for n in (PROMPT, QUESTION, PROMPT)
    )

    def written(ids, n=ANSWER):
        clock, cpu = time.perf_counter(), time.process_time()
        tokens = writer.tokens(ids, n)
        next(tokens)
        first = time.perf_counter() - clock, time.process_time() - cpu
        n_more = sum(1 for _ in tokens)
        rest = time.perf_counter() - clock - first[0], time.process_time() - cpu - first[1]
        return first, [n_more / seconds if n_more else 0.0 for seconds in rest]

    written(other, 2)  # compiles its kernels
    first, speed = written(prompt)
    following, _ = written([*prompt, *question])
    unkept, _ = written([*question, *prompt, *question])
    return {
        "first": first,
        "next": following,
        "next, nothing kept": unkept,
        "speed": speed,
        "memory": psutil.Process().memory_info().rss,
    }


def main(args):
    if args.measure:
        print(json.dumps(measure(args.measure, args.adapter, args.threads[0])))
        return
    print(f"{LLM}: prompts of {PROMPT} tokens, answers of {ANSWER}; load {os.getloadavg()[0]:.1f}")
    print("| runtime | threads | first word, s | next, s | nothing kept, s | tokens/s | GB |")
    print("|---|---|---|---|---|---|---|")
    for runtime in args.runtimes:
        for threads in args.threads:
            command = [sys.executable, str(Path(__file__).resolve()), "--measure", runtime]
            command += ["--threads", str(threads)]
            command += ["--adapter", args.adapter] if args.adapter else []
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=args.patience, check=True
                )
            except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
                lines = str(error.stderr or error).strip().splitlines()
                print(f"| {runtime} | {threads} | {lines[-1][:80]} | | | | |", flush=True)
                continue
            print(row(runtime, threads, json.loads(done.stdout.splitlines()[-1])), flush=True)


def row(runtime, threads, told):
    """A line of the table."""
    times = (
        f"{told[k][0]:.2f} ({told[k][1]:.2f})" for k in ("first", "next", "next, nothing kept")
    )
    speed = f"{told['speed'][0]:.1f} ({told['speed'][1]:.1f})"
    cells = runtime, threads, *times, speed, f"{told['memory'] / 1e9:.2f}"
    return f"| {' | '.join(map(str, cells))} |"


def make_parser():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--adapter", help="folder of an adapter for SmolLM2 (default: a random one)"
    )
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=list(RUNTIMES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--patience", type=float, default=600, help="seconds for each runtime")
    parser.add_argument("--measure", choices=RUNTIMES, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main(make_parser().parse_args())
