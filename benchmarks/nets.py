"""Networks under a small random search, one network for all tasks: the other half of `trees.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sharewise.data import Table
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.train import Evaluation, TrainOptions, evaluate, fit, fit_constant


@dataclass(frozen=True)
class Trial:
    """One training: what it was, and how it did."""

    structure: str
    drawn: dict[str, Any]
    score: float
    valid: dict[str, float]
    test: dict[str, float]


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the hyper-parameters of one trial; equal draws for all structures."""
    return {
        "numeric": str(rng.choice(["bins", "bins", "linear"])),
        "hidden": (64, 64) if rng.random() < 0.5 else (128, 64),
        "dropout": float(rng.choice([0.1, 0.2, 0.3])),
        "learning_rate": float(np.exp(rng.uniform(np.log(1e-3), np.log(5e-3)))),
        "weight_decay": float(rng.choice([1e-3, 1e-2, 1e-1])),
    }


def train(data: Table, structure: str, drawn: dict[str, Any], epochs: int, seed: int) -> Trial:
    """Train one network for all tasks and evaluate it; it stops early on the validation split."""
    chosen = dict(drawn)
    rate, decay = chosen.pop("learning_rate"), chosen.pop("weight_decay")
    options = ModelOptions(sharing=structure, experts=6, **chosen)
    model = MultiTaskModel(data.tasks, data.schema.inputs, options, seed=seed)
    training = TrainOptions(
        epochs=epochs,
        batch_size=2048,
        learning_rate=rate,
        weight_decay=decay,
        schedule="cosine",
        patience=3,
        evals_per_epoch=2,
        seed=seed,
    )
    fit(model, data, training)
    constant = fit_constant(data.train, data.tasks)
    valid = evaluate(model, data.valid, data.tasks, constant=constant)
    test = evaluate(model, data.test, data.tasks)
    return Trial(structure, drawn, valid.score, _primary(valid), _primary(test))


def search(data: Table, structure: str, trials: int, epochs: int, seed: int = 0) -> list[Trial]:
    """Train `trials` networks of a structure."""
    rng = np.random.default_rng(seed)
    return [train(data, structure, draw(rng), epochs, seed) for _ in range(trials)]


def best(trials: list[Trial], task: str) -> Trial:
    """Return the trial with the best validation metric of a task."""
    return max(trials, key=lambda trial: trial.valid[task])


def _primary(found: Evaluation) -> dict[str, float]:
    return {task.name: float(task.effect.value) for task in found.tasks}
