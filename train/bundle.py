"""Rebuild everything that the demo ships with, from scratch.

    python train/bundle.py

Runs the training scripts in order, prints each command before it runs, and copies their output
into emg_llm/bundle. Steps whose output exists are skipped, so an interrupted build continues
where it stopped; --fresh starts over.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from trl import TrlParser

from emg_llm.data.samples import MONTAGES, SAMPLES, write_samples
from emg_llm.data.whole import UNFINISHED, whole
from emg_llm.encoders import load_encoder
from emg_llm.experiments.tables import real_table, table
from emg_llm.hub.client import NEVER_UPLOADED, bundle_folder
from emg_llm.scripts import run
from emg_llm.signal.levels import ANY, PRIVILEGES
from emg_llm.signal.montage import FACE
from emg_llm.signal.recording import EMOTIONS
from emg_llm.signal.simulation import is_simulated

SCRIPTS = Path(__file__).parent
CERTAINTY = "certainty.json"
FITTED = "S01", "S02", "S03", "S04"  # the real people whom the simulator is fitted to
ENCODERS = "cnn", "tcn"  # the first one makes the codes
# Real people are read best by the pattern readout, but language models read them worse from its
# codes than from those of the combination.
LEADS = {"cnn": "combination", "tcn": "pattern"}
LLMS = "nano-llama2", "nano-phi3", "nano-llama3"
TALKER = "smollm2-135m"  # a pretrained one, which answers from the report of a recording
# It learns the labels too, from codes alone.
TALKS = {"bridge": "tokens", "variants": 6, "follow_ups": 0, "reports": 700, "questions": 6}
# Of the language models: many variants of a recording, each seen once, in large batches.
LEARNING = {"num_train_epochs": 1, "per_device_train_batch_size": 64, "learning_rate": 2e-3}
# Nothing is chosen on these people: measure them, and change nothing afterwards.
NEW_PEOPLE = "simulated:subjects=20,trials=2,seed=90417"
QUESTIONS = SCRIPTS.parent / "tests" / "questions.jsonl"
FEW_NEW_PEOPLE = "simulated:subjects=3,trials=1,seed=90417"


@dataclass
class BundleArguments:
    """Settings of the bundle."""

    data: str = field(
        default="simulated:subjects=240,trials=2,conditions=varied,diversity=1.4,seed=1",
        metadata={"help": "As for the other scripts."},
    )
    real: str | None = field(
        default=None,
        metadata={
            "help": "Recordings of real people, which nothing is trained on, to measure the models "
            "on as well."
        },
    )
    fitted_to: str | None = field(
        default=None,
        metadata={
            "help": "Feature table of the real people whom the simulator is fitted to, to learn "
            "from them how sure the models may be of others (train/certainty.py)."
        },
    )
    seed: int = field(default=0, metadata={"help": "Seed for every step."})
    work_dir: str = field(default="runs/bundle", metadata={"help": "Output folder of the steps."})
    output_dir: str | None = field(
        default=None, metadata={"help": "Output folder of the bundle (default: emg_llm/bundle)."}
    )
    fresh: bool = field(default=False, metadata={"help": "Repeat finished steps."})
    talker: bool = field(
        default=False,
        metadata={"help": f"Fine-tune {TALKER} as well, which takes an hour of two cores."},
    )
    quick: bool = field(
        default=False, metadata={"help": "Train everything for a few steps only, as a test."}
    )


def main(args):
    work = Path(args.work_dir)
    if args.fresh:
        shutil.rmtree(work, ignore_errors=True)
    for script, folder, flags in steps(args, work):
        # The last of several models comes last.
        finished = "results.json", "bridge.json", CERTAINTY, "mean/results.json"
        if any((work / folder / last).exists() for last in finished):
            print(f"{work / folder} already exists")
            continue
        print("\n$ python", SCRIPTS / f"{script}.py", *flags, flush=True)
        code = run_step(script, *flags, "--output_dir", work / folder)
        if code:  # the script has printed why
            sys.exit(code)
    folder = Path(args.output_dir) if args.output_dir else bundle_folder()
    with whole(folder, owns=["**/*"]) as beside:
        assemble(args, work, beside)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    results = json.loads((folder / "results.json").read_text())
    print("\n\n".join(filter(None, ["", table(results), real_table(results)])))
    print(f"\nBundle of {size / 2**20:.1f} MB in {folder}")


def run_step(script, *flags):
    """Run a script in its own process; returns its exit code."""
    command = sys.executable, SCRIPTS / f"{script}.py", *flags
    return subprocess.run([*map(str, command)]).returncode


def steps(args, work):
    """(script, output folder, flags) in order of dependence."""
    data = ["--data", args.data, "--seed", args.seed]
    coder = work / "encoders" / ENCODERS[0]
    codec = ["--encoder", coder, "--codebook", work / "codebook"]
    fewer = (lambda *flags: flags) if args.quick else (lambda *flags: ())
    known = "--scaling", ANY
    yield "svm", "svm", [*data, *known]
    for arch in ENCODERS:
        flags = "--arch", arch, "--lead", LEADS[arch], "--epochs", 2 if args.quick else 18
        yield "encoder", f"encoders/{arch}", [*data, *known, *flags]
    yield "codebook", "codebook", [*data, "--encoder", coder]
    yield (
        "conversations",
        "conversations",
        [*data, *known, *codec, "--bridge", "both", "--variants", 1 if args.quick else 12],
    )
    learning = LEARNING | ({"per_device_train_batch_size": 8} if args.quick else {})
    small = fewer("--steps", 3, "--batch_size", 8, "--tokenizer_conversations", 200)
    first = f"first/{LLMS[0]}"
    yield "nano", first, ["--llm", LLMS[0], "--seed", args.seed, *small]
    for llm in LLMS:
        base, adapter = f"base/{llm}", f"adapters/{llm}"
        start = ["--start_with", work / first, *small]
        yield "nano", base, ["--llm", llm, "--seed", args.seed, *start]
        yield (
            "sft",
            adapter,
            [
                *("--llm", llm, "--model_name_or_path", work / base),
                *("--dataset_name", work / "conversations", "--seed", args.seed),
                *(item for k, v in learning.items() for item in (f"--{k}", v)),
                *fewer("--max_steps", 2),
            ],
        )
    talker = work / "adapters" / TALKER
    if args.talker:
        once = ["--data", args.data.replace("trials=2", "trials=1"), "--seed", args.seed]
        made = [item for k, v in TALKS.items() for item in (f"--{k}", v)]
        yield "conversations", "talks", [*once, *known, *codec, *made]
        learning = "--dataset_name", work / "talks", "--seed", args.seed
        yield "sft", f"adapters/{TALKER}", ["--llm", TALKER, *learning]
    adapters = [work / "adapters" / llm for llm in LLMS]
    few = "--answers", 0, "--inputs", 0, "--controls", False
    yield "evaluate", "evaluation", ["--model", *adapters, *data, *codec, *few]
    models = [work / place for place in ("svm", *(f"encoders/{arch}" for arch in ENCODERS))]
    models += adapters
    if args.fitted_to:  # after the confidence of their mean is fitted to simulated people
        short = fewer("--subjects", 12, "--repeats", 1)
        flags = "--real", args.fitted_to, "--people", *FITTED, "--seed", args.seed
        every = [*models, talker] if args.talker else models
        yield "certainty", "certainty", [*flags, "--models", *every, *short]
    if args.real:
        for privilege in PRIVILEGES:
            people = "--data", args.real, "--montage", FACE, "--scaling", privilege
            yield "evaluate", f"real/{privilege}", ["--model", *models, *people, *codec, *few]
            if args.talker:
                flags = ["--model", talker, *people, *codec, *few]
                yield "evaluate", f"talker/{privilege}", flags
    if is_simulated(args.data):
        people = ["--data", FEW_NEW_PEOPLE if args.quick else NEW_PEOPLE, "--seed", args.seed]
        chats = fewer("--answers", 4, "--inputs", 4, "--replies", 6) or ("--replies", 100)
        chats = *chats, "--questions", QUESTIONS
        yield "evaluate", "new_people", ["--model", *models, *people, *codec, *chats]
        if args.talker:
            flags = ["--model", talker, *people, *codec, *few, "--questions", QUESTIONS]
            yield "evaluate", "talker/new_people", flags


def assemble(args, work, folder):
    """Copy the models of the demo and write its config.json, results.json and samples."""
    skip = shutil.ignore_patterns(
        "*.csv", "results.json", "checkpoint-*", UNFINISHED, *NEVER_UPLOADED
    )
    encoders = [f"encoders/{arch}" for arch in ENCODERS]
    places = {place: place for place in ("svm", *encoders, "codebook")}
    places |= {f"base/{llm}": f"llms/{llm}" for llm in LLMS}
    places |= {f"adapters/{llm}": f"adapters/{llm}" for llm in LLMS}
    for source, target in places.items():
        shutil.copytree(work / source, folder / target, ignore=skip)

    def read(place):
        return json.loads((work / place / "results.json").read_text())

    for llm in LLMS:
        name_base(folder / "adapters" / llm, llm)
        drop_tokenizer(folder / "adapters" / llm, folder / "llms" / llm)
    evaluated = (f"evaluation/{name}" for name in (*LLMS, "mean"))
    models = [read(m) for m in ("svm", *encoders, *evaluated)]
    tested = models[-1]
    if args.talker:
        shutil.copytree(work / "adapters" / TALKER, folder / "adapters" / TALKER, ignore=skip)
        models.append(read(f"adapters/{TALKER}") | {"talks": True})
    n_test = tested["n_subjects"]
    config = {
        "labels": [e for e in EMOTIONS if e in models[0]["labels"]],
        "trained_on": trained_on(args.data, n_test, (work / "certainty" / CERTAINTY).exists()),
        "encoders": ENCODERS,
        "llms": LLMS,
        "talkers": [TALKER] if args.talker else [],
        "mean": tested["confidence"],  # of the mean of these language models
        "samples": write_samples(folder / "samples", load_encoder(folder / encoders[0]).unlike),
        "montages": MONTAGES,
        "truths": SAMPLES,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    keys = "steps", "start_with", "loss", "n_parameters"
    bases = {llm: read(f"base/{llm}") for llm in LLMS}
    results = {
        "command": "python train/bundle.py",
        "data": tested["data"],
        "seed": args.seed,
        "protocol": tested["protocol"],
        "models": models,
        **new_people(work),
        **real_people(work),
        "codebook": read("codebook")["depths"],
        "bases": {llm: {k: r[k] for k in keys if k in r} for llm, r in bases.items()},
    }
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")


def new_people(work):
    """{"new_people": the data and the results of all models on people whom nothing was chosen on},
    or nothing where the training data isn't simulated."""
    models = _of_all(work, "new_people", "new_people")
    return {"new_people": {"data": models[0]["data"], "models": models}} if models else {}


def real_people(work):
    """{"real_people": {privilege: the results of all models}}, or nothing where no real people
    were measured."""
    results = {p: _of_all(work, f"real/{p}", p) for p in PRIVILEGES}
    for model in (model for models in results.values() for model in models):
        model.pop("per_subject", None)  # names of real people stay here
        model["data"] = Path(model["data"]).name
    return {"real_people": results} if all(results.values()) else {}


def _of_all(work, place, of_talker):
    """The results of all models in one evaluation, and of the one that talks in its own."""
    names = "svm", *ENCODERS, *LLMS, "mean"
    files = [work / place / name / "results.json" for name in names]
    if not all(file.exists() for file in files):
        return []
    models = [json.loads(file.read_text()) for file in files]
    talker = work / "talker" / of_talker / "results.json"
    if talker.exists():
        models.append(json.loads(talker.read_text()) | {"talks": True})
    return models


def trained_on(data, n_test, certainty=False):
    """A sentence that the app shows with every prediction.

    certainty: whether how sure the models are was set with real people.
    """
    if not is_simulated(data):
        return f"Trained on {Path(data).name}; tested on {n_test} of its people, who were left out."
    n_people = int(data.partition("subjects=")[2].partition(",")[0] or 24)
    sure = "; how sure they are was set with real people" if certainty else ""
    return (
        f"Trained on simulated facial EMG of {n_people - n_test} simulated people and tested "
        f"on {n_test} others; no recording of a real person is in these models{sure}."
    )


def name_base(adapter, llm):
    """Write the base's name into the adapter, instead of the folder that it was trained from."""
    for file, key in (("adapter_config.json", "base_model_name_or_path"), ("config.json", "base")):
        config = json.loads((adapter / file).read_text())
        config[key] = llm
        (adapter / file).write_text(json.dumps(config, indent=2) + "\n")


def drop_tokenizer(adapter, base):
    """Remove an adapter's tokenizer if it equals its base's, which is then loaded instead."""
    from transformers import AutoTokenizer

    def behaviour(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        whole = json.loads(tokenizer.backend_tokenizer.to_str())
        whole |= {"truncation": None, "padding": None}  # left by its last call
        special = tokenizer.special_tokens_map, tokenizer.model_max_length
        return whole, special, tokenizer.padding_side, tokenizer.chat_template

    if behaviour(adapter) == behaviour(base):
        for pattern in ("tokenizer*", "special_tokens_map.json", "chat_template.jinja"):
            for file in adapter.glob(pattern):
                file.unlink()


def make_parser():
    return TrlParser((BundleArguments,))


if __name__ == "__main__":
    run(main, make_parser())
