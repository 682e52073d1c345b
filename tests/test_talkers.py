"""Language models that only talk: they answer from the report and aren't asked for an emotion."""

import copy

import numpy as np
import pytest

from emg_llm.signal.simulation import simulate
from emg_llm.ui.llm_header import TALKS, reading_html
from tests import scripts


@pytest.fixture(scope="module")
def talking(pipeline):
    """The bundle's models, of which one only talks."""
    other = copy.copy(pipeline).asking(dict(pipeline._llms))
    other.config = pipeline.config | {"talkers": ["nano-phi3"]}
    return other


def test_one_that_only_talks_has_no_part_in_the_emotion(talking):
    recording = simulate("happiness", 1, seed=3)
    assert talking.talkers == ("nano-phi3",) and "nano-phi3" in talking.llms
    assert talking.readers == talking.voters == ("nano-llama2", "nano-llama3")
    prediction = talking(recording)
    assert {*prediction.probabilities} == {*talking.models} and "nano-phi3" not in talking.models
    voters = [prediction.probabilities[name] for name in talking.voters]
    mean = {e: np.mean([p[e] for p in voters]) for e in talking.labels}
    assert prediction.label == max(mean, key=mean.get)
    assert talking.report(recording, "nano-phi3") == talking.report(recording)
    assert TALKS in reading_html("nano-phi3", prediction, talks=True)


def test_alone_it_reads_the_emotion_too(talking):
    alone = talking.asking({"nano-phi3": talking._llms["nano-phi3"]})
    assert alone.readers == alone.talkers == ("nano-phi3",)


def test_every_step_of_the_bundle_is_a_command_that_its_script_takes(tmp_path):
    bundle = scripts.load_script("bundle")
    parser = bundle.make_parser()
    flags = ["--work_dir", str(tmp_path), "--real", "faces.csv", "--fitted_to", "features.csv"]
    flags += ["--talker", "True"]
    [args] = parser.parse_args_into_dataclasses(args=flags)
    steps = list(bundle.steps(args, tmp_path))
    places = [folder for _, folder, _ in steps]
    assert {"talks", f"adapters/{bundle.TALKER}", "talker/new_people"} <= {*places}
    assert len({*places}) == len(places)
    for script, folder, flags in steps:
        given = [*map(str, flags), "--output_dir", str(tmp_path / folder)]
        scripts.load_script(script).make_parser().parse_args_and_config(args=given)
    args.talker = False
    assert not [folder for _, folder, _ in bundle.steps(args, tmp_path) if "talk" in folder]
