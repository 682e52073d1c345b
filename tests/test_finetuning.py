import itertools
import re

import numpy as np
import pytest
import torch

from emg_llm.bridge.reading import NO_EMG, Reading
from emg_llm.bridge.text import Text
from emg_llm.chat.conversations import conversation
from emg_llm.chat.turns import share_gpt
from emg_llm.evaluation.confidence import Confidence
from emg_llm.llms.finetuning import calibrate, lora_config, make_trainer, sft_defaults
from emg_llm.llms.loading import LlmError, load_base
from emg_llm.llms.model import EmgLLM
from emg_llm.llms.nano import N_CODES, N_DEPTHS, corpus
from emg_llm.llms.sft_data import IGNORED, first_label, load_rows, reading_of

LABELS = ("anger", "anxiety", "fear", "happiness")
PROMPTS = ["EMG features: none", "EMG features: <emg_0_3><emg_1_17>, jaw +12, cheek -3, SNR +15"]


@pytest.fixture(scope="module")
def rows():
    """Four pairs of codes for each of four labels; the first code says which."""
    rng = np.random.default_rng(0)
    found = []
    for i, second in itertools.product(range(4), range(4)):
        reading = Reading(codes=(i, second))
        found.append(
            {
                "messages": conversation(reading, LABELS[i], rng).turns,
                "label": LABELS[i],
                "split": "train",
            }
        )
    return found


def trainer_for(nano_folder, rows, folder, validation=None, dropout=0.0, **settings):
    from trl import SFTConfig

    model, tokenizer = load_base(str(nano_folder))
    defaults = sft_defaults("nano-llama2") | {
        "save_strategy": "no",
        "learning_rate": 5e-3,
        "lr_scheduler_type": "constant_with_warmup",
        "per_device_train_batch_size": 16,
        "disable_tqdm": True,
    }
    args = SFTConfig(output_dir=str(folder), **(defaults | settings))
    peft_config = lora_config(model, tokenizer, dropout=dropout)
    return make_trainer(model, tokenizer, rows, args, peft_config, validation)


@pytest.fixture(scope="module")
def tuned(nano_folder, rows, tmp_path_factory):
    """(fine-tuned EmgLLM, its trainable weights before and after, all others before and after)"""
    trainer = trainer_for(nano_folder, rows, tmp_path_factory.mktemp("tuned"), max_steps=200)
    parameters = dict(trainer.model.named_parameters())
    before = {n: (p.requires_grad, p.detach().clone()) for n, p in parameters.items()}
    trainer.train()
    tuned = EmgLLM("nano", trainer.model, trainer.processing_class, LABELS, None)
    return tuned, before, dict(trainer.model.named_parameters())


def test_the_loss_is_on_the_answers_and_their_end_alone(nano_folder, tmp_path):
    found = []
    rng = np.random.default_rng(3)
    for messages in itertools.islice(corpus(10, rng), 10):
        found.append({"conversations": share_gpt(messages)})
    trainer = trainer_for(nano_folder, found, tmp_path, max_steps=1)
    assert len(trainer.train_dataset) == len(found)
    tokenizer = trainer.processing_class
    for row, tokenised in zip(found, trainer.train_dataset, strict=True):
        batch = trainer.data_collator([tokenised])
        ids, labels = batch["input_ids"][0], batch["labels"][0]
        learned = labels != IGNORED
        assert (labels[learned] == ids[learned]).all()
        turns = row["conversations"]
        answers = [t["value"] + tokenizer.eos_token for t in turns if t["from"] == "gpt"]
        assert len(answers) > 1
        assert tokenizer.decode(labels[learned]) == "".join(answers)
        asked = "".join(
            f"<|user|>\n{t['value']}</s>\n<|assistant|>\n" for t in turns if t["from"] == "human"
        ).replace("<|assistant|>\n<|user|>", "<|assistant|>\n\n<|user|>")
        assert tokenizer.decode(ids[~learned & (ids != tokenizer.pad_token_id)]) == asked


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_step_is_the_one_that_bare_trl_makes(nano_folder, rows, tmp_path, dropout):
    """Merged projections, eager attention, logits of answers alone: the same loss and gradient."""
    from trl import SFTTrainer

    trainer = trainer_for(nano_folder, rows, tmp_path, dropout=dropout, bf16=False, max_steps=2)
    gradients = []
    batch = trainer.data_collator([trainer.train_dataset[i] for i in (0, 5, 9)])
    whole = type(trainer).mro()[1]
    assert whole is SFTTrainer
    for step in (whole.compute_loss, type(trainer).compute_loss):
        torch.manual_seed(3)
        trainer.model.zero_grad()
        loss = step(trainer, trainer.model, dict(batch), num_items_in_batch=40)
        loss.backward()
        named = trainer.model.named_parameters()
        gradients.append([loss, *(p.grad.clone() for _, p in named if p.grad is not None)])
    assert len(gradients[0]) == 2 * 7 * 2 + 2
    for theirs, ours in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_projection_and_its_adapter_are_multiplied_as_one_only_without_dropout(
    nano_folder, rows, tmp_path
):
    from peft.tuners.lora import Linear
    from transformers import TrainerCallback

    class Compare(TrainerCallback):
        def on_step_begin(self, *_, **__):
            for module in modules:
                if "forward" in vars(module):
                    x = torch.randn(3, 5, module.in_features)
                    apart = type(module).forward(module, x)
                    torch.testing.assert_close(module(x), apart, atol=1e-4, rtol=1e-4)
                    as_one.append(module)

    for dropout in (0.0, 0.1):
        trainer = trainer_for(nano_folder, rows, tmp_path, dropout=dropout, max_steps=1)
        modules, as_one = [m for m in trainer.model.modules() if isinstance(m, Linear)], []
        assert len(modules) == 7 * 2
        for module in modules:
            torch.nn.init.normal_(module.lora_B["default"].weight)
        trainer.add_callback(Compare())
        trainer.train()
        assert as_one == ([] if dropout else modules)
        assert not any("forward" in vars(m) for m in modules)
        assert trainer.model.config._attn_implementation == "sdpa"


@pytest.mark.slow
def test_fine_tuning_changes_every_lora_matrix_and_the_code_rows_and_nothing_else(tuned, rows):
    llm, before, after = tuned
    trainable = {name for name, (trains, _) in before.items() if trains}
    lora = {name for name in trainable if "lora_" in name}
    assert len(lora) == 2 * 7 * 2  # A and B of seven projections in two layers
    [codes] = trainable - lora
    for name, (trains, old) in before.items():
        assert torch.equal(old, after[name].detach()) != trains, name

    # Of the codes' rows, those change that were read.
    changed = (before[codes][1] != after[codes].detach()).any(dim=1)
    vocabulary = llm.tokenizer.get_vocab()
    tokens = sorted(i for t, i in vocabulary.items() if re.fullmatch(r"<emg_\d+_\d+>", t))
    assert len(tokens) == len(changed) == N_DEPTHS * N_CODES
    used = {t for r in rows for t in re.findall(r"<emg_\d+_\d+>", reading_of(r).prompt())}
    assert {tokens[i] for i in torch.nonzero(changed).flatten()} == {vocabulary[t] for t in used}


@pytest.mark.slow
def test_an_llm_learns_pairs_of_codes_and_label_and_reads_them_from_the_prompt(tuned, rows):
    llm, *_ = tuned
    truth = np.array([LABELS.index(r["label"]) for r in rows])
    p = llm.probabilities([reading_of(r) for r in rows])
    assert (p.argmax(axis=1) == truth).all()
    # The head is random and does not train, so nothing can be very sure; chance is 0.25.
    assert p[np.arange(len(truth)), truth].min() > 0.33

    rng = np.random.default_rng(0)
    shuffled = [np.mean(p[rng.permutation(len(p))].argmax(axis=1) == truth) for _ in range(200)]
    assert np.mean(shuffled) == pytest.approx(1 / 4, abs=0.05)
    silent = llm.probabilities([NO_EMG] * len(rows)).argmax(axis=1)
    assert np.mean(silent == truth) == 1 / 4  # the same answer for all


@pytest.mark.slow
def test_a_reloaded_adapter_gives_the_same_probabilities(tuned, nano_folder, people, tmp_path):
    llm, *_ = tuned
    bridge = Text.fit(people, range(12))
    saved = EmgLLM("nano", llm.model, llm.tokenizer, LABELS, bridge, Confidence(1.7))
    saved.save_adapter(tmp_path, base=str(nano_folder))
    again = EmgLLM.from_pretrained(tmp_path)
    assert (again.name, again.labels, again.confidence) == ("nano", LABELS, Confidence(1.7))
    told = [Reading(given=p) for p in (*PROMPTS, "EMG features: <emg_0_1><emg_1_2>")]
    np.testing.assert_allclose(again.probabilities(told), saved.probabilities(told), atol=1e-5)
    recording = people.recordings[5]
    np.testing.assert_allclose(again(recording), saved(recording), atol=1e-5)
    assert again.bridge.read(recording) == bridge.read(recording)
    files = {f.name for f in tmp_path.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= files
    assert not any(f.endswith((".bin", ".pt", ".pkl")) for f in files)


@pytest.mark.slow
def test_prior_and_temperature_are_those_of_the_validation_rows(tuned, rows):
    llm, *_ = tuned

    def calibrated(on):
        other = EmgLLM("nano", llm.model, llm.tokenizer, LABELS, None)
        calibrate(other, on, "validation people")
        return other

    assert calibrated([]).confidence == Confidence()
    right = calibrated(rows)
    assert right.confidence.temperature < 1  # all are right: it may be surer
    assert right.confidence.fitted_on == "validation people"
    readings = [reading_of(r) for r in rows]
    mean = right.probabilities(readings).mean(axis=0)
    np.testing.assert_allclose(mean, 0.25, atol=0.06)  # as often as they are there
    wrong = [r | {"label": LABELS[3 - LABELS.index(r["label"])]} for r in rows]
    assert calibrated(wrong).confidence.temperature > 2


def test_rows_are_loaded_from_share_gpt_files(tmp_path, rows):
    import json

    path = tmp_path / "mine.jsonl"
    path.write_text(
        "".join(json.dumps({"conversations": share_gpt(r["messages"])}) + "\n" for r in rows)
    )
    parts, info = load_rows(path)
    assert [reading_of(r) for r in parts["train"]] == [reading_of(r) for r in rows]
    assert [first_label(r) for r in parts["train"]] == [r["label"] for r in rows]
    assert info["labels"] == sorted(LABELS) and info["bridge"] is None
    path.write_text(
        "".join(
            json.dumps({"conversations": share_gpt(r["messages"]), "split": split}) + "\n"
            for r, split in zip(rows, ["train", "test", None, "validation"] * 4, strict=True)
        )
    )
    parts, _ = load_rows(path)
    assert {part: len(found) for part, found in parts.items()} == {
        **{"train": 8, "test": 4, "validation": 4}
    }
    assert parts["test"][0]["label"] == rows[1]["label"]
    path.write_text(path.read_text().replace('"test"', '"exam"'))
    with pytest.raises(LlmError, match="Unknown split 'exam'"):
        load_rows(path)
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "hello"}\n')
    with pytest.raises(LlmError, match="column 'conversations'"):
        load_rows(other)


@pytest.mark.slow
def test_fine_tuning_ends_with_the_checkpoint_that_validation_people_prefer(
    nano_folder, rows, tmp_path
):
    # People of whom the opposite is true: the more is learned, the worse they are read.
    turned = dict(zip(LABELS, LABELS[1:] + LABELS[:1], strict=True))
    validation = [
        {"messages": [r["messages"][0], {"role": "assistant", "content": f"Emotion: {label}"}]}
        for r in rows
        for label in [turned[r["label"]]]
    ]
    saving = {"save_strategy": "steps", "save_steps": 30, "max_steps": 120, "learning_rate": 5e-2}
    trainer = trainer_for(nano_folder, rows, tmp_path, validation, **saving)
    trainer.train()
    asked = [r["eval_loss"] for r in trainer.state.log_history if "eval_loss" in r]
    assert len(asked) == 4 and np.argmin(asked) < 3
    best = tmp_path / f"checkpoint-{30 * (1 + int(np.argmin(asked)))}"
    assert trainer.state.best_model_checkpoint == str(best)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(asked), rel=1e-3)
