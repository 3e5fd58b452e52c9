"""Destinations that no row of training ever had: models told where a place is, against one that is not.

Claim: none in figures; it reports what descriptors are worth. Every destination of the New York flights is a
task, described by latitude, longitude, altitude, mean distance and time zone. The destinations with at least
500 flights are cut into disjoint folds of 20; a fold is held out whole, from training and validation, and
tested on days after both. Its flights are predicted by

* `pooled`: one network for all destinations, which is not told them;
* `concat`, `add`, `multiply`: the same network conditioned on the descriptor.

All have one head; inputs that would name the destination are left out. Each fold and structure tries two
learning rates with the first seed and keeps the one that is better on the validation split.

Intervals are those of `sharewise.compare`: over seeds, and over held-out destinations as clusters of rows.
Over all folds together, a seed's value is its mean over folds, and the clusters are all destinations.

Figures: `<label>.<structure>` with `mean` (over folds and seeds) and `minus_pooled` (with interval, verdict);
`<label>.folds` holds every fold's destinations, values and intervals.
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
    if len(frame) != len(data.unseen):
        raise RuntimeError(
            f"{len(frame)} flights to held-out destinations, but {len(data.unseen)} rows of them"
        )
    return Fold(data, frame["dest"].to_numpy().astype(str)[data.unseen.mask.numpy()])


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
    test, task = fold.data.unseen, fold.data.tasks[0]
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


def minus_pooled(samples: dict[str, Sample]) -> dict[str, dict[str, Any]]:
    """Return what every structure differs by from the pooled network."""
    found = compare_samples({name: {"label": own} for name, own in samples.items()}, POOLED)
    return {
        d.structure: {"mean": d.difference, "low": d.low, "high": d.high, "verdict": d.verdict} for d in found
    }


def together(samples: list[Sample]) -> Sample:
    """Return the mean over disjoint folds: what a cluster contributes to it is its part of its own fold's."""
    values = np.mean([sample.values for sample in samples], axis=0)
    return Sample(values, np.concatenate([sample.units / len(samples) for sample in samples], axis=1))


def measure(chosen: Any, label: str) -> dict[str, Any]:
    """Return the figures of one label."""
    folds, samples = [], []
    for number in range(chosen.folds):
        fold = fold_of(label, number)
        trained = {name: sample(fold, name, chosen.seeds, chosen.epochs) for name in STRUCTURES}
        samples.append({name: own for name, (own, _) in trained.items()})
        folds.append(
            {
                "destinations": sorted(set(fold.destinations.tolist())),
                "flights": len(fold.destinations),
                "values": {name: own.values.tolist() for name, own in samples[-1].items()},
                "rates": {name: rate for name, (_, rate) in trained.items()},
                "minus_pooled": minus_pooled(samples[-1]),
            }
        )
        common.say(f"{label}, fold {number}: {folds[-1]['minus_pooled']}")
    overall = {name: together([fold[name] for fold in samples]) for name in STRUCTURES}
    found: dict[str, Any] = {name: {"mean": float(own.values.mean())} for name, own in overall.items()}
    for name, difference in minus_pooled(overall).items():
        found[name]["minus_pooled"] = difference
    return {**found, "folds": folds}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--folds", type=int, default=3, help="at most 3")
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=list(LABELS))
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.seeds, chosen.epochs, chosen.folds, chosen.labels = 2, 1, 1, ["air_time"]
    common.finish({label: measure(chosen, label) for label in chosen.labels})


if __name__ == "__main__":
    main()
