"""Many small trainings at once: the runs' parameters are stacked, and one batched product serves them all.

Runs stay independent: each has its own task weights, initial weights, rows and noise. The sum of their
losses has for every run's parameters that run's gradient, and Adam works element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state

from sharewise.data.catalog import synthetic
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.streams import stream
from sharewise.tasks import InputSpec, TaskSet

DIM, BATCH, TEST_ROWS, POINTS = 100, 128, 2_000, 25
TASKS = TaskSet(synthetic.TASKS)
INPUTS = InputSpec(bins=((-1.0, 1.0),) * DIM)


@dataclass(frozen=True)
class Cell:
    """Runs that differ by their seeds alone.

    Attributes:
        options: the model.
        p: the cosine of the two tasks' weights.
        learning_rate: of Adam.
        steps: of 128 fresh rows each.
        seeds: of the runs; equal seeds mean equal task weights and rows, so that cells are paired.
    """

    options: ModelOptions
    p: float
    learning_rate: float
    steps: int
    seeds: Sequence[int]


def labels(x: Tensor, weights: Tensor, noise: Tensor) -> Tensor:
    """Return the labels `[runs, rows, tasks]` of section 3.2; what `synthetic.sample` draws for one run."""
    dot = x @ weights.transpose(1, 2)
    return dot + synthetic.waves(dot) + synthetic.NOISE * noise


def train(cell: Cell) -> Tensor:
    """Return the test loss `[POINTS, runs]` over training time, as a share of the labels' variance."""
    models = [MultiTaskModel(TASKS, INPUTS, cell.options, seed=seed) for seed in cell.seeds]
    outputs, parameters = _stack(models)
    optimizer = torch.optim.Adam(parameters, lr=cell.learning_rate, fused=True)
    weights = torch.stack([synthetic.task_weights(cell.p, DIM, seed) for seed in cell.seeds]).float()
    test, test_labels = _draw(cell, weights, "test", TEST_ROWS)
    scale = test_labels.std(dim=1, keepdim=True)
    curve = []
    for step in range(cell.steps):
        x, y = _draw(cell, weights, step, BATCH)
        loss = (outputs(x) - y / scale).square().mean((1, 2)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) * POINTS // cell.steps > step * POINTS // cell.steps:
            with torch.no_grad():
                curve.append((outputs(test) - test_labels / scale).square().mean((1, 2)))
    return torch.stack(curve)


def _stack(models: Sequence[MultiTaskModel]) -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
    stacked, buffers = stack_module_state(list(models))
    parameters = {name: value.detach().requires_grad_() for name, value in stacked.items()}

    def one(values: dict[str, Tensor], fixed: dict[str, Tensor], x: Tensor) -> Tensor:
        result: Tensor = functional_call(models[0], (values, fixed), ({"numeric": x},))
        return result

    batched = torch.vmap(one)
    return lambda x: batched(parameters, buffers, x), list(parameters.values())


def _draw(cell: Cell, weights: Tensor, name: str | int, rows: int) -> tuple[Tensor, Tensor]:
    """Draw fresh rows for every run; the same for all structures and learning rates."""
    chance = stream(cell.seeds[0], "synthetic benchmark", name)
    runs = len(cell.seeds)
    x = torch.randn(runs, rows, DIM, generator=chance)
    return x, labels(x, weights, torch.randn(runs, rows, len(TASKS), generator=chance))
