"""From a model's outputs to one loss per task: Σᵢ wᵢ Lᵢ without the sum.

Tasks of one kind and width are computed together, so a thousand tasks cost no loop over a thousand. A missing
label weighs 0. Weights are normalised by the *whole* batch, so that the parts of it that several processes
compute add up to it exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sharewise.data.batches import Batch
from sharewise.tasks import TaskGroup, TaskSet

#: Stands for a sum of no weights: the sum of losses over it is 0 then.
TINY = 1e-30


@dataclass(frozen=True)
class RowWeights:
    """What each label of a batch weighs.

    Attributes:
        rows: float32, shape of the targets: the row's weight where the label is observed, else 0.
        totals: float32 `[tasks]`: their sums, task by task.
        factors: what a task's sum of weighted losses is multiplied by to be its loss: `[tasks]` or a scalar.
    """

    rows: Float[Tensor, " *labels"]
    totals: Float[Tensor, " tasks"]
    factors: Float[Tensor, " *tasks"]

    def part(self, rows: slice) -> RowWeights:
        """Return the weights of some rows, normalised as the whole."""
        return RowWeights(self.rows[rows], self.totals, self.factors)


class Objective:
    """Losses of all tasks, from outputs as a `MultiTaskModel` gives them, with or without members.

    Example:
        >>> weights = objective.weigh(batch)
        >>> losses = objective.sums(outputs, batch, weights) * weights.factors
    """

    def __init__(self, tasks: TaskSet, device: torch.device | str = "cpu") -> None:
        self.tasks = tasks
        self._groups = tasks.groups
        self._picks = [_pick(group, device) for group in self._groups]
        joined = torch.tensor([i for group in self._groups for i in group.index], device=device)
        in_order = bool((joined[1:] > joined[:-1]).all())
        self._order = None if in_order else torch.argsort(joined)
        self._group_of = torch.empty(len(tasks), dtype=torch.long, device=device)
        for number, group in enumerate(self._groups):
            self._group_of[list(group.index)] = number

    def weigh(self, batch: Batch) -> RowWeights:
        """Return the weights of a whole batch's labels.

        Joint: Lᵢ is the weighted mean over the rows where task i is observed (0 if there are none). Disjoint:
        the rows of task i over all observed rows, times the batch's draws: the mean of the drawn tasks' sums.
        """
        rows = batch.mask.to(torch.float32)
        if batch.weight is not None:
            rows = rows * (batch.weight if batch.task is not None else batch.weight[:, None])
        if batch.task is None:
            totals = rows.sum(0)
            return RowWeights(rows, totals, totals.clamp(min=TINY).reciprocal())
        total = rows.sum()
        factor = batch.draws / total.clamp(min=TINY)
        return RowWeights(rows, self._by_task(rows, batch.task), factor)

    def sums(self, outputs: Tensor, batch: Batch, weights: RowWeights) -> Float[Tensor, " tasks"]:
        """Return Σ over rows of weight · loss for every task, the mean over members taken."""
        outputs = outputs.float()
        if batch.task is None:
            return (self.joint(outputs, batch.targets) * weights.rows).sum(0)
        return self._by_task(self.disjoint(outputs, batch.targets, batch.task) * weights.rows, batch.task)

    def joint(self, outputs: Tensor, targets: Tensor) -> Float[Tensor, "rows tasks"]:
        """Return every label's loss, unweighted; that of a missing label has no meaning."""
        losses = [
            _loss(group, _own(outputs, group), targets[:, pick])
            for group, pick in zip(self._groups, self._picks, strict=True)
        ]
        joined = losses[0] if len(losses) == 1 else torch.cat(losses, dim=-1)
        return joined if self._order is None else joined[:, self._order]

    def disjoint(
        self, outputs: Tensor, targets: Tensor, task: Int[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """Return every row's loss, unweighted; `outputs` are `[*members, rows, width]`."""
        if len(self._groups) == 1:
            group = self._groups[0]
            return _loss(group, outputs[..., : group.width], targets)
        losses, number = torch.zeros_like(targets), self._group_of[task]
        for i, group in enumerate(self._groups):
            rows = (number == i).nonzero().squeeze(1)
            own = _loss(group, outputs[..., rows, : group.width], targets[rows])
            losses = losses.index_put((rows,), own)
        return losses

    def _by_task(self, values: Float[Tensor, " rows"], task: Int[Tensor, " rows"]) -> Float[Tensor, " tasks"]:
        return values.new_zeros(len(self.tasks)).index_add(0, task, values)


def _pick(group: TaskGroup, device: torch.device | str) -> slice | Tensor:
    # A run of neighbours is a view; anything else is gathered.
    first, last = group.index[0], group.index[-1]
    if last - first + 1 == len(group.index):
        return slice(first, last + 1)
    return torch.tensor(group.index, device=device)


def _own(outputs: Tensor, group: TaskGroup) -> Float[Tensor, "*members rows tasks width"]:
    own = outputs[..., group.columns]
    return own.view(*own.shape[:-1], len(group.index), group.width)


def _loss(group: TaskGroup, outputs: Float[Tensor, "*members labels width"], targets: Tensor) -> Tensor:
    if outputs.ndim == targets.ndim + 1:
        return group.kind.loss(outputs, targets)
    return group.kind.loss(outputs, targets.expand(outputs.shape[:-1])).mean(0)
