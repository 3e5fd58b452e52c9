"""Episodes of classification from labelled examples: classes are drawn first, then rows of each."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import torch
from jaxtyping import Int
from torch import Tensor

from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.draws import distinct
from sharewise.data.episodes.shots import Episodes, Shots
from sharewise.data.episodes.source import EpisodeSource
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
        DataError: if there are fewer than two classes, a class has no examples, or an example is not finite.
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
        self.counts = torch.bincount(labels, minlength=len(self.names))
        if int(self.counts.min()) == 0:
            empty = self.names[int(self.counts.argmin())]
            raise DataError(f"The class '{empty}' has no examples.", "Leave it out.")
        for key, value in values.items():
            if value.is_floating_point() and not value.isfinite().all():
                raise DataError(f"The inputs '{key}' hold values that are not finite.", "Mend them.")
        order = torch.argsort(labels, stable=True)
        self.order, self.starts = order, torch.cumsum(self.counts, 0) - self.counts
        if within and groups is None:
            raise ConfigError("Tasks within groups were asked for, but there are none.", "Name the groups.")
        if not 0 <= within <= 1:
            raise ConfigError(f"The share of tasks within a group is {within}.", "Use 0 to 1.")
        self.groups, self.within = groups, within
        self.block = 128

    def check(self, condition: Condition) -> None:
        if condition.ways is None:
            raise ConfigError("Episodes of classification need 'ways'.", "Say how many classes a task has.")
        need = condition.most_shots + condition.queries
        fit = int((self.counts >= need).sum())
        if fit < condition.most_ways:
            raise DataError(
                f"Episodes ask for {condition.most_ways} classes of {condition.most_shots} shots and "
                f"{condition.queries} queries each, but only {fit} of {len(self.names)} classes have "
                f"{need} examples.",
                "Ask for fewer ways, shots or queries.",
            )

    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        self.check(condition)
        ways, shots = condition.draw(generator)
        each = shots + condition.queries
        classes = self._classes(ways, each, count, generator)
        places = distinct(self.counts[classes], each, generator)
        rows = self.order[(self.starts[classes].unsqueeze(-1) + places)]
        return Episodes(
            self._shots(rows[..., :shots]), self._shots(rows[..., shots:]), ways=ways, classes=classes
        )

    def _classes(self, ways: int, each: int, count: int, generator: torch.Generator) -> Tensor:
        fit = (self.counts >= each).nonzero().squeeze(1)
        chosen = distinct(torch.full((count,), len(fit)), ways, generator)
        classes = fit[chosen]
        if self.groups is None or not self.within:
            return classes
        near = torch.rand(count, generator=generator) < self.within
        own = self._of_one_group(fit, ways, count, generator)
        return torch.where(near.unsqueeze(1), own, classes)

    def _of_one_group(self, fit: Tensor, ways: int, count: int, generator: torch.Generator) -> Tensor:
        """Draw `ways` classes of a group, the groups with as many or more of them alike."""
        assert self.groups is not None
        member = self.groups[fit]
        order = torch.argsort(member, stable=True)
        sizes = torch.bincount(member)
        large = (sizes >= ways).nonzero().squeeze(1)
        if not len(large):
            raise DataError(
                f"No group has {ways} classes with enough examples.", "Ask for fewer ways, or across groups."
            )
        group = large[torch.randint(len(large), (count,), generator=generator)]
        starts = torch.cumsum(sizes, 0) - sizes
        places = distinct(sizes[group], ways, generator)
        return fit[order[starts[group].unsqueeze(1) + places]]

    def _shots(self, rows: Int[Tensor, "tasks ways each"]) -> Shots:
        tasks, ways, each = rows.shape
        flat = rows.reshape(-1)
        inputs = {
            key: torch.unflatten(value.index_select(0, flat), 0, (tasks, ways * each))
            for key, value in self.values.items()
        }
        targets = torch.arange(ways, dtype=torch.float32).repeat_interleave(each)
        return Shots(
            {key: v / 255 if v.dtype == torch.uint8 else v for key, v in inputs.items()},
            targets.expand(tasks, -1).contiguous(),
        )

    def digest(self) -> str:
        found = sha256(repr((self.names, self.within)).encode())
        for tensor in (*self.values.values(), self.labels):
            found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()
