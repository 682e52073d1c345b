"""Features of an autoregressive model, and of its cepstrum."""

import numpy as np

from emg_llm.signal.bank.block import Feature

ORDER = 4


def _coefficient(place):
    return lambda block: block.prediction[place - 1]


def _cepstral(place):
    return lambda block: cepstrum(block.prediction)[place - 1]


def cepstrum(a: np.ndarray) -> np.ndarray:
    """Cepstral coefficients c[1] … c[order] of an autoregressive model a, both (order, rows)."""
    c = np.array(a)
    for p in range(2, len(a) + 1):
        for q in range(1, p):
            c[p - 1] += (1 - q / p) * a[q - 1] * c[p - q - 1]
    return c


AUTOREGRESSIVE = tuple(
    Feature(
        f"ar{p}",
        f"autoregressive coefficient {p}",
        "1",
        f"a[{p}] of x[i] = Σ a[p] x[i−p] + w[i], order {ORDER}, fitted by Burg's method",
        "Graupe 1975",
        _coefficient(p),
    )
    for p in range(1, ORDER + 1)
)
CEPSTRAL = tuple(
    Feature(
        f"cc{p}",
        f"cepstral coefficient {p}",
        "1",
        f"c[{p}]; c[p] = a[p] + Σ (1 − q/p) a[q] c[p−q] over 1 ≤ q < p",
        "Kang 1995",
        _cepstral(p),
    )
    for p in range(1, ORDER + 1)
)
