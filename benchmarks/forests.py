"""Gradient-boosted trees, one model a task: scikit-learn's HistGradientBoosting under a small random search.

Every trial is fitted on the training split; its number of trees is the one that is best on the validation
split and the trial that is kept is the best there too. The test split is looked at once, with that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from sharewise.data.catalog import CatalogEntry
from sharewise.tasks import Kind, Task

Array = NDArray[np.float64]
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Tables:
    """Inputs by split, `[rows, columns]`, and which of the columns are categories."""

    inputs: dict[str, Array]
    categorical: list[int]
    frames: dict[str, pl.DataFrame]


def tables(entry: CatalogEntry) -> Tables:
    """Code categories by their rank; gaps stay gaps: trees take both as they are."""
    frame = entry.frame.lazy().collect()
    keep, kinds = entry.features.keep, entry.features.kinds
    coded = frame.select(
        pl.col(name).cast(pl.String).rank("dense") - 1
        if kinds[name] == "categorical"
        else pl.col(name).cast(pl.Float64)
        for name in keep
    )
    inputs = coded.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    split = entry.split.assign(frame)
    rows = {name: (split == name).to_numpy() for name in SPLITS}
    return Tables(
        {name: inputs[chosen] for name, chosen in rows.items()},
        [i for i, name in enumerate(keep) if kinds[name] == "categorical"],
        {name: frame.filter(chosen) for name, chosen in rows.items()},
    )


def observed(data: Tables, split: str, task: Task) -> tuple[Array, Array]:
    """Return inputs and labels of the rows whose label is observed."""
    labels = data.frames[split].select(pl.sql_expr(task.label).cast(pl.Float64).alias("y"))["y"]
    there = labels.is_not_null().to_numpy()
    return data.inputs[split][there], labels.drop_nulls().to_numpy()


def trial(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the hyper-parameters of one trial."""
    return {
        "learning_rate": float(np.exp(rng.uniform(np.log(0.02), np.log(0.2)))),
        "max_leaf_nodes": int(rng.choice([7, 15, 31, 63])),
        "min_samples_leaf": int(rng.choice([20, 50, 200])),
        "l2_regularization": float(rng.choice([0.0, 1.0, 10.0])),
        "max_features": float(rng.choice([0.3, 0.6, 1.0])),
    }


def fit(task: Task, data: Tables, options: dict[str, Any], trees: int, seed: int) -> Any:
    """Fit the trees of one trial."""
    common = {
        **options,
        "max_iter": trees,
        "categorical_features": data.categorical,
        "early_stopping": False,
        "random_state": seed,
    }
    if task.kind.name == "binary":
        model: Any = HistGradientBoostingClassifier(**common)
    else:
        model = HistGradientBoostingRegressor(
            loss="poisson" if task.kind.name == "count" else "squared_error", **common
        )
    return model.fit(*observed(data, "train", task))


def staged(model: Any, inputs: Array) -> Iterator[Array]:
    """Yield the predictions with 10, 20, 30... trees."""
    stages = model.staged_predict_proba if hasattr(model, "staged_predict_proba") else model.staged_predict
    for i, predictions in enumerate(stages(inputs), start=1):
        if i % 10 == 0:
            yield predictions[:, 1] if predictions.ndim == 2 else predictions


def effect(kind: Kind, predictions: Array, labels: Array) -> float:
    """Return the kind's primary metric: the one that verdicts use, on the label's own scale."""
    return float(kind.effect(predictions.reshape(-1, 1), labels, np.ones(len(labels))).value)


def search(task: Task, data: Tables, trials: int, trees: int, seed: int = 0) -> dict[str, Any]:
    """Return the test and validation metric of the best of `trials`, with its hyper-parameters."""
    rng = np.random.default_rng(seed)
    best: dict[str, Any] = {"valid": -np.inf}
    valid_inputs, valid_labels = observed(data, "valid", task)
    for _ in range(trials):
        options = trial(rng)
        model = fit(task, data, options, trees, seed)
        scores = [effect(task.kind, p, valid_labels) for p in staged(model, valid_inputs)]
        stage = int(np.argmax(scores))
        if scores[stage] > best["valid"]:
            best = {"valid": scores[stage], "trees": 10 * (stage + 1), **options, "model": model}
    test_inputs, test_labels = observed(data, "test", task)
    predictions = list(staged(best.pop("model"), test_inputs))[best["trees"] // 10 - 1]
    return {"test": effect(task.kind, predictions, test_labels), **best}
