"""Train the classical baseline: an RBF SVM on a recording's features.

The SVM chooses its features and settings by cross-validation over the training people.

    python train/svm.py --data simulated --output_dir runs/svm

Writes config.json, model.skops, results.json and predictions.csv. Training, calibration and
test people are different people; with --refit the saved SVM has learned from all of them, and the
one that the figures are of lies in `measured`.
"""

from dataclasses import dataclass, field

from trl import TrlParser

from emg_llm.data.contents import training_protocol
from emg_llm.data.datasets import load_dataset
from emg_llm.data.known import with_known, without_neutral
from emg_llm.data.splits import held_out_split
from emg_llm.evaluation.metrics import results_of
from emg_llm.evaluation.results import headline, save_results
from emg_llm.experiments.signal_models import known_features
from emg_llm.experiments.unseen import MEASURED
from emg_llm.scripts import (
    DataArguments,
    HubArguments,
    RefitArguments,
    ScalingArguments,
    refitted,
    run,
    saving,
)
from emg_llm.svm import EmotionSVM, dataset_features


@dataclass
class SvmArguments(ScalingArguments, RefitArguments):
    """Settings of the SVM."""

    output_dir: str = field(default="runs/svm", metadata={"help": "Output folder."})


def main(data, args, sharing):
    dataset = load_dataset(data.data, data.labels, data.montage)
    dataset = with_known(dataset, args.scaling, data.seed)
    split = without_neutral(dataset, held_out_split(dataset, data.seed))
    scored = split.scored
    features, columns = dataset_features(dataset)
    targets, groups = dataset.targets, dataset.groups

    def fit(rows):
        """An SVM that has learned these rows."""
        of = features[rows], columns, targets[rows], groups[rows], dataset.label_names
        svm = EmotionSVM.fit(*of, known_features(dataset, rows, args.scaling), args.scaling)
        svm.info = {"trained_on": dataset.name, "split": split.protocol()}
        return svm

    svm = fit(split.train)
    rows, fitted_on = split.calibrating
    if len(rows):
        known = groups[rows], known_features(dataset, rows, args.scaling)
        svm.calibrate(features[rows], targets[rows], *known, fitted_on)
    rows = scored
    known = groups[rows], known_features(dataset, rows, args.scaling)
    probabilities = svm.predict_proba(features[rows], *known)
    about = (
        "svm",
        dataset.name,
        training_protocol(dataset, split, args.scaling),
        dataset.label_names,
    )
    results = results_of(*about, targets[rows], probabilities, groups[rows], svm.confidence)
    test = dataset.take(rows)
    predictions = test.ids, test.subjects, targets[rows], probabilities
    with saving(args.output_dir, sharing) as folder:
        measured = folder / MEASURED if args.refit else folder
        svm.save_pretrained(measured)
        save_results(measured, results, *predictions)
        print(headline(results))
        if args.refit:
            everybody = split.refit.train
            final = fit(everybody)
            final.confidence = svm.confidence
            final.save_pretrained(folder)
            save_results(folder, refitted(results, groups[everybody]), *predictions)


def make_parser():
    return TrlParser((DataArguments, SvmArguments, HubArguments))


if __name__ == "__main__":
    run(main, make_parser())
