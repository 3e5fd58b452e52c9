"""One stretch of the log: tested on, then trained on, then learnt from; so nothing leaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sharewise.data.batches import Batch
from sharewise.data.sampling import BatchSource
from sharewise.ranking.blend import blend
from sharewise.ranking.encoding import Rows
from sharewise.ranking.gates import gate_use
from sharewise.ranking.measures import Measures, Seen
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.ranker import Ranker
from sharewise.ranking.state import Course
from sharewise.streams import stream
from sharewise.tasks import TaskSet
from sharewise.train.gradients import Gradients
from sharewise.train.keeper import Keeper
from sharewise.train.objective import Objective
from sharewise.train.processes import Processes
from sharewise.train.result import by_name
from sharewise.train.stepper import Stepper

#: Told of rows and what was predicted of them.
Look = Callable[[pl.DataFrame, Seen], None]


class Trainer:
    """Takes a ranker through stretches of a log.

    Args:
        course: what is trained; advanced in place.
        plan: how.
        processes: this process among the others.
        keeper: told of steps.
    """

    def __init__(self, course: Course, plan: RankPlan, processes: Processes, keeper: Keeper) -> None:
        self._course, self._plan, self._processes, self._keeper = course, plan, processes, keeper
        self._options = plan.train.training()
        self._objective = Objective(plan.tasks, processes.device)
        model = course.ranker.model
        self._stepper = Stepper(model, course.run, plan.tasks, self._options, processes)

    def take(self, frame: pl.DataFrame, rows: Rows, measures: Measures, look: Look) -> dict[str, Any] | None:
        """Test on a stretch, train on it, learn from it; return what its gates did, if there are gates.

        Args:
            frame, rows: the stretch, and how it was read.
            measures: are added to; but nothing is measured before anything was learnt.
            look: is told what was predicted, once it is measured and before it is trained on.
        """
        ranker, fresh = self._course.ranker, self._course.run.cursor.step == 0
        if fresh:  # nothing is measured yet that it could flatter
            self._learn(frame, rows)
            self._train(ranker.encoding.read(frame))
            return None
        seen = predict(ranker, rows, self._processes)
        measures.see(frame, seen)
        look(frame, seen)
        gates = gate_use(ranker.model, rows, self._plan.measure.alarm)
        self._train(rows)
        self._learn(frame, rows)
        return gates

    def losses(self) -> dict[str, float]:
        """Return the mean losses in training since the last call, by task."""
        running = self._course.run.running
        found = by_name(running[0] / running[1], self._plan.tasks)
        running.zero_()
        self._course.run.conflict.clear()
        return found

    def _learn(self, frame: pl.DataFrame, rows: Rows) -> None:
        self._course.ranker.learn(frame, rows, self._course.run.optimizer)

    def _train(self, rows: Rows) -> None:
        if not len(rows):
            return
        cursor, model = self._course.run.cursor, self._course.ranker.model
        batch = self._batch(rows, cursor.epoch)
        source = BatchSource(batch, self._options.batch_size, self._options.seed)
        gradients = Gradients(model, self._course.run, batch, self._objective, self._options, self._processes)
        model.train()
        for group in source.epoch(cursor.epoch):
            self._keeper.step(self._stepper.take(gradients, [group], 1))
            cursor.step += 1
        self._stepper.watch.check()
        cursor.epoch += 1
        self._course.run.balancer.weighting.end_epoch()

    def _batch(self, rows: Rows, stretch: int) -> Batch:
        chance = stream(self._options.seed, "place", stretch)
        kept = torch.rand(len(rows), generator=chance) >= self._plan.bias.drop
        inputs = self._course.ranker.encoding.trained(rows, kept)
        targets, mask = to_targets(rows, self._course.ranker.model.tasks)
        return Batch(inputs, targets, mask).to(str(self._processes.device))


def predict(ranker: Ranker, rows: Rows, processes: Processes | None = None) -> Seen:
    """Return what the ranker, as it is, predicts of a stretch, and its labels; processes share the work."""
    plan, outputs = ranker.plan, _outputs(ranker, rows, processes or Processes())
    served, added = ranker.predictions(outputs), ranker.added(rows)
    placed = {} if added is None else ranker.predictions(outputs + added)
    new = np.zeros(len(rows), dtype=np.bool_)
    if plan.measure.cohort != "none":
        place = list(ranker.encoding.vocabulary.columns).index(plan.measure.cohort)
        new = (rows.inputs["growing"][:, place] == place).numpy()
    return Seen(served, placed, blend(served, plan.blend), rows.labels, new)


def _outputs(ranker: Ranker, rows: Rows, processes: Processes) -> Tensor:
    if processes.size == 1 or ranker.plan.train.spread:  # spread rows are looked up by all together
        return ranker.outputs(rows)
    here = processes.part(len(rows))
    own = ranker.outputs(rows.part(here))
    whole = torch.zeros(len(rows), own.shape[1])
    whole[here] = own
    return processes.sum(whole)


def to_targets(rows: Rows, tasks: TaskSet) -> tuple[Tensor, Tensor]:
    """Return targets as the network learns them, ``[rows, tasks]``, and where they are observed."""
    labels = torch.from_numpy(rows.labels)
    mask = ~labels.isnan()
    targets = ((labels - tasks.means.double()) / tasks.scales.double()).float()
    return targets.masked_fill(~mask, 0.0), mask
