"""StreamState: everything that the rest of a stream's training depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sharewise.balance import Conflict
from sharewise.ranking.measures import Measures
from sharewise.ranking.partitions import Ledger
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.ranker import Ranker
from sharewise.ranking.schema import LogSchema
from sharewise.train.loop import make_optimizer
from sharewise.train.state import Cursor, RunState, plain, tensors_of


class Course:
    """What there is once the log's schema is known.

    Args:
        plan: of the ranker.
        schema: of the log.
        device: to train on.

    Attributes:
        ranker: what is trained.
        run: its weights, optimizer and balancer, and the step.
        measures: of everything so far, each stretch before it was trained on.
    """

    def __init__(self, plan: RankPlan, schema: LogSchema, device: torch.device) -> None:
        self.schema, self.ranker = schema, Ranker(plan, schema)
        model = self.ranker.model.to(device)
        optimizer = make_optimizer(model.parameter_groups(), plan.train.training())
        running = torch.zeros(2, len(plan.tasks), dtype=torch.float64, device=device)
        self.run = RunState(model, optimizer, plan.balancer(), running, Conflict(len(plan.tasks)))
        self.measures = new_measures(plan)


class StreamState:
    """A stream's state; a `Resumable`. Before the first partition there is but an empty ledger.

    Args:
        plan: of the ranker.
        device: to train on.
    """

    def __init__(self, plan: RankPlan, device: torch.device) -> None:
        self.plan, self.ledger = plan, Ledger()
        self.course: Course | None = None
        self._device = device

    @property
    def cursor(self) -> Cursor:
        """Where the steps are; the ledger says where the log is."""
        return Cursor() if self.course is None else self.course.run.cursor

    def begin(self, schema: LogSchema) -> Course:
        """Make what there is to train."""
        self.course = Course(self.plan, schema, self._device)
        return self.course

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, on the CPU, apart from each other in memory."""
        if self.course is None:
            return {}
        parts = {
            "run": self.course.run.tensors(),
            "encoding": plain(self.course.ranker.encoding.tensors()),
            "measures": plain(self.course.measures.tensors()),
        }
        return {f"{part}.{name}": v for part, own in parts.items() for name, v in own.items()}

    def values(self) -> dict[str, Any]:
        """Return all that is not a tensor, for JSON."""
        course = self.course
        own = None if course is None else {"run": course.run.values(), "schema": course.schema.to_dict()}
        return {"ledger": self.ledger.to_dict(), "course": own}

    def load(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on where `tensors()` and `values()` were taken."""
        self.ledger = Ledger.from_dict(values["ledger"])
        if values["course"] is None:
            self.course = None
            return
        course = self.begin(LogSchema.from_dict(values["course"]["schema"]))
        course.ranker.encoding.load(tensors_of(tensors, "encoding"))
        course.ranker.model.tasks = course.ranker.encoding.tasks
        course.run.load(tensors_of(tensors, "run"), values["course"]["run"])
        course.measures.load(tensors_of(tensors, "measures"))


def new_measures(plan: RankPlan) -> Measures:
    """Return the measures of no rows."""
    placed = plan.bias.tasks if plan.bias.kind == "tower" else ()
    return Measures(plan.tasks, plan.measure, placed)
