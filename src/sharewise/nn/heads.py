"""Towers and heads, stacked by group of tasks (one kind, one width): representation -> outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import ConfigError
from sharewise.nn.initial import Initial
from sharewise.nn.picks import Picks
from sharewise.nn.settings import PartOptions
from sharewise.nn.stacked import StackedLinear, StackedMLP
from sharewise.tasks import TaskGroup, TaskSet


class GroupHead(nn.Module):
    """The head of every task of a group, or one for the whole group.

    Args:
        features: width of the representation.
        group: the tasks.
        names: of the group's tasks; a single name makes one head for all of them.
        members: how many members an ensemble has: each has heads of its own.
        initial: source of initial values.
    """

    def __init__(
        self, features: int, group: TaskGroup, names: Sequence[str], members: int, initial: Initial
    ) -> None:
        super().__init__()
        self.group, self.members, self.each = group, members, len(names)
        heads = [n if not j else f"{n}\x1f{j}" for n in names for j in range(members)]
        self.head = StackedLinear(features, group.width, heads, initial)
        index = list(group.index)
        straight = index == list(range(index[0], index[-1] + 1))
        self.place = slice(index[0], index[-1] + 1) if straight else index

    def joint(self, x: Tensor) -> Float[Tensor, "members rows columns"]:
        """Return the outputs of all tasks of the group for every row.

        Args:
            x: ``[rows * members, features]`` for all tasks, or ``[tasks, rows * members, features]``.
        """
        if x.dim() == 3 and len(x) > len(self.group.index):  # a slice of all would be copied on its way back
            x = x[self.place]
        y = self._ensemble(x) if self.members > 1 else self._single(x)
        return y.permute(1, 2, 0, 3).expand(-1, -1, len(self.group.index), -1).flatten(2)

    def _single(self, x: Tensor) -> Float[Tensor, "tasks 1 rows width"]:
        y: Tensor = self.head(x)
        return y.unsqueeze(1) if y.dim() == 3 else y[None, None]

    def _ensemble(self, x: Tensor) -> Float[Tensor, "tasks members rows width"]:
        x = x if x.dim() == 3 else x.unsqueeze(0)
        rows = x.shape[1] // self.members
        x = x.view(len(x), rows, self.members, x.shape[-1]).transpose(1, 2)
        if self.each == 1:  # one head a member for all tasks: tasks are more rows
            y: Tensor = self.head(x.transpose(0, 1).flatten(1, 2))
            return y.view(self.members, len(x), rows, y.shape[-1]).transpose(0, 1)
        y = self.head(x.expand(self.each, -1, -1, -1).flatten(0, 1))
        return y.view(self.each, self.members, *y.shape[1:])

    def disjoint(self, x: Tensor, picks: Picks) -> Float[Tensor, "members rows width"]:
        """Return each row's outputs.

        Args:
            x: ``[rows * members, features]``.
            picks: each row's head.
        """
        y: Tensor = self.head(x, picks.spread(self.members))
        return y.view(len(y) // self.members, self.members, y.shape[-1]).transpose(0, 1)

    def rescale(self, ratio: Float[Tensor, " tasks"], shift: Float[Tensor, " tasks"]) -> None:
        """Let the outputs of the group's tasks be ``outputs * ratio + shift``, one number each a task."""
        if bool((ratio == 1).all()) and bool((shift == 0).all()):
            return
        if self.each < len(self.group.index):
            raise ConfigError(
                f"Tasks of kind '{self.group.kind.name}' share a head, which cannot be rescaled for each.",
                'Give each task a head of its own: head = "per_task".',
            )
        factor = ratio.repeat_interleave(self.members).to(self.head.weight)
        self.head.weight.mul_(factor.view(-1, 1, 1))
        added = shift.repeat_interleave(self.members).to(self.head.bias)
        self.head.bias.mul_(factor.view(-1, 1)).add_(added.view(-1, 1))


class Heads(nn.Module):
    """The towers and heads of all tasks: a stack of towers, and a stack of heads for each group.

    Args:
        features: width of the representation.
        tasks: the tasks.
        options: the towers' widths, drop-out, members.
        per_kind: one tower for all and one head for each group: only the representation tells tasks apart.
        initial: source of initial values.
    """

    group_of: Tensor
    slot_of: Tensor

    def __init__(
        self, features: int, tasks: TaskSet, options: PartOptions, per_kind: bool, initial: Initial
    ) -> None:
        super().__init__()
        self.members, self.width = options.members, tasks.width
        self.each_tower = not per_kind or len(tasks) == 1
        towers = ("",) if per_kind else tasks.names
        at = initial.at("tower")
        self.tower = StackedMLP(features, options.tower, towers, at, options.dropout)
        self.groups = nn.ModuleList()
        group_of, slot_of = [0] * len(tasks), [0] * len(tasks)
        for g, group in enumerate(tasks.groups):
            names = [tasks[i].name for i in group.index]
            names = [f"{group.kind.name}/{group.width}"] if per_kind else names
            at = initial.at("head")
            self.groups.append(GroupHead(self.tower.width, group, names, options.members, at))
            for slot, task in enumerate(group.index):
                group_of[task], slot_of[task] = g, 0 if per_kind else slot
        self.register_buffer("group_of", torch.tensor(group_of), persistent=False)
        self.register_buffer("slot_of", torch.tensor(slot_of), persistent=False)

    def own_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters whose every entry is one task's alone."""
        for group in self._groups():
            if group.each == len(group.group.index):
                yield from group.parameters()
        if self.each_tower:
            yield from self.tower.parameters()

    def rescale(self, ratio: Float[Tensor, " tasks"], shift: Float[Tensor, " tasks"]) -> None:
        """Let every task's outputs be ``outputs * ratio + shift``.

        Raises:
            ConfigError: if tasks that change share a head.
        """
        for group in self._groups():
            index = list(group.group.index)
            group.rescale(ratio[index], shift[index])

    def forward(self, x: Tensor, picks: Picks | None = None) -> Tensor:
        """Return outputs.

        Args:
            x: the representation: ``[rows * members, features]``, or ``[tasks, rows * members, features]``
                for joint rows.
            picks: each row's task, for disjoint rows (without repeats for members).

        Returns:
            ``[members, rows, tasks.columns]`` for joint rows, ``[members, rows, tasks.width]`` for disjoint
            ones; the dimension of members is absent if there is one.
        """
        x = self.tower(x, picks and picks.repeat(self.members))
        y = self._joint(x) if picks is None else self._disjoint(x, picks)
        return y[0] if self.members == 1 else y

    def _joint(self, x: Tensor) -> Tensor:
        found = [group.joint(x) for group in self._groups()]
        return found[0] if len(found) == 1 else torch.cat(found, -1)

    def _disjoint(self, x: Tensor, picks: Picks) -> Tensor:
        groups = self._groups()
        if len(groups) == 1:
            return groups[0].disjoint(x, self._slots(picks, groups[0]))
        by_row = x.view(len(picks), self.members, x.shape[-1])
        found, places = [], []
        for g, group in enumerate(groups):
            rows = torch.nonzero(self.group_of[picks.copy] == g)[:, 0]
            own = Picks(picks.copy[rows], picks.copies)
            y = group.disjoint(by_row[rows].flatten(0, 1), self._slots(own, group))
            found.append(F.pad(y, (0, self.width - y.shape[-1])))
            places.append(rows)
        return torch.cat(found, 1).index_select(1, torch.argsort(torch.cat(places)))

    def _groups(self) -> list[GroupHead]:
        return cast("list[GroupHead]", list(self.groups))

    def _slots(self, picks: Picks, group: GroupHead) -> Picks:
        if group.each == picks.copies:  # every task is in this group: picks stay, with their sort
            return picks
        return Picks(self.slot_of[picks.copy], group.each)
