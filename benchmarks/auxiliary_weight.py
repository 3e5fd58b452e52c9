"""Tuned weights of auxiliary tasks on real data: do they beat the main task alone, and a grid?

Claim: none in advance; it reports. Census-income: the main task is income over 50,000 dollars, with few
labels. Every training row has three auxiliary labels: never married, been to college, and a coin's toss,
which can help nobody.
Contenders, all of one network and one training:

* `alone`: the main task;
* `equal`: all weights 1;
* `grid`: one weight for all auxiliary tasks, of GRID, the best on the validation split: the baseline to beat;
* `unrolled`, `implicit`: `sharewise.study.tune_task_weights` by either method, then a fresh network.

The validation split has as many rows as the training split has main labels. It tunes, and chooses the epoch
by the main task, for all contenders; the test split judges. A seed draws split, coins and initial weights.

Figures: `<contender>` with `auc` (test, mean over seeds) and `minus_alone`, `minus_equal`, `minus_grid`
(paired by seed, Student's interval); `weights` by seed for the tuned ones.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
import polars as pl

import common
from sharewise.balance import make_balancer
from sharewise.data import ColumnSplit, Features, Table
from sharewise.data.catalog import census
from sharewise.meta.bilevel import Adam, ConjugateGradient, Implicit, Method, TuneOptions, Unrolled
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.study import TaskWeightOptions, judged_by, tune_task_weights
from sharewise.tasks import Task
from sharewise.train import TrainOptions, evaluate, fit

MAIN = "income"
TASKS = (census.INCOME, census.NEVER_MARRIED, census.COLLEGE_TASK, Task("coin", "binary", "coin"))
GRID = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)
RATE = 3e-3
METHODS: dict[str, Method] = {
    "unrolled": Unrolled(Adam(RATE), steps=5),
    "implicit": Implicit(Adam(RATE), steps=5, solver=ConjugateGradient(10), damping=0.1),
}


def table(chosen: Namespace, seed: int) -> Table:
    """Return the census with the main label on a few rows of the training and validation splits."""
    entry = census.load(train_rows=chosen.rows, seed=seed)
    frame = entry.frame.lazy().collect()
    rng = np.random.default_rng(seed)
    rank = pl.Series(rng.permutation(len(frame)))
    frame = frame.with_columns(coin=pl.Series(rng.random(len(frame)) < 0.5), rank=rank)
    place = pl.col("rank").rank().over("split")
    frame = frame.with_columns(shown=(pl.col("split") == "test") | (place <= chosen.labelled))
    shown = pl.col("shown")
    frame = frame.filter(shown | (pl.col("split") == "train"))
    income = pl.when(shown).then(pl.col("income_50k"))
    features = Features(keep=entry.features.keep, kinds=entry.features.kinds)
    return Table(frame.with_columns(income_50k=income), TASKS, split=ColumnSplit("split"), features=features)


def build(data: Table, seed: int) -> MultiTaskModel:
    """Return the network."""
    options = ModelOptions(sharing="shared_bottom", hidden=(64, 32), dropout=0.1)
    return MultiTaskModel(data.tasks, data.schema.inputs, options, seed=seed)


def judge(chosen: Namespace, data: Table, weights: dict[str, float], seed: int) -> tuple[float, float]:
    """Train with these weights; return the main task's best validation gain, and its test AUC."""
    model = build(data, seed)
    options = TrainOptions(
        epochs=chosen.epochs, batch_size=512, learning_rate=RATE, patience=None, seed=seed, precision="fp32"
    )
    balancer = make_balancer(data.tasks, "fixed", weights=weights)
    score = fit(model, judged_by(data, MAIN), options, balancer=balancer).best_score
    found = evaluate(model, data.test, data.tasks).tasks
    return score, found[data.tasks.names.index(MAIN)].metrics["auc"]


def common_weight(data: Table, value: float) -> dict[str, float]:
    """Return weights of 1 for the main task and this one for the others."""
    return {name: 1.0 if name == MAIN else value for name in data.tasks.names}


def one(chosen: Namespace, seed: int) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return every contender's test AUC with one seed, and the weights that were found."""
    data = table(chosen, seed)
    grid = {value: judge(chosen, data, common_weight(data, value), seed) for value in GRID}
    best = max(grid, key=lambda value: grid[value][0])
    found = {"alone": grid[0.0][1], "equal": grid[1.0][1], "grid": grid[best][1]}
    weights = {"grid": common_weight(data, best)}
    for name, method in METHODS.items():
        options = TaskWeightOptions(
            method=method, tune=TuneOptions(rounds=chosen.rounds, rate=0.1), batch_size=512, seed=seed
        )
        weights[name] = tune_task_weights(build(data, seed), data, MAIN, options).weights
        found[name] = judge(chosen, data, weights[name], seed)[1]
    common.say(f"seed {seed}: {found} {weights}")
    return found, weights


def main() -> None:
    """Measure and print."""
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000, help="training rows")
    parser.add_argument("--labelled", type=int, default=1_000, help="of them with the main label")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=60)
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.seeds, chosen.rows, chosen.epochs, chosen.rounds = 2, 5_000, 2, 5
    runs = [one(chosen, seed) for seed in range(chosen.seeds)]
    values = {name: np.array([found[name] for found, _ in runs]) for name in runs[0][0]}
    figures: dict[str, Any] = {}
    for name, own in values.items():
        figures[name] = {"auc": float(own.mean())}
        for other in ("alone", "equal", "grid"):
            if other != name:
                figures[name][f"minus_{other}"] = common.paired(own - values[other])
        if name in runs[0][1]:
            figures[name]["weights"] = [weights[name] for _, weights in runs]
    common.finish({**figures, "labelled": chosen.labelled, "rows": chosen.rows, "seeds": chosen.seeds})


if __name__ == "__main__":
    main()
