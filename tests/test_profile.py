"""A profile: learned from a few recordings, kept in a file, used, and refused where it must be."""

import json
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest

from emg_llm import __main__ as commands
from emg_llm.bridge import BRIDGES
from emg_llm.bridge.codebook import Codebook
from emg_llm.data.datasets import load_dataset
from emg_llm.data.known import with_known
from emg_llm.encoders.examples import examples_of
from emg_llm.experiments.signal_models import known_features
from emg_llm.pipeline import EmotionPipeline
from emg_llm.profile import Profile, ProfileError
from emg_llm.profile.figures import left_out, missing, why_not
from emg_llm.profile.names import label_of
from emg_llm.signal.levels import ANY
from emg_llm.signal.recording import EMOTIONS
from emg_llm.svm import EmotionSVM, dataset_features
from emg_llm.ui.face_profile import FaceTab
from emg_llm.ui.profile_chip import ProfileChip
from tests.test_any import LABELS, NEW, TRAINED, fit, pipeline_of


@pytest.fixture(scope="module")
def people():
    return load_dataset("simulated:subjects=4,trials=3,duration=0.6", LABELS)


@pytest.fixture(scope="module")
def plain(people, nano_folder):
    """A pipeline of an SVM, an encoder and a language model that can know a person."""
    known = with_known(people, ANY)
    encoder = fit(known)
    examples = examples_of(encoder, known, TRAINED).each()
    of = examples.embeddings(encoder), encoder.head.weight.detach(), 2, 8
    hashed = {"targets": examples.targets.numpy(), "encoder_hash": encoder.fingerprint}
    codebook = Codebook.fit(*of, labels=LABELS, **hashed)
    features, columns = dataset_features(known, TRAINED)
    groups = known.targets[TRAINED], known.groups[TRAINED], LABELS
    svm = EmotionSVM.fit(features, columns, *groups, known_features(known, TRAINED, ANY), ANY)
    bridge = BRIDGES["both"].fit(known, TRAINED, encoder, codebook, scaling=ANY)
    return pipeline_of(encoder, codebook, svm, bridge, nano_folder)


@pytest.fixture(scope="module")
def mine(people):
    """(recordings, labels) of a person whom no model has learned from: three of each label."""
    return [people.recordings[i] for i in NEW], [people.labels[i] for i in NEW]


@pytest.fixture(scope="module")
def profile(plain, mine):
    return Profile.of(plain, *mine)


def test_a_profile_is_a_small_file_without_signal_and_name_that_reads_the_same(
    plain, mine, profile, tmp_path
):
    profile.save(tmp_path / "me.json")
    text = (tmp_path / "me.json").read_text()
    recording = mine[0][0]
    assert len(text) < 9 * 5000 < recording.signal.nbytes * 9
    assert recording.recording_id not in text and recording.subject not in text
    again = plain.with_profile(tmp_path / "me.json")
    prediction, before = again(recording), plain(recording)
    assert prediction.probabilities == plain.with_profile(profile)(recording).probabilities
    for model in ("svm", "cnn", "nano"):
        assert prediction.probabilities[model] != before.probabilities[model]
    assert prediction.voters == ("cnn",) and before.voters == ("nano",)
    top = prediction.probabilities["cnn"]
    assert prediction.label == max(top, key=top.get)
    assert prediction.known == "9 recordings of 3 emotions, neutral as the zero."
    assert before.known == "" and plain(recording) == before


def test_unlabelled_recordings_alone_are_the_zero_as_the_pipeline_has_it(plain, mine):
    recordings, labels = mine
    rest = [r for r, label in zip(recordings, labels, strict=True) if label == "neutral"]
    neutral = Profile.of(plain, rest[:1], ["neutral"])
    several = Profile.of(plain, recordings[:4], [None] * 4)
    assert neutral.zero[0] == "neutral" and several.zero[0] == "several"
    for one, told in ((neutral, {"neutral": rest[:1]}), (several, {"several": recordings[:4]})):
        mine_now, theirs = (
            plain.with_profile(one)(recordings[5]),
            plain.knowing(**told)(recordings[5]),
        )
        assert mine_now.voters == ("nano",) and not one.learns
        assert mine_now.prompts == theirs.prompts
        for model, p in theirs.probabilities.items():
            assert mine_now.probabilities[model] == pytest.approx(p, abs=2e-3), model


def test_what_tells_nothing_of_a_person_or_cannot_be_used_is_refused_in_a_sentence(plain, mine):
    recordings, labels = mine
    i = labels.index("anger")
    with pytest.raises(ProfileError, match="give a neutral one, or recordings of two emotions"):
        Profile.of(plain, recordings[i : i + 1], ["anger"])
    with pytest.raises(ProfileError, match="needs a recording"):
        Profile.of(plain, [], [])
    with pytest.raises(ProfileError, match="don't know the emotion 'pride'"):
        Profile.of(plain, recordings[:1], ["pride"])
    other = recordings[1].replace(unit="a.u.")
    with pytest.raises(ProfileError, match="needs one unit"):
        Profile.of(plain, [recordings[0], other], ["neutral", "neutral"])


def test_a_recording_in_another_unit_is_withheld_not_read(plain, mine, profile):
    recording = mine[0][0].replace(unit="a.u.")
    prediction = plain.with_profile(profile)(recording)
    assert prediction.label is None and "drop the profile" in prediction.withheld


def test_a_profile_of_other_models_or_sites_is_refused(plain, profile):
    for other in (
        replace(profile, models=dict(profile.models) | {"cnn": "0"}),
        replace(profile, models={"svm": profile.models["svm"]}),
    ):
        with pytest.raises(ProfileError, match=r"made with other models \(cnn differ"):
            plain.with_profile(other)
    with pytest.raises(ProfileError, match="was made for 8 sites"):
        plain.with_profile(replace(profile, sites=tuple(reversed(profile.sites))))


def changed(text, **changes):
    return json.dumps(json.loads(text) | changes)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: "", "is not a profile"),
        (lambda text: text[: len(text) // 2], "is not a profile"),
        (lambda text: "[" * 10**5, "is not a profile"),
        (lambda text: '{"kind": "emg-svm"}', "is not a profile"),
        (lambda text: changed(text, version=2), "of version 2"),
        (lambda text: changed(text, recordings=[]), "damaged"),
        (lambda text: changed(text, recordings=[{"label": "anger"}]), "damaged"),
        (lambda text: changed(text, sites=["jaw"]), "damaged"),
        (lambda text: changed(text, models=3), "damaged"),
        (lambda text: changed(text, unit="V"), "damaged"),
        (lambda text: text.replace('"powers": [', '"powers": [Infinity, ', 1), "damaged"),
        (lambda text: text.replace('"powers": [', '"powers": ["x", ', 1), "damaged"),
        (lambda text: text.replace('"label": "anger"', '"label": ["anger"]', 1), "damaged"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_in_one_sentence(profile, tmp_path, spoil, says):
    path = tmp_path / "me.json"
    path.write_text(spoil(profile.to_json()))
    with pytest.raises(ProfileError, match=says) as caught:
        Profile.load(path)
    assert str(caught.value).startswith("me.json ") and "\n" not in str(caught.value)
    path.write_bytes(b"\xff\xfe\x00PK\x03\x04")
    with pytest.raises(ProfileError, match="is not a profile"):
        Profile.load(path)
    with pytest.raises(ProfileError, match="can't be opened"):
        Profile.load(tmp_path / "none.json")


def test_no_recording_nor_its_copy_is_known_when_it_is_read(plain, mine, monkeypatch):
    recordings, labels = ([*some, some[0]] for some in mine)  # the first one twice
    profile, seen = Profile.of(plain, recordings, labels), []
    whole = type(plain).with_profile

    def with_profile(self, known):
        seen.append(known)
        return whole(self, known)

    monkeypatch.setattr(type(plain), "with_profile", with_profile)
    *_, figures = left_out(plain, profile, recordings.__getitem__)
    assert figures.named.n == len(seen) == 10
    for trial, known in zip(profile.trials, seen, strict=True):
        assert not any(trial.same(other) for other in known.trials)
        assert len(known.trials) == 10 - sum(trial.same(other) for other in profile.trials)
    assert sum(t.n for t in figures.by_label.values()) == 10
    assert {"svm", "cnn", "nano"} == set(figures.by_model)
    assert f"Of 10 recordings {figures.named.before} (" in figures.sentence


def test_what_is_missing_is_said_and_too_few_recordings_give_no_figure(plain, mine):
    recordings, labels = mine
    first = [labels.index(label) for label in LABELS]
    few = Profile.of(plain, [recordings[i] for i in first], LABELS)
    assert "too few recordings" in why_not(few)
    assert not list(left_out(plain, few, None))
    said = missing({"anger": 2, "fear": 1}, EMOTIONS)
    assert "A neutral recording is missing" in said[0]
    assert "No recording of anxiety, contempt" in said[1] and "rarely name them" in said[1]
    assert said[2].startswith("A single recording of fear")
    assert not missing(dict.fromkeys(EMOTIONS, 2), EMOTIONS)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Anger_2.csv", "anger"),
        ("S03_happiness_1.npy", "happiness"),
        ("S03-Freude.edf", "happiness"),
        ("Ärger 4.csv", "anger"),
        ("aerger4.csv", "anger"),
        ("Überraschung_1.npy", "surprise"),
        ("ueberraschung.npy", "surprise"),
        ("FearTrial3.mat", "fear"),
        ("Ruhe.npz", "neutral"),
        ("anger/rec_1.npy", "anger"),
        ("anger_or_fear.csv", ""),
        ("forest.csv", ""),
        ("recording_7.csv", ""),
    ],
)
def test_the_name_of_a_file_tells_its_emotion(name, label):
    assert label_of(name, EMOTIONS) == label


@pytest.fixture
def tab(plain):
    with gr.Blocks():
        return FaceTab(plain, gr.State(None))


@pytest.fixture(scope="module")
def uploads(mine, tmp_path_factory):
    """Files of a person, named after emotions, but for one; and a broken one."""
    folder, paths = tmp_path_factory.mktemp("uploads"), []
    for i, (recording, label) in enumerate(zip(*mine, strict=True)):
        name = "unnamed" if i == 0 else f"S03_{label}_{i}"
        path = folder / f"{name}.npz"
        np.savez(
            path,
            signal=recording.signal,
            sampling_rate=recording.sampling_rate,
            unit="uV",
            channel_names=np.array(recording.channel_names),
        )
        paths.append(str(path))
    (folder / "broken.csv").write_text("hello")
    return [*paths, str(folder / "broken.csv")]


def test_on_the_page_names_tell_labels_a_table_corrects_them_and_the_profile_is_used(
    tab, plain, mine, uploads, tmp_path
):
    *_, filled = tab.add(uploads, [], {}, None, "auto", "auto")
    _, given, labels, counts, *_ = filled
    assert len(given) == 10 and "no numbers" in next(g.why for g in given if g.name == "broken.csv")
    first = next(g.source.path for g in given if g.name == "unnamed.npz")
    assert labels[first] == "" and sum(map(bool, labels.values())) == 8
    labels, counts, *_ = tab._relabel(first)(mine[1][0], given, labels)
    assert counts.count("<b>3</b>") == 3
    steps = list(tab.make(given, labels))
    assert "Reading 9 of 9" in steps[-2][0]
    html, profile, use, download = steps[-1]
    assert "Your profile is ready" in html and "of 9" in html and use.visible and download.visible
    known, said = tab.used(profile)
    assert known.profile is profile and "in use" in said
    profile.save(tmp_path / "me.json")
    again, said = tab.take(str(tmp_path / "me.json"), None)
    recording = mine[0][1]
    assert again(recording).probabilities == known(recording).probabilities
    assert "9 recordings of 3 emotions" in said
    kept, said = tab.take(uploads[-1], known)
    assert kept is known and "is not a profile" in said
    assert plain.profile is None


def test_one_neutral_recording_is_enough_and_what_is_missing_is_said(tab, mine, uploads):
    neutral = uploads[next(i for i, e in enumerate(mine[1]) if e == "neutral" and i)]
    *_, filled = tab.add([neutral], [], {}, None, "auto", "auto", "neutral")
    _, given, labels, _, lacks, prompt, asked, learn, *_ = filled
    assert learn.interactive and asked in LABELS and asked != "neutral"
    assert asked in prompt.lower() and "single recording of neutral" in lacks
    *_, (html, profile, *_) = tab.make(given, labels)
    assert "too few recordings" in html and profile.zero[0] == "neutral"
    *_, (html, profile, *_) = tab.make(given, dict.fromkeys(labels, "anger"))
    assert "tell nothing of a person yet" in html and profile is None


def test_the_chip_says_what_is_known_and_goes_with_the_profile(plain, profile):
    row, text = ProfileChip.show(plain.with_profile(profile))
    assert row.visible and "9 recordings of 3 emotions" in text
    row, text = ProfileChip.show(None)
    assert not row.visible and text == ""


def test_the_command_writes_a_profile_and_its_figures(
    plain, uploads, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(EmotionPipeline, "from_pretrained", lambda *_, **__: plain)
    out, labels = tmp_path / "me.json", ["--labels", "anger" + "," * 8]
    assert commands.main(["profile", *uploads[:-1], "--output", str(out)]) == 0
    said = capsys.readouterr().out
    assert "unlabelled" in said and "Of 8 recordings" in said
    assert len(Profile.load(out).labelled) == 8
    assert commands.main(["profile", *uploads[:-2], "--output", str(out), *labels]) == 2
    assert "--labels names 9 emotions for 8 files" in capsys.readouterr().err
    assert commands.main(["profile", *uploads, "--output", str(out)]) == 2
    assert "no numbers" in capsys.readouterr().err


def test_a_manifest_in_the_folder_says_the_labels_and_is_no_recording(
    plain, uploads, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(EmotionPipeline, "from_pretrained", lambda *_, **__: plain)
    lines = [f"{path},{label}" for path, label in zip(uploads[:2], ("anger", "fear"), strict=True)]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,label", *lines]))
    out = tmp_path / "me.json"
    assert commands.main(["profile", str(tmp_path), "--output", str(out)]) == 0
    assert {t.label for t in Profile.load(out).labelled} == {"anger", "fear"}
    (tmp_path / "manifest.csv").write_text("path,label\n")
    assert commands.main(["profile", str(tmp_path), "--output", str(out)]) == 2
    assert "lists no recordings" in capsys.readouterr().err
