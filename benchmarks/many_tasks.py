"""How a training step's time grows with the number of tasks, from 10 to 10,000, on disjoint data.

Claim: at 1,000 tasks a step takes at most 1.5 times what it takes at 10, for shared bottom, concat, add and
multiply.

A step is all of it: cutting the batch of 1,024 rows, forward, losses, backward, AdamW. The numbers of tasks
are interleaved, step by step, so that whatever else the machine does falls on all alike; a ratio is the
median of the ratios of neighbours in time.

Figures: `ms` (by structure and number of tasks), `ratio` (1,000 to 10, by structure) and
`ratio_1000_to_10`, the largest of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

import common
from sharewise.balance import Ask, make_balancer
from sharewise.data import Batch
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.streams import stream
from sharewise.tasks import InputSpec, Task, TaskSet
from sharewise.train import TrainOptions
from sharewise.train.loop import make_optimizer
from sharewise.train.objective import Objective

STRUCTURES = ("shared_bottom", "concat", "add", "multiply")
COUNTS = (10, 100, 1_000, 10_000)
ROWS, BATCH, NUMERIC, CARDINALITIES = 100_000, 1_024, 16, (50, 20, 10, 5)
BASE, CLAIMED = 10, 1_000


def make_rows(count: int) -> Batch:
    """Draw rows that each belong to one of `count` tasks."""
    chance = stream(0, "many tasks", count)
    columns = [torch.randint(n, (ROWS,), generator=chance) for n in CARDINALITIES]
    targets = torch.randn(ROWS, generator=chance)
    return Batch(
        {"categorical": torch.stack(columns, 1), "numeric": torch.randn(ROWS, NUMERIC, generator=chance)},
        targets,
        torch.ones(ROWS, dtype=torch.bool),
        torch.randint(count, (ROWS,), generator=chance),
    )


def make_step(structure: str, count: int) -> Callable[[], None]:
    """Return what takes one training step of a model with `count` tasks."""
    tasks = TaskSet(Task(f"task {i}", "regression") for i in range(count))
    edges = tuple(float(edge) for edge in torch.linspace(-2, 2, 5))
    model = MultiTaskModel(
        tasks,
        InputSpec(CARDINALITIES, (edges,) * NUMERIC),
        ModelOptions(sharing=structure, hidden=(128, 64), descriptor="index"),
    )
    optimizer = make_optimizer(model.parameter_groups(), TrainOptions())
    rows, objective, balancer = make_rows(count), Objective(tasks), make_balancer(tasks)
    chance = stream(0, "batches", count)

    def step() -> None:
        batch = rows.take(torch.randint(ROWS, (BATCH,), generator=chance))
        optimizer.zero_grad()
        weights = objective.weigh(batch)
        outputs = model(batch.inputs, batch.task)
        losses = objective.sums(outputs, batch, weights) * weights.factors
        balancer.step(Ask(losses, model.penalty()))
        optimizer.step()

    return step


def measure(structure: str, counts: tuple[int, ...], rounds: int) -> dict[int, list[float]]:
    """Return the milliseconds of `rounds` steps for every number of tasks, taken in turn."""
    steps = {count: make_step(structure, count) for count in counts}
    times: dict[int, list[float]] = {count: [] for count in counts}
    for turn in range(-10, rounds):  # the first ten warm up
        for count, step in steps.items():
            began = time.perf_counter()
            step()
            if turn >= 0:
                times[count].append(1e3 * (time.perf_counter() - began))
    return times


def ratio(times: dict[int, list[float]]) -> dict[str, float]:
    """Return the spread of the ratios of a step with 1,000 tasks to its neighbour with 10."""
    pairs = zip(times[CLAIMED], times[BASE], strict=True)
    return common.spread([many / few for many, few in pairs])


def main() -> None:
    arguments = common.parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=300, help="steps for each number of tasks")
    chosen = arguments.parse_args()
    common.start(chosen)
    rounds, counts = (30, (BASE, CLAIMED)) if chosen.quick else (chosen.rounds, COUNTS)
    figures: dict[str, Any] = {"ms": {}, "ratio": {}}
    for structure in STRUCTURES:
        times = measure(structure, counts, rounds)
        figures["ms"][structure] = {str(count): common.spread(values) for count, values in times.items()}
        figures["ratio"][structure] = ratio(times)
        common.say(f"{structure}: 1,000 to 10 tasks {figures['ratio'][structure]['median']:.2f}")
    figures["ratio_1000_to_10"] = max(r["median"] for r in figures["ratio"].values())
    common.finish(figures)


if __name__ == "__main__":
    main()
