"""Do predictions mean what they say? Mean prediction against mean label, by tenths of the predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from sharewise.study.runner import Predicted
from sharewise.tasks import Task
from sharewise.tasks.metrics import Array

BINS = 10
#: Of the residuals, label minus prediction.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def calibration(task: Task, predicted: Predicted) -> dict[str, Any]:
    """Return a task's calibration for JSON.

    Binary tasks compare probabilities with shares of positive labels; tasks with classes, the probability of
    the likeliest class with how often it is right. Other kinds compare means, and have residual quantiles.

    Returns:
        ``{"type": "probability" | "mean", "bins": [{"predicted", "observed", "rows"}], "residuals"?: {...}}``
    """
    predictions, targets = predicted.predictions[:, 0], predicted.targets
    if not len(targets):
        return {"type": "mean", "bins": []}
    if task.kind.categorical:
        right = (predicted.predictions.argmax(1) == targets).astype(np.float64)
        return {"type": "probability", "bins": bins(predicted.predictions.max(1), right, predicted.weights)}
    found = bins(predictions, targets, predicted.weights)
    if task.kind.name == "binary":
        return {"type": "probability", "bins": found}
    residuals = np.quantile(targets - predictions, QUANTILES)
    return {
        "type": "mean",
        "bins": found,
        "residuals": {f"{q:g}": float(r) for q, r in zip(QUANTILES, residuals, strict=True)},
    }


def bins(predictions: Array, targets: Array, weights: Array) -> list[dict[str, float]]:
    """Return weighted means of predictions and labels in at most ten groups of about equal size."""
    edges = np.unique(np.quantile(predictions, np.linspace(0, 1, BINS + 1)[1:-1]))
    group = np.searchsorted(edges, predictions, side="right")
    rows, total = np.bincount(group), np.bincount(group, weights)
    kept = total > 0
    sums = (np.bincount(group, weights * values) for values in (predictions, targets))
    means = [values[kept] / total[kept] for values in sums]
    return [
        {"predicted": float(p), "observed": float(o), "rows": int(n)}
        for p, o, n in zip(*means, rows[kept], strict=True)
    ]
