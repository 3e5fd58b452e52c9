"""The one loop: batches -> losses -> weights -> one backward pass -> step, until the score improves no more.

What is computed at a step depends on the configuration and the step's number alone, never on how often the
run was stopped before or in how many processes it runs; so runs resume bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor

from sharewise.balance import Ask, Halves, Needs, Step
from sharewise.balance.engines.forward import derivative
from sharewise.data.batches import Batch
from sharewise.data.sampling import BatchSource
from sharewise.nn import MultiTaskModel
from sharewise.streams import derive_seed
from sharewise.tasks import TaskSet
from sharewise.train.constant import fit_constant
from sharewise.train.devices import autocast, choose_precision, fetch, part, resident, seed_chance
from sharewise.train.evaluate import loss_sums
from sharewise.train.keeper import Keeper
from sharewise.train.mixing import Mixing
from sharewise.train.objective import Objective, RowWeights
from sharewise.train.options import TrainOptions
from sharewise.train.processes import Processes
from sharewise.train.result import by_name
from sharewise.train.schedule import factor
from sharewise.train.selection import Selection
from sharewise.train.state import RunState
from sharewise.train.watch import Watch

#: Batches of one step: (rows of the training split, tasks drawn).
Group = list[tuple[Tensor, int]]


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
        self._precision = choose_precision(options.precision, self._device, model)
        self._train, self._valid = resident(data.train, self._device), resident(data.valid, self._device)
        self._tasks = data.tasks
        self._task_weights = data.tasks.weights.to(self._device)
        self._objective = Objective(data.tasks, self._device)
        self._watch = Watch(data.tasks, self._device)
        gains = choose_precision("auto", self._device, model) == "bf16"
        self._fast_bf16 = gains and self._precision == "fp32"
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._shared, self._own_parameters = model.shared_parameters(), model.own_parameters()
        self._source = make_source(data.train, options)
        self._mixing = Mixing(model, self._source, self._train, self._objective, options, self._device)
        self._steps = options.epochs * -(-len(self._source) // options.accumulate)
        self._rate = -1.0
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
                self._step(group)
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

    def _step(self, group: Group) -> None:
        step = self.state.cursor.step
        self._set_rate(step)
        self.state.optimizer.zero_grad()
        measured = [
            self._backward(place, rows, draws, 1.0 / len(group)) for place, (rows, draws) in enumerate(group)
        ]
        sums = measured[0] if len(measured) == 1 else torch.stack(measured).sum(0)
        sums = self._processes.sum_gradients(self._parameters, sums)
        self.state.running[0] += sums[:-1]
        self._watch.see(step, sums[:-1], sums[-1])
        if self._options.clip is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self._options.clip)
        self.state.optimizer.step()
        self._look_back(group)
        self._keeper.step(sum(len(rows) for rows, _ in group))

    def _set_rate(self, step: int) -> None:
        options = self._options
        rate = options.learning_rate * factor(options.schedule, step, self._steps, options.warmup)
        if rate != self._rate:
            self._rate = rate
            for group in self.state.optimizer.param_groups:
                group["lr"] = rate * group["lr_factor"]

    def _seed(self, place: int) -> None:
        """Let what the batch at this place of the step draws depend on the step and the place alone."""
        step = self.state.cursor.step
        names = ("step", step, place) if place else ("step", step)
        seed_chance(self._device, derive_seed(self._options.seed, *names))

    def _backward(self, place: int, rows: Tensor, draws: int, share: float) -> Tensor:
        """Add one batch's gradients; return the tasks' sums of losses and, last, what was differentiated."""
        batch = fetch(self._train, rows, self._device, draws)
        weights = self._objective.weigh(batch)
        self.state.running[1] += weights.totals
        every = self._options.diagnose or 0
        look = bool(every) and self.state.cursor.step % every == 0
        halved = self.state.balancer.halved and len(batch) > 1
        sums, step = (self._in_halves if halved else self._whole)(place, batch, weights, share, look)
        if look and step.gramian is not None:
            self.state.conflict.see(step.gramian, step.weights)
        return torch.cat([sums.detach(), step.total.view(1)])

    def _whole(
        self, place: int, batch: Batch, weights: RowWeights, share: float, look: bool
    ) -> tuple[Tensor, Step]:
        def losses() -> tuple[Tensor, Tensor]:
            self._seed(place)
            if not (look or self.state.balancer.weighting.needs >= Needs.GRAMIAN):
                return self._losses(batch, weights)
            with self._model.parted():
                return self._losses(batch, weights)

        sums, found = losses()
        ask = self._ask(found, weights, share, look)
        ask = replace(ask, again=lambda: losses()[1], parting=self._model.parting, fast_bf16=self._fast_bf16)
        return sums, self.state.balancer.step(ask)

    def _in_halves(
        self, place: int, batch: Batch, weights: RowWeights, share: float, look: bool
    ) -> tuple[Tensor, Step]:
        halves = [slice(0, len(batch) // 2), slice(len(batch) // 2, len(batch))]
        (rows, own), (others, theirs) = [(part(batch, half), weights.part(half)) for half in halves]

        def losses() -> tuple[Tensor, Tensor]:
            self._seed(place)
            return self._losses(rows, own)

        def along(direction: Sequence[Tensor]) -> Tensor:
            return derivative(self._model, lambda: losses()[1], self._shared, direction)

        sums, first = losses()
        more, second = self._losses(others, theirs)
        ask = self._ask(first + second, weights, share, look)
        return sums + more, self.state.balancer.step_in_halves(Halves(ask, first, second, along))

    def _ask(self, losses: Tensor, weights: RowWeights, share: float, look: bool) -> Ask:
        penalty = self._model.penalty()
        if self._processes.size > 1:  # all add the same one
            penalty = penalty / self._processes.size
        return Ask(
            losses,
            penalty,
            self._shared,
            self._own_parameters,
            measured=self._measured(losses),
            share=share,
            present=weights.totals > 0,
            reduce=self._processes.sum if self._processes.size > 1 else None,
            look=look,
        )

    def _losses(self, batch: Batch, weights: RowWeights) -> tuple[Tensor, Tensor]:
        """Return this process's part of the tasks' sums of losses, and of the losses that are balanced."""
        rows = len(batch)
        batch, weights = self._own(batch, weights)
        with autocast(self._device, self._precision), self._processes.shard(rows):
            outputs = self._model(batch.inputs, batch.task, batch.descriptor)
        sums = self._objective.sums(outputs, batch, weights)
        return sums, sums * (weights.factors * self._task_weights)

    @torch.no_grad()
    def _look_back(self, group: Group) -> None:
        """Tell methods that ask what the step did to the losses of its last batch: same rows, same chance."""
        weighting = self.state.balancer.weighting
        if not weighting.looks_back:
            return
        rows, draws = group[-1]
        batch = fetch(self._train, rows, self._device, draws)
        self._seed(len(group) - 1)
        losses = self._losses(batch, self._objective.weigh(batch))[1]
        weighting.look_back(self._processes.sum(losses))

    def _own(self, batch: Batch, weights: RowWeights) -> tuple[Batch, RowWeights]:
        size = self._processes.size
        if size == 1:
            return batch, weights
        if len(batch) < size:  # too few to share out: all compute all, and each counts for its share
            return batch, replace(weights, rows=weights.rows / size)
        here = self._processes.part(len(batch))
        return part(batch, here), weights.part(here)

    def _measured(self, losses: Tensor) -> Tensor | None:
        if self._processes.size == 1 or self.state.balancer.weighting.needs is Needs.NOTHING:
            return None
        return self._processes.sum(losses.detach())

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
            self._watch.check()
            self._keeper.checkpoint(self.state)

    def _evaluate(self) -> None:
        self._watch.check()
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
            raise self._watch.error(f"on the validation split after step {self.state.cursor.step - 1}", sums)
        return sums / totals

    def _record(self, losses: Tensor, score: float) -> dict[str, Any]:
        cursor, running = self.state.cursor, self.state.running
        conflict = self.state.conflict.record(self._tasks.names)
        return {
            **({} if conflict is None else {"conflict": conflict}),
            **({} if self.state.shares is None else {"shares": by_name(self.state.shares, self._tasks)}),
            "step": cursor.step,
            "epoch": cursor.epoch + cursor.batch / len(self._source),
            "learning_rate": self._rate,
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
