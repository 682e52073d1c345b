"""The results of an embedding analysis as sentences and tables."""

from emg_llm.embeddings.measures import ZERO
from emg_llm.evaluation.report import flat
from emg_llm.evaluation.results import headline


def summary(results):
    """The results as sentences for readers who don't know the measures' names."""
    segments, recordings = results["segments"], results["recordings"]
    spread = segments["sparsity_by_sample"]
    yield headline(results) + "."
    yield (
        "Other data than the encoder was trained on."
        if results["protocol"]["name"] == "other_data"
        else "People that the encoder was not trained on."
    )
    yield (
        f"Sparsity: {segments['sparsity']:.2%} of the values in {segments['samples']} segment "
        f"embeddings are smaller than {ZERO:g} ({spread['min']:.2%} to {spread['max']:.2%} by "
        f"segment); in recording embeddings, {recordings['sparsity']:.2%}. "
        f"{segments['dead_units']} of {segments['units']} units are dead."
    )
    yield (
        f"Dimensions: recordings spread over {recordings['effective_rank']:.1f} of "
        f"{recordings['units']} (effective rank; participation ratio "
        f"{recordings['participation_ratio']:.1f})."
    )
    label, person = results["separability"]["label"], results["separability"]["person"]
    yield (
        f"Label: accuracy of a linear probe on new people: {_probed(label['probe'])}. "
        f"{_explained('Labels', label)}"
    )
    if person is None:
        yield "Person: not measured; this needs two named people with two recordings each."
    else:
        yield (
            f"Person: accuracy of a linear probe on new recordings: {_probed(person['probe'])}; on "
            f"new labels: {_probed(person['probe_new_label'])}. {_explained('People', person)}"
        )
    snr, link = results["snr_db"]["overall"], results["snr_accuracy"]
    yield (
        f"SNR: mean {snr['mean']:.2f} dB (min {snr['min']:.2f}, max {snr['max']:.2f}, sd "
        f"{snr['sd']:.2f})."
    )
    if link["point_biserial"] is None:
        yield "SNR and accuracy: not compared, as all recordings have the same outcome or SNR."
    else:
        yield (
            f"SNR and accuracy: over all recordings, {_link(link['point_biserial'])}; within "
            f"one label, {_link(link['within_label'])}."
        )


def result_tables(results):
    """{file name: pandas table} of the results of `measure_embeddings`."""
    import pandas as pd

    structures = [
        {"of": part}
        | {k: v for k, v in results[part].items() if k != "sparsity_by_sample"}
        | {f"sparsity_{k}": v for k, v in results[part]["sparsity_by_sample"].items()}
        for part in ("segments", "recordings")
    ]
    separable = [
        {"of": who, "measure": name} | flat(measure)
        for who, measures in results["separability"].items()
        for name, measure in (measures or {}).items()
        if measure is not None
    ]
    columns = ["of", "measure", "value", "chance", "ci95_low", "ci95_high"]
    by_label = {"overall": results["snr_db"]["overall"]} | results["snr_db"]["by_label"]
    return {
        "structure": pd.DataFrame(structures),
        "separability": pd.DataFrame(separable, columns=columns),
        "snr_by_label": pd.DataFrame([{"label": k} | v for k, v in by_label.items()]),
        "snr_accuracy": pd.DataFrame([flat(b) for b in results["snr_accuracy"]["bins"]]),
    }


def _probed(probe):
    if probe is None:
        return "too few recordings"
    low, high = probe["ci95"]
    return f"{probe['value']:.3f} ({low:.3f} to {high:.3f}; chance {probe['chance']:.3f})"


def _explained(who, measures):
    share = measures["explained_variance"]
    return f"{who} explain {share['value']:.1%} of the variance (chance {share['chance']:.1%})."


def _link(correlation):
    if correlation is None:
        return "undefined"
    low, high = correlation["ci95"]
    if low > 0:
        words = "a stronger signal is read better"
    else:
        words = "a stronger signal is read worse" if high < 0 else "no clear link"
    return f"{words} (correlation {correlation['value']:+.2f}, {low:+.2f} to {high:+.2f})"
