"""The one loop: batches -> losses -> weights -> one backward pass -> step, until the score improves no more.

What is computed at a step depends on the configuration and the step's number alone, never on how often the
run was stopped before or in how many processes it runs; so runs resume bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor

from sharewise.data.batches import Batch
from sharewise.data.sampling import BatchSource
from sharewise.nn import MultiTaskModel
from sharewise.tasks import TaskSet
from sharewise.train.constant import fit_constant
from sharewise.train.devices import part, resident
from sharewise.train.evaluate import loss_sums
from sharewise.train.gradients import Gradients
from sharewise.train.keeper import Keeper
from sharewise.train.mixing import Mixing
from sharewise.train.objective import Objective
from sharewise.train.options import TrainOptions
from sharewise.train.processes import Processes
from sharewise.train.result import by_name
from sharewise.train.selection import Selection
from sharewise.train.state import RunState
from sharewise.train.stepper import Group, Stepper


class Splits(Protocol):
    """What training needs of a table; `sharewise.data.Table` is one."""

    @property
    def tasks(self) -> TaskSet: ...
    @property
    def train(self) -> Batch: ...
    @property
    def valid(self) -> Batch: ...
    def digest(self) -> str: ...


class Loop:
    """Takes a run from wherever its state is to its end.

    Args:
        model: on the device of `processes`.
        state: of the run; advanced in place.
        data: the training and validation splits; never the test split.
        options: how to train.
        processes: this process among the others.
        keeper: told of steps, records and checkpoints.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        state: RunState,
        data: Splits,
        options: TrainOptions,
        processes: Processes,
        keeper: Keeper,
    ) -> None:
        self.state, self._model, self._options = state, model, options
        self._processes, self._keeper = processes, keeper
        self._device = processes.device
        self._train, self._valid = resident(data.train, self._device), resident(data.valid, self._device)
        self._tasks = data.tasks
        self._objective = Objective(data.tasks, self._device)
        self._gradients = Gradients(model, state, self._train, self._objective, options, processes)
        self._stepper = Stepper(model, state, data.tasks, options, processes)
        self._source = make_source(data.train, options)
        self._mixing = Mixing(model, self._source, self._train, self._objective, options, self._device)
        self._steps = options.epochs * -(-len(self._source) // options.accumulate)
        constant = fit_constant(data.train, data.tasks)
        sums, totals = loss_sums(constant, data.valid, Objective(data.tasks))
        self._constants = sums / totals
        self._selection = Selection(model, data.tasks, self._constants, options.epochs, options.patience)

    def run(self) -> None:
        """Train until the epochs are over or the patience is."""
        self._model.train()
        self._keeper.start(self._steps, self.state.cursor.step)
        while not self.state.cursor.finished:
            for group in self._groups():
                self._keeper.step(self._stepper.take(self._gradients, group, self._steps))
                self._advance(len(group))
                if self.state.cursor.finished:
                    return

    @property
    def tasks(self) -> TaskSet:
        """What is learned."""
        return self._tasks

    def gains(self, losses: dict[str, float]) -> dict[str, float]:
        """Return 1 - loss / loss of the constant predictor, for validation losses by task name."""
        constants = by_name(self._constants, self._tasks)
        return {name: 1.0 - loss / constants[name] for name, loss in losses.items() if constants.get(name)}

    def _groups(self) -> Iterator[Group]:
        cursor = self.state.cursor
        epoch, batches = cursor.epoch, self._source.epoch(cursor.epoch, cursor.batch)
        while cursor.epoch == epoch:
            if self._mixing.follows:  # before the step's batches are drawn
                self.state.shares = self._mixing.shares(cursor.step, self.state.shares)
            yield list(islice(batches, self._options.accumulate))

    def _advance(self, batches: int) -> None:
        cursor, length, options = self.state.cursor, len(self._source), self._options
        before, after = cursor.batch, cursor.batch + batches
        due = after * options.evals_per_epoch // length > before * options.evals_per_epoch // length
        cursor.step += 1
        cursor.epoch, cursor.batch = (cursor.epoch + 1, 0) if after >= length else (cursor.epoch, after)
        if cursor.batch == 0:
            self.state.balancer.weighting.end_epoch()
        if due:
            self._evaluate()
        if due or (options.checkpoint_every and cursor.step % options.checkpoint_every == 0):
            self._stepper.watch.check()
            self._keeper.checkpoint(self.state)

    def _evaluate(self) -> None:
        self._stepper.watch.check()
        losses = self._validate()
        score = self._selection.judge(self.state, losses)
        self._keeper.evaluated(self._record(losses, score))
        self.state.running.zero_()
        self.state.conflict.clear()

    def _validate(self) -> Tensor:
        here = self._processes.part(len(self._valid))
        sums, totals = loss_sums(self._model, part(self._valid, here), self._objective)
        sums, totals = self._processes.sum(torch.stack([sums, totals])).unbind()
        if not sums.isfinite().all():
            raise self._stepper.watch.error(
                f"on the validation split after step {self.state.cursor.step - 1}", sums
            )
        return sums / totals

    def _record(self, losses: Tensor, score: float) -> dict[str, Any]:
        cursor, running = self.state.cursor, self.state.running
        conflict = self.state.conflict.record(self._tasks.names)
        return {
            **({} if conflict is None else {"conflict": conflict}),
            **({} if self.state.shares is None else {"shares": by_name(self.state.shares, self._tasks)}),
            "step": cursor.step,
            "epoch": cursor.epoch + cursor.batch / len(self._source),
            "learning_rate": self._stepper.rate,
            "score": score if score == score else None,
            "train": by_name(running[0] / running[1], self._tasks),
            "valid": by_name(losses, self._tasks),
        }


def make_source(train: Batch, options: TrainOptions) -> BatchSource:
    """Return the batches that the options ask for."""
    return BatchSource(
        train,
        options.batch_size,
        options.seed,
        options.sampling,
        temperature=options.temperature,
        tasks_per_batch=options.tasks_per_batch,
    )


def make_optimizer(groups: Sequence[dict[str, Any]], options: TrainOptions) -> torch.optim.Optimizer:
    """Return a fused AdamW over `MultiTaskModel.parameter_groups()`."""
    made = [
        {
            "params": group["params"],
            "lr_factor": group["lr_factor"],
            "weight_decay": options.weight_decay if group["decay"] else 0.0,
        }
        for group in groups
    ]
    return torch.optim.AdamW(made, lr=options.learning_rate, fused=True)
