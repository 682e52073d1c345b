import itertools
import re

import numpy as np
import pytest
import torch

from emg_llm.bridge import Bridge, Reading, code_token, site_name
from emg_llm.conversations import conversation, share_gpt
from emg_llm.features import LevelScale
from emg_llm.llms.finetuning import (
    first_label,
    first_prompt,
    load_rows,
    lora_config,
    make_trainer,
    sft_defaults,
    to_examples,
    validation_temperature,
)
from emg_llm.llms.model import SCORING_BATCH, EmgLLM, LlmError, load_base
from emg_llm.llms.nano import LEVELS, MAX_LEVEL, N_CODES, N_DEPTHS, build_model, corpus
from emg_llm.recording import EMOTIONS, MONTAGE

LABELS = ("anger", "anxiety", "fear", "happiness")
PROMPTS = [
    "EMG features: none",
    "EMG features: <emg_0_3><emg_1_17>, jaw +12, cheek -3, SNR +15",
    "EMG features: <emg_0_63><emg_1_0><emg_2_5><emg_3_9>",
    "EMG features: above eye +1, below eye -40, forehead +0, cheek +33, jaw -7, SNR -2",
]


@pytest.fixture(scope="module")
def llm(nano_folder):
    model, tokenizer = load_base(str(nano_folder))
    return EmgLLM("nano", model, tokenizer, (*LABELS, "fear of anger"), None)


@pytest.fixture(scope="module")
def rows():
    """Four pairs of codes for each of four labels; the first code says which."""
    rng = np.random.default_rng(0)
    found = []
    for i, second in itertools.product(range(4), range(4)):
        reading = Reading(codes=(i, second))
        found.append(
            {
                "messages": conversation(reading, LABELS[i], rng),
                "label": LABELS[i],
                "split": "train",
            }
        )
    return found


def trainer_for(nano_folder, rows, folder, validation=None, **settings):
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
    peft_config = lora_config(tokenizer, dropout=0.0)
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


# The tokenizer


def test_levels_sites_and_codes_are_one_token_each_and_decode_back(llm):
    levels = [f" {v:+d}" for v in range(-MAX_LEVEL, MAX_LEVEL + 1)]
    sites = [f" {site_name(site)}" for site in MONTAGE]
    codes = [code_token(d, c) for d in range(N_DEPTHS) for c in range(N_CODES)]
    seen = set()
    for text in levels + sites + codes:
        [token] = llm.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert llm.tokenizer.decode([token]) == text
        seen.add(token)
    assert len(seen) == len(levels) + len(sites) + len(codes)
    assert llm.tokenizer.unk_token_id not in seen


def test_numbers_stay_one_token_inside_a_prompt(llm):
    text = "EMG features: <emg_0_63><emg_1_6>, above eye +1, jaw +12, cheek -40, SNR +0"
    tokens = llm.tokenizer.tokenize(text)
    for piece in ("<emg_0_63>", "<emg_1_6>", " +1", " +12", " -40", " +0"):
        assert tokens.count(piece) == 1


def test_the_tokenizer_knows_every_level_that_a_scale_gives():
    assert LevelScale.LIMIT == MAX_LEVEL


def test_what_a_new_model_makes_of_a_level_is_near_what_it_makes_of_the_next(llm):
    model = build_model(llm.tokenizer)
    for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
        x = layer.weight[llm.tokenizer.convert_tokens_to_ids(list(LEVELS))]
        distance = torch.cdist(x, x)
        assert distance.diagonal(1).max() < 0.6 * distance.diagonal(20).min()
        # Elsewhere nothing changed: a level is as large as any other token's embedding.
        assert abs(x.std() / layer.weight.std() - 1) < 0.2


def test_all_that_is_said_decodes_to_itself(llm):
    for messages in corpus(50, np.random.default_rng(5)):
        for m in messages:
            ids = llm.tokenizer(m["content"], add_special_tokens=False)["input_ids"]
            assert llm.tokenizer.decode(ids) == m["content"]
    odd = "Why? Größe 12 µV\n🙂 +400"
    assert llm.tokenizer.decode(llm.tokenizer(odd, add_special_tokens=False)["input_ids"]) == odd


def test_codes_and_numbers_survive_saving(nano_folder, llm):
    from emg_llm.llms.model import load_tokenizer

    again = load_tokenizer(str(nano_folder))
    for prompt in PROMPTS:
        assert again(prompt)["input_ids"] == llm.tokenizer(prompt)["input_ids"]


# Scoring


def slow_score(llm, prompt, label):
    """One answer at a time, without padding, token by token."""
    tokenizer = llm.tokenizer
    before = tokenizer(f"[INST] {prompt} [/INST]", add_special_tokens=False)["input_ids"]
    answer = tokenizer(f"Emotion: {label}</s>", add_special_tokens=False)["input_ids"]
    total, ids = 0.0, list(before)
    for token in answer:
        with torch.no_grad():
            logits = llm.model(input_ids=torch.tensor([ids])).logits[0, -1]
        total += float(torch.log_softmax(logits.double(), -1)[token])
        ids.append(token)
    assert answer[-1] == tokenizer.eos_token_id
    return total


def test_label_scores_are_the_log_likelihoods_of_the_complete_answers(llm):
    expected = [[slow_score(llm, p, label) for label in llm.labels] for p in PROMPTS]
    np.testing.assert_allclose(llm.label_scores(PROMPTS), expected, atol=1e-3)


def test_a_score_depends_on_its_own_prompt_and_label_alone(llm):
    rng = np.random.default_rng(0)
    many = [first_prompt({"messages": m}) for m in corpus(40, rng)] + PROMPTS
    assert len(many) * len(llm.labels) > 2 * SCORING_BATCH
    together = llm.label_scores(many)
    alone = np.concatenate([llm.label_scores([p]) for p in many])
    np.testing.assert_allclose(together, alone, atol=1e-3)
    order = rng.permutation(len(many))
    np.testing.assert_allclose(
        llm.label_scores([many[i] for i in order]), together[order], atol=1e-3
    )
    turned = EmgLLM("nano", llm.model, llm.tokenizer, llm.labels[::-1], None)
    np.testing.assert_allclose(turned.label_scores(many[:5]), together[:5, ::-1], atol=1e-3)


def test_probabilities_sum_to_one_and_follow_the_scores(llm):
    p = llm.probabilities(PROMPTS)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    scores = llm.label_scores(PROMPTS)
    np.testing.assert_array_equal(p.argsort(axis=1), scores.argsort(axis=1))
    np.testing.assert_allclose(np.log(p[:, 0] / p[:, 1]), scores[:, 0] - scores[:, 1], atol=1e-6)
    warm = EmgLLM("nano", llm.model, llm.tokenizer, llm.labels, None, temperature=4.0)
    np.testing.assert_allclose(
        np.log(warm.probabilities(PROMPTS)[:, 0] / warm.probabilities(PROMPTS)[:, 1]),
        (scores[:, 0] - scores[:, 1]) / 4,
        atol=1e-6,
    )
    assert (warm.probabilities(PROMPTS).max(axis=1) < p.max(axis=1)).all()


# Fine-tuning


def test_the_loss_is_on_the_answers_and_their_end_alone(nano_folder, tmp_path):
    found = []
    rng = np.random.default_rng(3)
    for messages in itertools.islice(corpus(10, rng), 10):
        found.append({"conversations": share_gpt(messages)})
    trainer = trainer_for(nano_folder, found, tmp_path, max_steps=1)
    expected = to_examples(found)
    assert len(trainer.train_dataset) == len(expected) > 20
    tokenizer = trainer.processing_class
    for example, tokenized in zip(expected, trainer.train_dataset, strict=True):
        batch = trainer.data_collator([tokenized])
        ids, labels = batch["input_ids"][0], batch["labels"][0]
        learned = labels != -100
        assert learned.any()
        assert (labels[learned] == ids[learned]).all()
        answer = example["completion"][0]["content"]
        assert tokenizer.decode(labels[learned]) == answer + tokenizer.eos_token
        prompt = "".join(
            f"[INST] {m['content']} [/INST]"
            if m["role"] == "user"
            else m["content"] + tokenizer.eos_token
            for m in example["prompt"]
        )
        assert tokenizer.decode(ids[~learned & (ids != tokenizer.pad_token_id)]) == prompt


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
    used = {t for r in rows for t in re.findall(r"<emg_\d+_\d+>", first_prompt(r))}
    assert {tokens[i] for i in torch.nonzero(changed).flatten()} == {vocabulary[t] for t in used}


def test_an_llm_learns_pairs_of_codes_and_label_and_reads_them_from_the_prompt(tuned, rows):
    llm, *_ = tuned
    truth = np.array([LABELS.index(r["label"]) for r in rows])
    prompts = np.array([first_prompt(r) for r in rows])
    p = llm.probabilities(list(prompts))
    assert (p.argmax(axis=1) == truth).all()
    # The head is random and does not train, so nothing can be very sure; chance is 0.25.
    assert p[np.arange(len(truth)), truth].min() > 0.33

    rng = np.random.default_rng(0)
    shuffled = [np.mean(p[rng.permutation(len(p))].argmax(axis=1) == truth) for _ in range(200)]
    assert np.mean(shuffled) == pytest.approx(1 / 4, abs=0.05)
    silent = llm.probabilities(["EMG features: none"] * len(rows)).argmax(axis=1)
    assert np.mean(silent == truth) == 1 / 4  # the same answer for all


def test_a_reloaded_adapter_gives_the_same_probabilities(tuned, nano_folder, people, tmp_path):
    llm, *_ = tuned
    bridge = Bridge.fit("text", people, range(12))
    saved = EmgLLM("nano", llm.model, llm.tokenizer, LABELS, bridge, temperature=1.7)
    saved.save_adapter(tmp_path, base=str(nano_folder))
    again = EmgLLM.from_pretrained(tmp_path)
    assert (again.name, again.labels, again.temperature) == ("nano", LABELS, 1.7)
    prompts = [*PROMPTS, "EMG features: <emg_0_1><emg_1_2>"]
    np.testing.assert_allclose(
        again.probabilities(prompts), saved.probabilities(prompts), atol=1e-5
    )
    recording = people.recordings[5]
    np.testing.assert_allclose(again(recording), saved(recording), atol=1e-5)
    assert again.bridge.read(recording) == bridge.read(recording)
    files = {f.name for f in tmp_path.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= files
    assert not any(f.endswith((".bin", ".pt", ".pkl")) for f in files)


def test_the_temperature_lowers_the_loss_on_the_validation_rows(tuned, rows):
    llm, *_ = tuned
    assert validation_temperature(llm, []) == 1.0
    assert validation_temperature(llm, rows) < 1  # all are right: it may be surer
    wrong = [r | {"label": LABELS[3 - LABELS.index(r["label"])]} for r in rows]
    assert validation_temperature(llm, wrong) > 2


def test_rows_are_loaded_from_share_gpt_files(tmp_path, rows):
    import json

    path = tmp_path / "mine.jsonl"
    path.write_text(
        "".join(json.dumps({"conversations": share_gpt(r["messages"])}) + "\n" for r in rows)
    )
    parts, info = load_rows(path)
    assert [first_prompt(r) for r in parts["train"]] == [first_prompt(r) for r in rows]
    assert [first_label(r) for r in parts["train"]] == [r["label"] for r in rows]
    assert info["labels"] == sorted(LABELS) and info["bridge"] is None
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "hello"}\n')
    with pytest.raises(LlmError, match="column 'conversations'"):
        load_rows(other)


def test_an_llm_that_is_nowhere_is_said_in_one_line(offline):
    with pytest.raises(LlmError, match="nobody/has-this can't be loaded") as caught:
        load_base("nobody/has-this")
    assert "\n" not in str(caught.value)


# Chat


def chat_messages(n_exchanges):
    messages = [
        {"role": "user", "content": PROMPTS[1]},
        {"role": "assistant", "content": "Emotion: fear"},
    ]
    for i in range(n_exchanges):
        messages += [
            {"role": "user", "content": f"How strong is jaw? {i}"},
            {"role": "assistant", "content": f"At jaw the level is +{i}."},
        ]
    return [*messages, {"role": "user", "content": "Why?"}]


def test_a_reply_streams_pieces_and_is_greedy(llm):
    pieces = list(llm.reply(chat_messages(1), max_new_tokens=24))
    assert len(pieces) > 1 and all(pieces)
    assert list(llm.reply(chat_messages(1), max_new_tokens=24)) == pieces
    ids = llm.tokenizer.apply_chat_template(
        chat_messages(1), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    n = ids.shape[1]
    for _ in range(24):
        with torch.no_grad():
            ids = torch.cat([ids, llm.model(input_ids=ids).logits[:, -1:].argmax(-1)], dim=1)
        if ids[0, -1] == llm.tokenizer.eos_token_id:
            break
    assert "".join(pieces) == llm.tokenizer.decode(ids[0, n:], skip_special_tokens=True)


def test_of_a_chat_that_is_too_long_the_oldest_exchanges_are_forgotten(llm):
    long = chat_messages(60)
    room = llm.model.config.max_position_embeddings - 24

    def n_tokens(messages):
        encoded = llm.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=True
        )
        return len(encoded["input_ids"])

    kept = next(k for k in range(60, 0, -1) if n_tokens(long[:2] + long[-2 * k - 1 :]) <= room)
    assert 2 < kept < 60
    answer = "".join(llm.reply(long, max_new_tokens=24))
    assert answer
    assert answer == "".join(llm.reply(long[:2] + long[-2 * kept - 1 :], max_new_tokens=24))


def test_a_single_message_that_is_too_long_gets_a_sentence(llm):
    messages = [*chat_messages(0)[:2], {"role": "user", "content": "why " * 3000}]
    assert list(llm.reply(messages)) == [
        "That is more text than I can read at once; please ask in fewer words."
    ]


def test_the_emotions_are_answers_that_differ(llm):
    every = EmgLLM("nano", llm.model, llm.tokenizer, EMOTIONS, None)
    pairs = [every._answer_ids(PROMPTS[1], label) for label in EMOTIONS]
    assert len({tuple(ids) for ids, _ in pairs}) == len(EMOTIONS)
    assert len({n for _, n in pairs}) == 1  # the prompt is the same for all


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
    saving = {"save_strategy": "steps", "save_steps": 30, "max_steps": 120}
    trainer = trainer_for(nano_folder, rows, tmp_path, validation, **saving)
    trainer.train()
    asked = [r["eval_loss"] for r in trainer.state.log_history if "eval_loss" in r]
    assert len(asked) == 4 and np.argmin(asked) < 3
    best = tmp_path / f"checkpoint-{30 * (1 + int(np.argmin(asked)))}"
    assert trainer.state.best_model_checkpoint == str(best)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(asked), rel=1e-3)
