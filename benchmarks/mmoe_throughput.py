"""Training speed and AUC of an MMoE on census-income: Sharewise, DeepCTR-Torch and torch-rechub in one run.

Claim: at the small size at least 3 times the rows a second of DeepCTR-Torch and 5 times those of
torch-rechub, at the wide size 2 and 3 times, with an income AUC no lower than either's after 3 and after 10
epochs.

All train the same model on the same encoded rows: 70,000 rows, 31 categorical and 7 numeric inputs,
embedding 8, 8 experts, 2 tasks, batches of 1,024, Adam at 1e-3. They take turns epoch by epoch: Sharewise's
`fit` trains an epoch, and when it reports it, the peers train theirs, on the same device. Preparing the data
and evaluating count for nobody. A ratio is the median of the ratios of epochs that are neighbours in time.

The wide size's ratios need a processor that multiplies in bf16 (`detail.wide.precision` says what
was used): in fp32 all three are bound by the same products.

The peers are not part of Sharewise; `peers.py` says how to install them.

Figures: `<size>.ratio_deepctr`, `<size>.ratio_rechub`, `auc.<system>.<size>.<epochs>` (means over seeds),
and under `detail` the rows a second, the spreads and the numbers of parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from peers import Columns, DeepCTR, Problem, Rechub, Size, System
from sklearn.metrics import roc_auc_score

import common
from sharewise.data import Batch, Table, catalog
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.tasks import TaskSet
from sharewise.train import Progress, TrainOptions, fit
from sharewise.train.devices import choose_precision, device_of

SIZES = {"small": Size(expert=(16,), tower=(8,)), "wide": Size(expert=(256, 128), tower=(64,))}
PEERS: dict[str, Callable[[Problem, Size, int, str], System]] = {"deepctr": DeepCTR, "rechub": Rechub}
NAMES = ("sharewise", *PEERS)
INCOME = 0


def problem_of(data: Table) -> Problem:
    """Return the table's encoded rows as the columns that the peers take."""
    categorical = [v.column for v in data.schema.vocabularies]
    numeric = tuple(s.column for s in data.schema.scalings)

    def columns(batch: Batch) -> Columns:
        ids, numbers = batch.inputs["categorical"].numpy(), batch.inputs["numeric"].numpy()
        found: Columns = {name: ids[:, i].copy() for i, name in enumerate(categorical)}
        return {**found, **{name: numbers[:, i].copy() for i, name in enumerate(numeric)}}

    sizes = dict(zip(categorical, data.schema.inputs.cardinalities, strict=True))
    labels = data.train.targets.numpy(), data.test.targets.numpy()
    return Problem(columns(data.train), columns(data.test), *labels, sizes, numeric, data.tasks.names)


@dataclass(frozen=True)
class Rows:
    """What `fit` needs of a table, with next to no rows to validate on: nobody's evaluation counts."""

    tasks: TaskSet
    train: Batch
    valid: Batch

    def digest(self) -> str:
        return ""


class Race(Progress):
    """Hears of every epoch of Sharewise, times it, and lets the peers train theirs."""

    def __init__(self, model: MultiTaskModel, data: Table, peers: dict[str, System], marks: set[int]) -> None:
        self.model, self.data, self.peers, self.marks = model, data, peers, marks
        self.seconds: dict[str, list[float]] = {name: [] for name in NAMES}
        self.auc: dict[str, dict[int, float]] = {name: {} for name in NAMES}
        self._began = 0.0

    def start(self, steps: int, done: int) -> None:
        self._began = time.perf_counter()

    def evaluated(self, record: Mapping[str, Any]) -> None:
        self.seconds["sharewise"].append(time.perf_counter() - self._began)
        for name, peer in self.peers.items():
            began = time.perf_counter()
            peer.train_epoch()
            self.seconds[name].append(time.perf_counter() - began)
        if len(self.seconds["sharewise"]) in self.marks:
            self._score()
        self._began = time.perf_counter()

    def _score(self) -> None:
        epoch, labels = len(self.seconds["sharewise"]), self.data.test.targets[:, INCOME].numpy()
        scores = {name: peer.scores()[:, INCOME] for name, peer in self.peers.items()}
        self.model.eval()
        with torch.no_grad():
            inputs = self.data.test.to(str(device_of(self.model))).inputs
            scores["sharewise"] = self.model(inputs)[:, INCOME].cpu().numpy()
        self.model.train()
        for name, score in scores.items():
            self.auc[name][epoch] = float(roc_auc_score(labels, score))


def race(
    data: Table, size: Size, seed: int, epochs: int, marks: set[int], device: str
) -> tuple[Race, dict[str, int], str]:
    """Train all three for some epochs; return times and AUCs, parameters, Sharewise's precision."""
    problem = problem_of(data)
    peers = {name: make(problem, size, seed, device) for name, make in PEERS.items()}
    options = ModelOptions(
        sharing="mmoe",
        hidden=size.expert,
        tower=size.tower,
        experts=size.experts,
        embedding=size.embedding,
        numeric="linear",
    )
    model = MultiTaskModel(data.tasks, data.schema.inputs, options, seed=seed)
    course = Race(model, data, peers, marks)
    training = TrainOptions(
        epochs=epochs,
        batch_size=size.batch,
        learning_rate=size.learning_rate,
        patience=None,
        device=device,
        seed=seed,
    )
    fit(model, Rows(data.tasks, data.train, data.valid.take(slice(0, 64))), training, progress=course)
    parameters = {name: peer.parameters() for name, peer in peers.items()}
    precision = choose_precision(training.precision, torch.device(device), model)
    return course, {"sharewise": model.cost().parameters, **parameters}, precision


def measure(data: Table, size: Size, seeds: int, epochs: int, marks: set[int], device: str) -> dict[str, Any]:
    """Return rows a second, ratios and AUCs of one size over all seeds."""
    runs = [race(data, size, seed, epochs, marks, device) for seed in range(seeds)]
    seconds = {name: [s for course, *_ in runs for s in course.seconds[name]] for name in NAMES}
    rows = len(data.train)
    return {
        "rows_per_second": {n: common.spread([rows / s for s in values]) for n, values in seconds.items()},
        "ratio": {
            name: common.spread(np.divide(seconds[name], seconds["sharewise"]).tolist()) for name in PEERS
        },
        "auc": {
            name: {str(mark): [course.auc[name][mark] for course, *_ in runs] for mark in sorted(marks)}
            for name in NAMES
        },
        "parameters": runs[0][1],
        "precision": runs[0][2],
    }


def figures_of(detail: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Put the figures that the claim names on top."""
    ratios = {
        size: {f"ratio_{name}": found["ratio"][name]["median"] for name in PEERS}
        for size, found in detail.items()
    }
    auc = {
        name: {
            size: {mark: float(np.mean(values)) for mark, values in found["auc"][name].items()}
            for size, found in detail.items()
        }
        for name in NAMES
    }
    return {**ratios, "auc": auc, "detail": detail}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--sizes", nargs="+", choices=tuple(SIZES), default=list(SIZES))
    parser.add_argument("--device", default="cpu", help="for all three; their data stay in memory")
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.seeds, chosen.epochs = 1, 3
    marks = {3, 10} & set(range(1, chosen.epochs + 1)) | {chosen.epochs}
    entry = catalog.load("census-income")
    data = Table.from_catalog(replace(entry, features=replace(entry.features, min_count=1)))
    detail = {}
    for name in chosen.sizes:
        detail[name] = measure(data, SIZES[name], chosen.seeds, chosen.epochs, marks, chosen.device)
        common.say(f"{name}: {detail[name]['ratio']}")
    common.finish({**figures_of(detail), "device": chosen.device})


if __name__ == "__main__":
    main()
