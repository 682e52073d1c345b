"""Cost of scoring all labels, relative to a forward pass of the prompt and to written answers.

    python benchmarks/scoring.py
    python benchmarks/scoring.py --bundle USER/emg-llm --repeats 200

Times all of them in turn on the same prompt and compares medians: the ratios hardly depend on the
machine. The label is the greedy answer to the prompt, such as `Emotion: fear`, a handful of tokens;
the answer is the chat's reply to "Why?", which states what was measured.
"""

import argparse
import time

import numpy as np
import torch

import emg_llm
from emg_llm.bridge.reading import Reading
from emg_llm.chat.turns import Chat
from emg_llm.llms.model import EmgLLM


def costs(llm: EmgLLM, reading: Reading, repeats: int):
    """Median seconds of a forward pass of the prompt, of scoring, of the label, of the answer."""
    chat = Chat(reading)
    asked = Chat(reading, llm.labels[0]).asked("Why?")
    encoded = llm.tokenizer.apply_chat_template(
        llm.spelled(chat), add_generation_prompt=True, return_dict=True, return_tensors="pt"
    ).to(llm.model.device)
    ways = (
        lambda: llm.model(**encoded),
        lambda: llm.label_scores([reading]),
        lambda: "".join(llm.reply(chat)),
        lambda: "".join(llm.reply(asked)),
    )
    times = np.empty((repeats, len(ways)))
    with torch.inference_mode():
        for row in range(-3, repeats):  # the first three are warm-up
            for k, way in enumerate(ways):
                start = time.perf_counter()
                way()
                if llm.model.device.type == "cuda":
                    torch.cuda.synchronize()
                times[row, k] = time.perf_counter() - start
    return np.median(times, axis=0), encoded["input_ids"].shape[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", help="folder or Hub id (default: the shipped one)")
    parser.add_argument("--repeats", type=int, default=50, help="timed runs of each")
    args = parser.parse_args()
    pipeline = emg_llm.EmotionPipeline.from_pretrained(args.bundle)
    recording = emg_llm.simulate("anger", seed=1000)
    for name in pipeline.llms:
        llm = pipeline.llm(name)
        reading = llm.bridge.read(recording)
        (forward, score, label, answer), n_tokens = costs(llm, reading, args.repeats)
        print(
            f"{name}: {n_tokens} tokens, {len(llm.labels)} labels; a forward pass "
            f"{1e3 * forward:.1f} ms, scoring {1e3 * score:.1f} ms ({score / forward:.2f} times), "
            f"writing the label {1e3 * label:.1f} ms ({label / score:.1f} times the scoring), "
            f"an answer {1e3 * answer:.1f} ms ({answer / score:.1f} times)",
            flush=True,
        )


if __name__ == "__main__":
    main()
