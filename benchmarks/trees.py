"""Sharewise's networks against gradient-boosted trees, per task, on flights and census-income, tuned alike.

Claim: the best structure is, on every binary task, ahead of scikit-learn's HistGradientBoosting or within
0.01 AUC.

Both sides get the same number of random trials, on the same columns and splits: the trees for every task
alone, the networks for every structure, with all tasks in one network. Trials are chosen by the validation
split; the test split is looked at once. Metrics are those of verdicts: AUC, R², D².

The networks are chosen in two ways. `one_net` is the single network, of the best structure, with the best
validation score over all tasks: what `sharewise compare` would keep. `net` is chosen anew for each task by
that task's validation metric, which is noisy where positives are few: October has 236 cancelled flights.

Figures: `<data>.tasks.<task>` with `trees`, `net`, `structure`, `net_minus_trees`, `one_net_minus_trees` and
every structure's figure; `<data>.one_net`; `worst_binary`, the smallest one_net_minus_trees of binary tasks,
and `worst_binary_by_task`, the smallest net_minus_trees.
"""

from __future__ import annotations

import time
from typing import Any

import forests
import nets

import common
from sharewise.data import Table, catalog
from sharewise.tasks import Task

DATA = ("flights", "census-income")
STRUCTURES = ("independent", "shared_bottom", "mmoe")


def compare(
    task: Task, trees: dict[str, Any], trials: list[nets.Trial], overall: nets.Trial
) -> dict[str, Any]:
    """Return one task's figures: the trees', every structure's, and those of the networks that are chosen."""
    chosen = nets.best(trials, task.name)
    alone = {name: nets.best([t for t in trials if t.structure == name], task.name) for name in STRUCTURES}
    return {
        "kind": task.kind.name,
        "metric": task.kind.primary,
        "trees": trees["test"],
        "net": chosen.test[task.name],
        "structure": chosen.structure,
        "net_minus_trees": chosen.test[task.name] - trees["test"],
        "one_net_minus_trees": overall.test[task.name] - trees["test"],
        "structures": {name: trial.test[task.name] for name, trial in alone.items()},
        "trees_trial": {key: value for key, value in trees.items() if key != "test"},
        "net_trial": chosen.drawn,
    }


def measure(name: str, trials: int, trees: int, epochs: int) -> dict[str, Any]:
    """Return the figures of one data set."""
    entry = catalog.load(name)
    rows, data = forests.tables(entry), Table.from_catalog(entry)
    began = time.perf_counter()
    grown = {task.name: forests.search(task, rows, trials, trees) for task in entry.tasks}
    halfway = time.perf_counter()
    trained = [trial for s in STRUCTURES for trial in nets.search(data, s, trials, epochs)]
    overall = max(trained, key=lambda trial: trial.score)
    return {
        "tasks": {task.name: compare(task, grown[task.name], trained, overall) for task in entry.tasks},
        "one_net": {"structure": overall.structure, "test": overall.test, "trial": overall.drawn},
        "seconds": {"trees": halfway - began, "nets": time.perf_counter() - halfway},
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--trials", type=int, default=6, help="for every task (trees) or structure (nets)")
    parser.add_argument("--trees", type=int, default=300, help="the most trees of a model")
    parser.add_argument("--epochs", type=int, default=3, help="the most epochs of a network")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.trials, chosen.trees, chosen.epochs = 1, 50, 2
    figures: dict[str, Any] = {}
    for name in chosen.data:
        figures[name] = measure(name, chosen.trials, chosen.trees, chosen.epochs)
        for task, found in figures[name]["tasks"].items():
            common.say(f"{name} {task}: trees {found['trees']:.4f}, net {found['net']:.4f}")
    binary = [
        found
        for name in chosen.data
        for found in figures[name]["tasks"].values()
        if found["kind"] == "binary"
    ]
    worst = min(found["one_net_minus_trees"] for found in binary)
    by_task = min(found["net_minus_trees"] for found in binary)
    common.finish({**figures, "worst_binary": worst, "worst_binary_by_task": by_task})


if __name__ == "__main__":
    main()
