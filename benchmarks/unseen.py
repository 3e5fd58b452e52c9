"""Destinations that no row of training ever had: models told where a place is, against one that is not.

Claim: none in figures; it reports what descriptors are worth. Every destination of the New York flights is a
task, described by latitude, longitude, altitude, mean distance and time zone. The destinations with at least
500 flights are cut into disjoint folds of 20; a fold is held out whole, from training and validation, and
tested on days after both. Its flights are predicted by

* `pooled`: one network for all destinations, which is not told them;
* `concat`, `add`, `multiply`: the same network conditioned on the descriptor.

All have one head; inputs that would name the destination are left out. Each fold and structure tries two
learning rates with the first seed and keeps the one that is better on the validation split.

An interval within a fold is that of `sharewise.compare`: over seeds, and over held-out destinations as
clusters of rows. The last one, over folds, is Student's on the folds' mean differences.

Figures: `<label>.<structure>` with `mean` (over folds and seeds), `minus_pooled` (mean, low, high over
folds), and `folds`, each with its destinations, values and intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import common
from sharewise.data import Table, catalog
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.study.statistics import Sample, compare_samples, contributions
from sharewise.tasks.metrics import Effect
from sharewise.train import TrainOptions, fit, predict

POOLED = "pooled"
STRUCTURES = {POOLED: "shared_bottom", "concat": "concat", "add": "add", "multiply": "multiply"}
LABELS = ("air_time", "late_arrival", "cancelled")
RATES = (2e-3, 4e-3)


@dataclass(frozen=True)
class Fold:
    """A table whose test rows are those of the held-out destinations, and the labelled rows' destinations."""

    data: Table
    destinations: NDArray[np.str_]


def fold_of(label: str, number: int) -> Fold:
    """Return the fold's table."""
    entry = catalog.load("flights-by-destination", label=label, held_out=20, fold=number)
    data = Table.from_catalog(entry)
    frame = entry.frame.lazy().filter(pl.col("split") == "test").select("dest").collect()
    if len(frame) != len(data.test):
        raise RuntimeError(f"{len(frame)} flights to held-out destinations, but {len(data.test)} test rows")
    return Fold(data, frame["dest"].to_numpy().astype(str)[data.test.mask.numpy()])


def train(data: Table, structure: str, rate: float, seed: int, epochs: int) -> tuple[MultiTaskModel, float]:
    """Train a network; return it with its best score on the validation split."""
    options = ModelOptions(
        sharing=STRUCTURES[structure],
        descriptor="index" if structure == POOLED else "attributes",
        head="per_kind",
        numeric="bins",
        hidden=(64, 64),
        dropout=0.2,
    )
    model = MultiTaskModel(data.tasks, data.schema.inputs, options, seed=seed)
    training = TrainOptions(
        epochs=epochs,
        batch_size=2048,
        learning_rate=rate,
        schedule="cosine",
        weight_decay=1e-2,
        evals_per_epoch=2,
        seed=seed,
        device="cpu",
    )
    return model, fit(model, data, training).best_score


def effect(model: MultiTaskModel, fold: Fold) -> Effect:
    """Return the label's primary metric over all flights to held-out destinations."""
    test, task = fold.data.test, fold.data.tasks[0]
    predictions = predict(model, test.inputs, fold.data.tasks, descriptor=test.descriptor)[test.mask]
    labels = test.targets[test.mask].double().numpy()
    if task.kind.standardised:
        labels = labels * task.scale + task.mean
    return task.kind.effect(predictions.double().numpy(), labels, np.ones(len(labels)))


def sample(fold: Fold, structure: str, seeds: int, epochs: int) -> tuple[Sample, float]:
    """Train a structure with every seed; return its metric on the held-out destinations, and its rate."""
    trials = [(*train(fold.data, structure, rate, 0, epochs), rate) for rate in RATES]
    model, _, rate = max(trials, key=lambda trial: trial[1])
    models = [model, *(train(fold.data, structure, rate, seed, epochs)[0] for seed in range(1, seeds))]
    effects = [effect(model, fold) for model in models]
    units = [contributions(effect.influence, fold.destinations) for effect in effects]
    return Sample(np.array([effect.value for effect in effects]), np.stack(units)), rate


def measure_fold(label: str, number: int, seeds: int, epochs: int) -> dict[str, Any]:
    """Return the figures of one fold."""
    fold = fold_of(label, number)
    found = {structure: sample(fold, structure, seeds, epochs) for structure in STRUCTURES}
    compared = compare_samples({name: {label: own} for name, (own, _) in found.items()}, POOLED)
    return {
        "destinations": sorted(set(fold.destinations.tolist())),
        "flights": len(fold.destinations),
        "values": {name: own.values.tolist() for name, (own, _) in found.items()},
        "rates": {name: rate for name, (_, rate) in found.items()},
        "minus_pooled": {
            d.structure: {"mean": d.difference, "low": d.low, "high": d.high, "verdict": d.verdict}
            for d in compared
        },
    }


def measure(chosen: Any, label: str) -> dict[str, Any]:
    """Return the figures of one label."""
    folds = []
    for number in range(chosen.folds):
        folds.append(measure_fold(label, number, chosen.seeds, chosen.epochs))
        common.say(chosen, f"{label}, fold {number}: {folds[-1]['minus_pooled']}")
    found: dict[str, Any] = {}
    for structure in STRUCTURES:
        found[structure] = {"mean": float(np.mean([fold["values"][structure] for fold in folds]))}
        if structure != POOLED:
            gains = [fold["minus_pooled"][structure]["mean"] for fold in folds]
            found[structure]["minus_pooled"] = common.paired(gains)
    return {**found, "folds": folds}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--folds", type=int, default=4, help="at most 4")
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=list(LABELS))
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.seeds, chosen.epochs, chosen.folds, chosen.labels = 2, 1, 1, ["air_time"]
    common.finish({label: measure(chosen, label) for label in chosen.labels})


if __name__ == "__main__":
    main()
