"""Episodes from rows that belong to tasks: K rows of a task to learn from, others of it to be judged by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sharewise.data.episodes.checks import check_rows
from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.draws import distinct
from sharewise.data.episodes.shots import Episodes, Shots
from sharewise.data.episodes.source import Drawn, EpisodeSource
from sharewise.errors import ConfigError, DataError
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind


class TaskRows(EpisodeSource):
    """Rows of several tasks; an episode is a task, all tasks alike, and some of its rows.

    A task takes part if it has more rows than the shots; one with too few rows for all queries is padded.

    Args:
        inputs: what a row looks like.
        values: the rows by key of `inputs`.
        targets: ``[rows]``, standardised where the kind is; every label observed.
        task: int64 ``[rows]``: the task of each row, 0 to tasks - 1.
        names: of the tasks.
        kind: of the label.
        classes: of the label, for a categorical kind.
        ordered: the support's rows come before the query's in the order given, as the past before the future;
            otherwise all are drawn alike.

    Raises:
        DataError: if there are no rows, a value is not finite, or rows, targets and tasks do not fit.
    """

    def __init__(
        self,
        inputs: InputSpec,
        values: dict[str, Tensor],
        targets: Float[Tensor, " rows"],
        task: Int[Tensor, " rows"],
        names: Sequence[str],
        kind: Kind,
        classes: int = 0,
        ordered: bool = False,
    ) -> None:
        if not len(targets):
            raise DataError("There are no rows to draw episodes from.", "Give rows with labels.")
        if not targets.isfinite().all():
            raise DataError("Targets hold values that are not finite.", "Leave such rows out.")
        if len(targets) != len(task):
            raise DataError(f"There are {len(targets)} targets of {len(task)} rows.", "Give one a row.")
        check_rows(values, task, "tasks", len(names))
        self.inputs, self.kind, self.names = inputs, kind, tuple(names)
        self.values, self.targets, self.task = values, targets, task
        self.classes, self.ordered = classes, ordered
        self.counts = torch.bincount(task, minlength=len(self.names))
        self.order = torch.argsort(task, stable=True)
        self.starts = torch.cumsum(self.counts, 0) - self.counts

    def check(self, condition: Condition) -> None:
        if condition.ways is not None:
            raise ConfigError(
                f"Episodes ask for {condition.ways} ways, but these tasks have a label of their own.",
                "Leave 'ways' out.",
            )
        self._fit(condition.most_shots)

    def ways(self, condition: Condition) -> int:
        return self.classes

    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        return self.draw(condition, count, generator)(slice(None))

    def draw(self, condition: Condition, count: int, generator: torch.Generator) -> Drawn:
        self.check(condition)
        _, shots = condition.draw(generator)
        fit = self._fit(shots)
        tasks = fit[torch.randint(len(fit), (count,), generator=generator)]
        return self._draw(tasks, shots, condition.queries, generator)

    @property
    def _row(self) -> int:
        return 1

    def episodes(
        self, tasks: Int[Tensor, " picked"], shots: int, queries: int, generator: torch.Generator
    ) -> Episodes:
        """Draw an episode for each of these tasks; `shots` may be 0."""
        return self._draw(tasks, shots, queries, generator)(slice(None))

    def _draw(self, tasks: Tensor, shots: int, queries: int, generator: torch.Generator) -> Drawn:
        counts = self.counts[tasks]
        # Sizes and masks follow from the source, not from which tasks were drawn: batches are all alike.
        rows = min(shots + queries, int(self.counts.max()))
        places = distinct(counts.clamp(min=rows), rows, generator)
        # A task with fewer rows gets its own first: places past its end are none, and stand last.
        places = places.gather(1, (places >= counts.unsqueeze(1)).long().argsort(dim=1, stable=True))
        absent = places >= counts.unsqueeze(1)
        if self.ordered:
            places = places.masked_fill(absent, torch.iinfo(torch.long).max).sort(1).values
        taken = self.order[(self.starts[tasks].unsqueeze(1) + places.masked_fill(absent, 0))]
        all_present = int(self.counts[self._fit(shots)].min()) >= rows and not bool(absent.any())
        present = None if all_present else ~absent
        support, query = slice(0, shots), slice(shots, rows)
        return lambda part: Episodes(
            self._shots(taken[part], present, part, support),
            self._shots(taken[part], present, part, query),
            tasks=tasks[part],
        )

    def _fit(self, shots: int) -> Tensor:
        fit = (self.counts > shots).nonzero().squeeze(1)
        if not len(fit):
            raise DataError(
                f"Episodes ask for {shots} shots and at least one query, but no task has {shots + 1} rows.",
                f"Ask for fewer shots: the largest task has {int(self.counts.max())} rows.",
            )
        return fit

    def _shots(self, taken: Tensor, present: Tensor | None, part: slice, own: slice) -> Shots:
        rows = taken[:, own]
        flat = rows.reshape(-1)
        return Shots(
            {key: torch.unflatten(v.index_select(0, flat), 0, rows.shape) for key, v in self.values.items()},
            self.targets[flat].reshape(rows.shape),
            None if present is None else present[part, own],
        )

    def digest(self) -> str:
        description = (self.names, self.kind.to_dict(), self.classes, self.ordered)
        return self._digest(description, {**self.values, "targets": self.targets, "task": self.task})
