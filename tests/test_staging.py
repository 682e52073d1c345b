"""What is made ready to leave for the Hub names nobody, and holds no more than it has to."""

import json

from emg_llm.hub.staging import anonymous, copy_model


def test_a_results_file_of_real_people_names_nobody():
    results = {"data": "/home/me/all.csv", "per_subject": [{"subject": "Ada", "accuracy": 1.0}]}
    assert anonymous(results) == {
        "data": "all.csv",
        "per_subject": [{"subject": "person 1", "accuracy": 1.0}],
    }
    assert anonymous(results, names=True)["per_subject"] == results["per_subject"]
    named_so = results | {"data": "/home/me/simulated_pain"}
    assert anonymous(named_so)["per_subject"] == [{"subject": "person 1", "accuracy": 1.0}]
    calibrated = {"data": "mine.csv", "calibrated_from": {"data": "/home/me/all.csv"}}
    assert anonymous(calibrated)["calibrated_from"] == {"data": "all.csv"}
    simulated = {"data": "simulated:subjects=2", "per_subject": [{"subject": "sim-1"}]}
    assert anonymous(simulated) == simulated


def test_of_a_models_folder_only_the_model_leaves(tmp_path):
    source, target = tmp_path / "made", tmp_path / "sent"
    source.mkdir()
    target.mkdir()
    (source / "config.json").write_text(json.dumps({"kind": "x", "trained_on": "/home/me/a.csv"}))
    for name in ("model.safetensors", "predictions.csv", "training_args.bin", "report.html"):
        (source / name).write_text("Ada")
    copy_model(source, target)
    assert {p.name for p in target.iterdir()} == {"config.json", "model.safetensors"}
    assert json.loads((target / "config.json").read_text())["trained_on"] == "a.csv"
