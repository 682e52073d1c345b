"""Temperature scaling: confidence that means what it says (Guo et al., ICML 2017)."""

import numpy as np


def fit_temperature(logits, targets):
    """The temperature of least loss, within 0.2 to 5.

    logits: float (n, labels), an array or a tensor on the CPU; targets: int (n,). Fit it on
    people that the model was not trained on.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits, rows = np.asarray(logits, np.float64), np.arange(len(targets))
    targets = np.asarray(targets)
    result = minimize_scalar(
        lambda t: -log_softmax(logits / np.exp(t), axis=1)[rows, targets].mean(),
        bounds=(np.log(0.2), np.log(5)),
        method="bounded",
    )
    return float(np.exp(result.x))
