"""What one batch of a step adds to the gradients: rows -> losses -> weights -> one backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sharewise.balance import Ask, Halves, Needs, Step
from sharewise.balance.engines.forward import derivative
from sharewise.data.batches import Batch
from sharewise.nn import MultiTaskModel
from sharewise.streams import derive_seed
from sharewise.train.devices import autocast, choose_precision, fetch, part, seed_chance
from sharewise.train.objective import Objective, RowWeights
from sharewise.train.options import TrainOptions
from sharewise.train.processes import Processes
from sharewise.train.state import RunState


class Gradients:
    """Adds the balanced gradients of batches to the parameters.

    Args:
        model: on the device of `processes`.
        state: of the run; its balancer and its running sums are advanced.
        train: the training split.
        objective: of the tasks.
        options: how to train.
        processes: this process among the others.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        state: RunState,
        train: Batch,
        objective: Objective,
        options: TrainOptions,
        processes: Processes,
    ) -> None:
        self.state, self._model, self._options = state, model, options
        self._train, self._objective, self._processes = train, objective, processes
        self._device = processes.device
        self._precision = choose_precision(options.precision, self._device, model)
        self._task_weights = objective.tasks.weights.to(self._device)
        gains = choose_precision("auto", self._device, model) == "bf16"
        self._fast_bf16 = gains and self._precision == "fp32"
        self._shared, self._own_parameters = model.shared_parameters(), model.own_parameters()

    def add(self, place: int, rows: Tensor, draws: int, share: float) -> Tensor:
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

    @torch.no_grad()
    def look_back(self, place: int, rows: Tensor, draws: int) -> None:
        """Tell methods that ask what the step did to the losses of its last batch: same rows, same chance."""
        weighting = self.state.balancer.weighting
        if not weighting.looks_back:
            return
        batch = fetch(self._train, rows, self._device, draws)
        self._seed(place)
        losses = self._losses(batch, self._objective.weigh(batch))[1]
        weighting.look_back(self._processes.sum(losses))

    def _seed(self, place: int) -> None:
        """Let what the batch at this place of the step draws depend on the step and the place alone."""
        step = self.state.cursor.step
        names = ("step", step, place) if place else ("step", step)
        seed_chance(self._device, derive_seed(self._options.seed, *names))

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
