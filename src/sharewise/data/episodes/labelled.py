"""Episodes of classification from labelled examples: classes are drawn first, then rows of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from sharewise.data.episodes.checks import check_rows
from sharewise.data.episodes.condition import Condition, ends
from sharewise.data.episodes.draws import distinct
from sharewise.data.episodes.shots import Episodes, Shots
from sharewise.data.episodes.source import Drawn, EpisodeSource
from sharewise.errors import ConfigError, DataError
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind
from sharewise.tasks.kinds import Multiclass


class LabelledExamples(EpisodeSource):
    """Examples of many classes; an N-way task is N of the classes, labelled 0 to N - 1 in random order.

    Args:
        inputs: what a row looks like.
        values: the examples by key of `inputs`, first dimension rows; uint8 0 to 255 stands for 0 to 1, at a
            quarter of the memory.
        labels: int64 ``[rows]``: the class of each, 0 to classes - 1.
        names: of the classes.
        groups: int64 ``[classes]``: the group of each class, such as its alphabet; None without.
        within: the share of tasks whose classes all come from one group.

    Raises:
        DataError: if there are fewer than two classes, a class has no examples, an example is not
            finite, or labels and groups do not fit.
    """

    def __init__(
        self,
        inputs: InputSpec,
        values: dict[str, Tensor],
        labels: Int[Tensor, " rows"],
        names: Sequence[str],
        groups: Int[Tensor, " classes"] | None = None,
        within: float = 0.0,
    ) -> None:
        self.inputs, self.values, self.names = inputs, values, tuple(names)
        self.kind: Kind = Multiclass()
        self.drawn_classes = len(self.names)
        self.labels = labels
        if len(self.names) < 2:
            raise DataError(f"There are {len(self.names)} classes.", "Give examples of at least two.")
        check_rows(values, labels, "labels", len(self.names))
        self.counts = torch.bincount(labels, minlength=len(self.names))
        if int(self.counts.min()) == 0:
            empty = self.names[int(self.counts.argmin())]
            raise DataError(f"The class '{empty}' has no examples.", "Leave it out.")
        order = torch.argsort(labels, stable=True)
        self.order, self.starts = order, torch.cumsum(self.counts, 0) - self.counts
        if within and groups is None:
            raise ConfigError("Tasks within groups were asked for, but there are none.", "Name the groups.")
        if not 0 <= within <= 1:
            raise ConfigError(f"The share of tasks within a group is {within}.", "Use 0 to 1.")
        if groups is not None and len(groups) != len(self.names):
            raise DataError(
                f"{len(groups)} groups are named for {len(self.names)} classes.", "Name one for each class."
            )
        self.groups, self.within = groups, within
        self._fitting: dict[int, Tensor] = {}

    def check(self, condition: Condition) -> None:
        if condition.ways is None:
            raise ConfigError("Episodes of classification need 'ways'.", "Say how many classes a task has.")
        if ends(condition.shots)[0] < 1:
            raise ConfigError(
                "Episodes of classification need at least one shot: their labels are new in every task.",
                "Ask for a shot or more.",
            )
        need = condition.most_shots + condition.queries
        fit = self._fit(need)
        if len(fit) < condition.most_ways:
            raise DataError(
                f"Episodes ask for {condition.most_ways} classes of {condition.most_shots} shots and "
                f"{condition.queries} queries each, but only {len(fit)} of {len(self.names)} classes have "
                f"{need} examples.",
                "Ask for fewer ways, shots or queries.",
            )
        if self.within and self.groups is not None:
            most = int(torch.bincount(self.groups[fit]).max())
            if most < condition.most_ways:
                raise DataError(
                    f"Tasks within a group ask for {condition.most_ways} classes, but the largest group has "
                    f"{most} with {need} examples.",
                    "Ask for fewer ways, or for tasks across groups.",
                )

    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        return self.draw(condition, count, generator)(slice(None))

    def draw(self, condition: Condition, count: int, generator: torch.Generator) -> Drawn:
        self.check(condition)
        ways, shots = condition.draw(generator)
        each = shots + condition.queries
        classes = self._classes(ways, each, count, generator)
        places = distinct(self.counts[classes], each, generator)
        rows = self.order[(self.starts[classes].unsqueeze(-1) + places)]
        support, query = rows[..., :shots].flatten(1), rows[..., shots:].flatten(1)
        return lambda part: Episodes(
            self._fetch(support[part], ways), self._fetch(query[part], ways), ways, classes[part]
        )

    @property
    def _row(self) -> int:
        return 1

    def _fit(self, each: int) -> Tensor:
        """Return the classes with so many examples."""
        if each not in self._fitting:
            self._fitting[each] = (self.counts >= each).nonzero().squeeze(1)
        return self._fitting[each]

    def _classes(self, ways: int, each: int, count: int, generator: torch.Generator) -> Tensor:
        fit = self._fit(each)
        classes = fit[distinct(torch.full((count,), len(fit)), ways, generator)]
        if self.groups is None or not self.within:
            return classes
        near = torch.rand(count, generator=generator) < self.within
        own = self._of_one_group(self.groups, fit, ways, count, generator)
        return torch.where(near.unsqueeze(1), own, classes)

    def _of_one_group(
        self, groups: Tensor, fit: Tensor, ways: int, count: int, generator: torch.Generator
    ) -> Tensor:
        """Draw `ways` classes of a group, the groups with as many or more of them alike."""
        member = groups[fit]
        order = torch.argsort(member, stable=True)
        sizes = torch.bincount(member)
        large = (sizes >= ways).nonzero().squeeze(1)
        group = large[torch.randint(len(large), (count,), generator=generator)]
        starts = torch.cumsum(sizes, 0) - sizes
        places = distinct(sizes[group], ways, generator)
        return fit[order[starts[group].unsqueeze(1) + places]]

    def _fetch(self, rows: Int[Tensor, "tasks rows"], ways: int) -> Shots:
        inputs = {
            key: _as_floats(value.index_select(0, rows.reshape(-1))).view(*rows.shape, *value.shape[1:])
            for key, value in self.values.items()
        }
        return Shots(inputs, _targets(len(rows), ways, rows.shape[1] // ways))

    def digest(self) -> str:
        groups = {} if self.groups is None else {"groups": self.groups}
        return self._digest((self.names, self.within), {**self.values, "labels": self.labels, **groups})


@lru_cache(maxsize=64)
def _targets(tasks: int, ways: int, each: int) -> Tensor:
    """Return ``[tasks, ways * each]``: the classes in order, in every task; made once for batches alike."""
    return torch.arange(ways, dtype=torch.float32).repeat_interleave(each).expand(tasks, -1).contiguous()


def _as_floats(found: Tensor) -> Tensor:
    """Return bytes as the numbers from 0 to 1 that they stand for, anything else as it is."""
    return found.float().mul_(1 / 255) if found.dtype == torch.uint8 else found
