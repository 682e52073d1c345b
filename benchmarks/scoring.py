"""What it costs to score all labels, against one forward pass of the prompt and one reply.

    python benchmarks/scoring.py
    python benchmarks/scoring.py --bundle USER/emg-llm --repeats 200

All three are timed in turn on the same prompt, and medians are compared: the ratios hardly depend
on the machine. The reply is the greedy answer to the prompt, such as `Emotion: fear`.
"""

import argparse
import time

import numpy as np
import torch

import emg_llm


def costs(llm, prompt, repeats):
    """Median seconds of a forward pass of the prompt, of scoring the labels, of the reply."""
    chat = [{"role": "user", "content": prompt}]
    encoded = llm.tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    ).to(llm.model.device)
    ways = (
        lambda: llm.model(**encoded),
        lambda: llm.label_scores([prompt]),
        lambda: "".join(llm.reply(chat)),
    )
    times = np.empty((repeats, len(ways)))
    with torch.inference_mode():
        for row in range(-3, repeats):  # the first are to warm up
            for k, way in enumerate(ways):
                start = time.perf_counter()
                way()
                if llm.model.device.type == "cuda":
                    torch.cuda.synchronize()
                times[row, k] = time.perf_counter() - start
    return np.median(times, axis=0), encoded["input_ids"].shape[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", help="folder or Hub id (default: the one that ships)")
    parser.add_argument("--repeats", type=int, default=50, help="how often each is timed")
    args = parser.parse_args()
    pipeline = emg_llm.EmotionPipeline.from_pretrained(args.bundle)
    recording = emg_llm.read_recording(next(iter(pipeline.samples.values())))
    for name in pipeline.llms:
        llm = pipeline.llm(name)
        prompt = llm.bridge.read(recording).prompt()
        (forward, score, reply), n_tokens = costs(llm, prompt, args.repeats)
        print(
            f"{name}: {n_tokens} tokens, {len(llm.labels)} labels; a forward pass "
            f"{1e3 * forward:.1f} ms, scoring {1e3 * score:.1f} ms ({score / forward:.2f} times), "
            f"the reply {1e3 * reply:.1f} ms ({reply / score:.1f} times the scoring)",
            flush=True,
        )


if __name__ == "__main__":
    main()
