"""Analyse an encoder's embeddings: sparsity, dimensions, label and person, SNR.

    python train/embeddings.py --encoder runs/cnn --data simulated --output_dir runs/embeddings

Uses the test people if the encoder was trained on this data, otherwise all of the data. Writes
results.json, embeddings.csv (one row per recording), structure.csv, separability.csv,
snr_by_label.csv, snr_accuracy.csv and report.html.
"""

from dataclasses import dataclass, field

from trl import TrlParser

from emg_llm.data.datasets import load_dataset
from emg_llm.data.known import with_known
from emg_llm.data.tables import csv_bytes
from emg_llm.data.whole import whole
from emg_llm.embeddings.analysis import measure_embeddings, unseen_recordings
from emg_llm.embeddings.measures import MAPS
from emg_llm.embeddings.plots import embedding_figures
from emg_llm.embeddings.report import result_tables, summary
from emg_llm.encoders import load_encoder
from emg_llm.evaluation.results import save_results
from emg_llm.hub.client import bundle_folder, resolve
from emg_llm.plots.page import report_page
from emg_llm.scripts import DataArguments, run
from emg_llm.signal.levels import unless_any


@dataclass
class EmbeddingArguments:
    """Settings of the analysis."""

    encoder: str | None = field(
        default=None, metadata={"help": "Folder or Hub id of the encoder (default: the bundle's)."}
    )
    output_dir: str = field(default="runs/embeddings", metadata={"help": "Output folder."})
    map: str = field(
        default="pca", metadata={"help": "Projection for the map.", "choices": list(MAPS)}
    )


def main(data, args):
    folder = resolve(args.encoder or bundle_folder() / "encoders" / "cnn")
    encoder = load_encoder(folder)
    dataset = load_dataset(data.data, data.labels, data.montage)
    rows, protocol = unseen_recordings(folder, encoder, dataset)
    unseen = with_known(dataset.take(rows), unless_any(encoder.scaling), data.seed)
    results, table, embedded = measure_embeddings(encoder, unseen, protocol, args.map, data.seed)

    tables, sentences = result_tables(results), list(summary(results))
    page = report_page(
        f"Embeddings of {results['model']}",
        [f"Data: {results['data']}.", *sentences],
        embedding_figures(results, table, embedded),
        {f"{name}.csv": each for name, each in tables.items()},
    )
    with whole(args.output_dir) as place:
        save_results(place, results)
        (place / "embeddings.csv").write_bytes(csv_bytes(table))
        for name, each in tables.items():
            (place / f"{name}.csv").write_bytes(csv_bytes(each))
        (place / "report.html").write_text(page, encoding="utf-8")
    print("\n".join(sentences))
    print(f"Saved to {args.output_dir}")


def make_parser():
    return TrlParser((DataArguments, EmbeddingArguments))


if __name__ == "__main__":
    run(main, make_parser())
