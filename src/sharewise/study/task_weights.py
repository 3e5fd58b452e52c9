"""Task weights as θ: how much each auxiliary task should count for the sake of one main task.

    inner(φ, w) = L_main + Σ wᵢ Lᵢ on training rows,   outer(φ) = L_main on validation rows,

tuned by `sharewise.meta.bilevel`. Learning auxiliary weights so is AuxiLearn's linear case (Navon et al.
2021, by implicit differentiation), and with one unrolled step the gradient similarity of OL-AUX (Lin et al.
2019): a task's weight grows where its gradient points down the main task's validation loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sharewise.data.batches import Batch
from sharewise.data.sampling import BatchSource
from sharewise.errors import ConfigError
from sharewise.meta.bilevel import (
    Adam,
    Bilevel,
    Method,
    Theta,
    TuneOptions,
    Unrolled,
    Values,
    Weights,
    load_weights,
    tune,
    weights_of,
)
from sharewise.meta.bilevel.tune import Record
from sharewise.nn import MultiTaskModel
from sharewise.streams import derive_seed
from sharewise.study.judged import judged_by, task_number
from sharewise.train.devices import device_of, fetch, resident, seed_chance
from sharewise.train.loop import Splits
from sharewise.train.objective import Objective

#: θ's only name.
NAME = "weights"


@dataclass(frozen=True)
class TaskWeightOptions:
    """How task weights are tuned.

    Args:
        method: inner steps and how they are differentiated.
        tune: rounds and the outer learning rate.
        start: weight of every auxiliary task at first; the main task's stays 1.
        batch_size: training rows of an inner step.
        valid_batch_size: validation rows of an outer step; all that have the main label, if there are fewer.
        seed: of the order of rows and of drop-out.

    Raises:
        ConfigError: for values that cannot be used.
    """

    method: Method = field(default_factory=lambda: Unrolled(Adam(0.01), steps=5))
    tune: TuneOptions = field(default_factory=lambda: TuneOptions(rounds=100, rate=0.05))
    start: float = 1.0
    batch_size: int = 256
    valid_batch_size: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.start < float("inf"):
            raise ConfigError(f"Auxiliary tasks start with weight {self.start}.", "Use a number from 0 on.")
        for name in ("batch_size", "valid_batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Option '{name}' is {getattr(self, name)}.", "Use at least 1.")


@dataclass(frozen=True)
class TaskWeights:
    """What came of it.

    Attributes:
        weights: by task name, for ``make_balancer(tasks, "fixed", weights=...)``; the main task's is 1.
        history: of `sharewise.meta.bilevel.tune`; its lists are in the order of the auxiliary tasks.
        auxiliary: their names.
    """

    weights: dict[str, float]
    history: list[Record]
    auxiliary: tuple[str, ...]


class Drawn(NamedTuple):
    """Rows of an inner step, with what seeds the drop-out on them."""

    batch: Batch
    seed: int


def tune_task_weights(
    model: MultiTaskModel,
    data: Splits,
    main: str,
    options: TaskWeightOptions = TaskWeightOptions(),
    *,
    told: Callable[[Record], None] | None = None,
) -> TaskWeights:
    """Tune the auxiliary tasks' weights on the main task's validation loss, while the model trains.

    The weights say more than the model: train a fresh one with them (`fit` with a "fixed" balancer), and
    choose its epoch by the main task with `judged_by`. The validation split has then been looked at twice;
    the test split judges.

    Args:
        model: for the tasks and inputs of `data`; afterwards it holds the weights of the last inner step, in
            evaluation mode.
        data: a `Table`, or anything with `tasks`, `train`, `valid`, `digest()`; the test split is not read.
        main: the task that the others serve.
        options: how.
        told: hears every round.

    Raises:
        ConfigError: if the main task is unknown or the only one.
        DataError: if no validation row has the main task's label.
        DivergedError: if a loss or a hyper-gradient is not finite.

    Example:
        >>> found = tune_task_weights(model, table, "cancelled")
        >>> balancer = make_balancer(table.tasks, "fixed", weights=found.weights)
        >>> fit(fresh, judged_by(table, "cancelled"), balancer=balancer)
    """
    others = _auxiliary(data, main)
    theta = Theta({NAME: torch.full((len(others),), options.start)}, {NAME: "nonnegative"})
    theta.raw[NAME].data = theta.raw[NAME].data.to(device_of(model))
    problem = task_problem(model, data, main)
    with torch.random.fork_rng():
        found = tune(
            problem,
            weights_of(model),
            theta,
            options.method,
            inner=training(model, data, options),
            outer=validation(model, data, main, options),
            options=options.tune,
            told=told,
        )
    load_weights(model, found.phi)
    model.eval()
    tuned = dict(zip(others, theta.values()[NAME].tolist(), strict=True))
    return TaskWeights({name: tuned.get(name, 1.0) for name in data.tasks.names}, found.history, others)


def task_problem(model: MultiTaskModel, data: Splits, main: str) -> Bilevel[Drawn]:
    """Return the two losses of a model's weights and of ``theta["weights"]``, one for each auxiliary task.

    The tasks' own weights count too, as in training, and so does the model's penalty.
    """
    number, device = task_number(data.tasks, main), device_of(model)
    losses, own = _Losses(model, data), data.tasks.weights.to(device)
    rest = torch.tensor([i for i in range(len(data.tasks)) if i != number], device=device)

    def inner(phi: Weights, theta: Values, drawn: Drawn) -> Tensor:
        _set_mode(model, training=True)
        seed_chance(device, drawn.seed)
        found, penalty = losses.at(phi, drawn.batch)
        weights = torch.ones_like(own).index_copy(0, rest, theta[NAME].to(own.dtype))
        return (found * own * weights).sum() + penalty

    def outer(phi: Weights, theta: Values, drawn: Drawn) -> Tensor:
        _set_mode(model, training=False)
        found, _ = losses.at(phi, drawn.batch)
        return found[number]

    return Bilevel(inner, outer)


class _Losses(nn.Module):
    """A model's losses by task and its penalty, in one call, so that both see the same weights."""

    def __init__(self, model: MultiTaskModel, data: Splits) -> None:
        super().__init__()
        self.model, self._objective = model, Objective(data.tasks, device_of(model))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        weights = self._objective.weigh(batch)
        outputs = self.model(batch.inputs, batch.task, batch.descriptor)
        return self._objective.sums(outputs, batch, weights) * weights.factors, self.model.penalty()

    def at(self, phi: Weights, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return both at these weights."""
        named = {f"model.{name}": value for name, value in phi.items()}
        found: tuple[Tensor, Tensor] = functional_call(self, named, (batch,))
        return found


def _set_mode(model: nn.Module, training: bool) -> None:
    if model.training != training:  # it walks through all modules
        model.train(training)


def _auxiliary(data: Splits, main: str) -> tuple[str, ...]:
    task_number(data.tasks, main)
    others = tuple(name for name in data.tasks.names if name != main)
    if not others:
        raise ConfigError(f"There is no task beside '{main}'.", "Add auxiliary tasks.")
    return others


def training(model: MultiTaskModel, data: Splits, options: TaskWeightOptions) -> Iterator[Drawn]:
    device = device_of(model)
    split = resident(data.train, device)
    for number, rows in enumerate(_rows(data.train, options.batch_size, options.seed, "train")):
        yield Drawn(fetch(split, rows, device), derive_seed(options.seed, "task weights", number))


def validation(model: MultiTaskModel, data: Splits, main: str, options: TaskWeightOptions) -> Iterator[Drawn]:
    device, shown = device_of(model), judged_by(data, main).valid
    labelled = shown.take(shown.mask.view(len(shown), -1).any(1).nonzero()[:, 0])
    split = resident(labelled, device)
    for rows in _rows(labelled, options.valid_batch_size, options.seed, "valid"):
        yield Drawn(fetch(split, rows, device), 0)


def _rows(batch: Batch, size: int, seed: int, name: str) -> Iterator[Tensor]:
    """Yield rows of full batches without end; of all rows where these are fewer."""
    source = BatchSource(
        batch, min(size, len(batch)), derive_seed(seed, "task weights", name), drop_last=True
    )
    epoch = 0
    while True:
        for rows, _ in source.epoch(epoch):
            yield rows
        epoch += 1
