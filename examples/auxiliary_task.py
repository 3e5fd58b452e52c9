"""Hyper-parameters as theta: the weights of two auxiliary tasks, tuned on the main task's validation loss.

The main label is rare. One auxiliary label is its noisy proxy, on every row; the other counts something that
has nothing to do with it, loudly. Tuning should find which is which. The validation split tunes, and chooses
the epoch for every contender alike; the test split judges once, at the end.
"""

from __future__ import annotations

import argparse

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import t as student

import sharewise as sw
from sharewise.balance import make_balancer
from sharewise.meta.bilevel import Adam, TuneOptions, Unrolled
from sharewise.study import TaskWeightOptions, judged_by, tune_task_weights

ROWS, LABELLED, INPUTS = 500, 40, 12
#: Others than the settings were tried with.
FIRST_SEED = 100
TASKS = [sw.Task("main", "regression"), sw.Task("helpful", "regression"), sw.Task("harmful", "count")]
ALONE = {"main": 1.0, "helpful": 0.0, "harmful": 0.0}
EQUAL = {"main": 1.0, "helpful": 1.0, "harmful": 1.0}
TUNING = TaskWeightOptions(
    method=Unrolled(Adam(0.02), steps=4, truncate=2), tune=TuneOptions(rounds=40, rate=0.15), batch_size=250
)


def rows(seed: int) -> pl.DataFrame:
    """Three splits of ROWS rows; in the first two only LABELLED rows have the main label."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3 * ROWS, INPUTS))
    wave = np.sin(2 * x[:, 0]) + x[:, 0]
    other = x[:, 1:] @ np.linalg.qr(rng.normal(size=(INPUTS - 1, 3)))[0]
    main = wave + 0.3 * rng.normal(size=len(x))
    number = np.arange(len(x))
    hidden = (number < 2 * ROWS) & (number % ROWS >= LABELLED)
    return pl.DataFrame({f"x{i}": x[:, i] for i in range(INPUTS)}).with_columns(
        main=pl.Series(np.where(hidden, np.nan, main)).fill_nan(None),
        helpful=pl.Series(wave + 0.6 * rng.normal(size=len(x))),
        harmful=pl.Series(rng.poisson(np.exp(2.5 + 0.5 * np.sin(2 * other).sum(1)))),
        split=pl.Series(np.repeat(["train", "valid", "test"], ROWS)),
    )


def build(table: sw.Table, seed: int) -> sw.MultiTaskModel:
    options = sw.ModelOptions(sharing="shared_bottom", hidden=(3,))
    return sw.MultiTaskModel(table.tasks, table.schema.inputs, options, seed=seed)


def test_loss(table: sw.Table, weights: dict[str, float], seed: int) -> float:
    """Train a fresh network with these weights, its epoch chosen by the main task; judge it on test rows."""
    model = build(table, seed)
    options = sw.TrainOptions(epochs=40, batch_size=125, learning_rate=2e-2, patience=None, seed=seed)
    balancer = make_balancer(table.tasks, "fixed", weights=weights)
    sw.fit(model, judged_by(table, "main"), options, balancer=balancer)
    return sw.evaluate(model, table.test, table.tasks).losses["main"]


def interval(differences: NDArray[np.float64]) -> str:
    """Return the mean of paired differences with its 95 % interval."""
    reach = student.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / len(differences) ** 0.5
    return f"{differences.mean():+.3f} [{differences.mean() - reach:+.3f}, {differences.mean() + reach:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="two or more; about 2 s each (default: 3)")
    seeds = max(parser.parse_args().seeds, 2)
    weights, losses = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        table = sw.Table(rows(seed), TASKS, split=sw.ColumnSplit("split"))
        found = tune_task_weights(build(table, seed), table, "main", TUNING)
        weights.append([found.weights["helpful"], found.weights["harmful"]])
        losses.append([test_loss(table, own, seed) for own in (ALONE, EQUAL, found.weights)])
        print(f"seed {seed}: helpful {weights[-1][0]:.2f}, harmful {weights[-1][1]:.2f}")
    alone, equal, tuned = np.array(losses).T
    print(f"test loss: alone {alone.mean():.3f}, equal {equal.mean():.3f}, tuned {tuned.mean():.3f}")
    print(f"tuned minus alone {interval(tuned - alone)}, tuned minus equal {interval(tuned - equal)}")
    helpful, harmful = np.median(weights, axis=0)
    assert helpful > 1 > harmful
    assert tuned.mean() < min(alone.mean(), equal.mean())


if __name__ == "__main__":
    main()
