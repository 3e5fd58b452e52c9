"""One step of any loop: batches -> gradients -> one update of the weights."""

from __future__ import annotations

import torch
from torch import Tensor

from sharewise.nn import MultiTaskModel
from sharewise.tasks import TaskSet
from sharewise.train.gradients import Gradients
from sharewise.train.options import TrainOptions
from sharewise.train.processes import Processes
from sharewise.train.schedule import factor
from sharewise.train.spreading import clip_gradients, spread_parameters
from sharewise.train.state import RunState
from sharewise.train.watch import Watch

#: Batches of one step: (rows of the training split, tasks drawn).
Group = list[tuple[Tensor, int]]


class Stepper:
    """Takes steps, whatever is stepped over: epochs of a table, or a stream.

    Args:
        model: on the device of `processes`.
        state: of the run; its weights, optimizer and running sums are advanced, its cursor is not.
        tasks: what is learned.
        options: how to train.
        processes: this process among the others.

    Attributes:
        rate: learning rate of the last step.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        state: RunState,
        tasks: TaskSet,
        options: TrainOptions,
        processes: Processes,
    ) -> None:
        self.rate = -1.0
        self.watch = Watch(tasks, processes.device)
        self._state, self._options, self._processes = state, options, processes
        self._spread = spread_parameters(model)
        spread = {id(p) for p in self._spread}
        self._parameters = [p for p in model.parameters() if p.requires_grad and id(p) not in spread]

    def take(self, gradients: Gradients, group: Group, steps: int) -> int:
        """Take the step at which the cursor is, of `steps` in all; return how many rows it saw.

        Raises:
            DivergedError: if a loss is not finite.
        """
        state = self._state
        self._set_rate(state.cursor.step, steps)
        state.optimizer.zero_grad()
        measured = [
            gradients.add(place, rows, draws, 1.0 / len(group)) for place, (rows, draws) in enumerate(group)
        ]
        sums = measured[0] if len(measured) == 1 else torch.stack(measured).sum(0)
        sums = self._processes.sum_gradients(self._parameters, sums)
        state.running[0] += sums[:-1]
        self.watch.see(state.cursor.step, sums[:-1], sums[-1])
        if self._options.clip is not None:
            clip_gradients(self._parameters, self._spread, self._options.clip)
        state.optimizer.step()
        gradients.look_back(len(group) - 1, *group[-1])
        return sum(len(rows) for rows, _ in group)

    def _set_rate(self, step: int, steps: int) -> None:
        options = self._options
        rate = options.learning_rate * factor(options.schedule, step, steps, options.warmup)
        if rate != self.rate:
            self.rate = rate
            for group in self._state.optimizer.param_groups:
                group["lr"] = rate * group["lr_factor"]
