"""Gates, and the one sum that all mixtures are: representation of task t = Σₑ gate[t, e](x) expertₑ(x)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.nn.dropout import batch_average, keep_mask
from sharewise.nn.initial import Initial
from sharewise.nn.picks import Picks
from sharewise.nn.settings import PartOptions
from sharewise.nn.stacked import StackedLinear

#: Up to this many products a row, mixtures are multiplied and summed; above, a small matrix product a row is
#: faster, since the products of all rows no longer fit into a cache.
SMALL = 256


def mix(gates: Tensor, experts: Float[Tensor, "experts rows out"]) -> Tensor:
    """Return Σₑ gates · experts.

    Args:
        gates: ``[tasks, rows, experts]``, or ``[rows, experts]`` for one gate a row.
        experts: what all experts say of every row.

    Returns:
        ``[tasks, rows, out]``, or ``[rows, out]``.
    """
    if gates.dim() == 2:
        return mix(gates.unsqueeze(0), experts)[0]
    if len(gates) * len(experts) * experts.shape[-1] <= SMALL:
        products = gates.transpose(1, 2).unsqueeze(2) * experts.transpose(1, 2)  # [tasks, experts, out, rows]
        return products.sum(1).transpose(1, 2)
    # Copied row after row: a product of thousands of strided matrices takes 3 to 8 times as long.
    by_row = gates.transpose(0, 1).contiguous(), experts.transpose(0, 1).contiguous()
    return torch.bmm(*by_row).transpose(0, 1)


class Gate(nn.Module):
    """Softmax gates, one linear layer for all.

    Args:
        features: of the gate's input.
        experts: how many each gate divides its weight among.
        names: the gates' names; ("",) is one gate for all tasks.
        options: drop-out and importance loss.
        initial: source of initial values.
    """

    def __init__(
        self, features: int, experts: int, names: Sequence[str], options: PartOptions, initial: Initial
    ) -> None:
        super().__init__()
        self.linear = StackedLinear(features, experts, names, initial)
        self.drop, self.by_row = options.expert_dropout, options.expert_dropout_by == "row"
        self.importance = options.importance
        self.loss: Tensor | None = None
        self.keeps = False
        self.logits: Tensor | None = None

    def forward(self, x: Tensor, picks: Picks | None = None) -> Tensor:
        """Return weights that sum to 1, ``[gates, rows, experts]``; picked or single gates lack the first."""
        logits = self._logits(x, picks)
        self.logits = logits if self.keeps else None
        gates = torch.softmax(logits.transpose(-1, -2), -2).transpose(-1, -2)  # fast if rows are innermost
        if not self.training:
            return gates
        self.loss = self.importance * importance_loss(gates) if self.importance else None
        return self._dropped(gates) if self.drop else gates

    def forget(self) -> None:
        """Drop what the last forward pass left, and its graph with it."""
        self.loss = self.logits = None

    def _logits(self, x: Tensor, picks: Picks | None) -> Tensor:
        found: Tensor = self.linear(x, picks)
        return found

    def parting(
        self, x: Float[Tensor, "rows features"], gates: Tensor, gradients: Float[Tensor, "tasks rows experts"]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return x with every task's gradient of it by way of the task's own gate, given those of the gates.

        Gates of different tasks meet in x only, so one backward pass gives all of their logits' gradients.
        """
        if not x.requires_grad or self.logits is None:
            return []
        (of_logits,) = torch.autograd.grad(gates, self.logits, gradients, retain_graph=True)
        return [(x, of_logits @ self.linear.weight.detach())]

    def _dropped(self, gates: Tensor) -> Tensor:
        """Drop experts and renormalise (Zhao et al. 2019); a row that would lose all keeps all."""
        like = gates if self.by_row else gates[..., :1, :]
        kept = gates * keep_mask(like, 1 - self.drop, -2 if self.by_row else None)
        kept = torch.where(kept.sum(-1, keepdim=True) > 0, kept, gates)
        return kept / kept.sum(-1, keepdim=True)


class NamedGate(Gate):
    """One gate for all tasks whose initial weights go by the experts' names, not by their order.

    Args:
        features: of the gate's input.
        experts: names of the experts, at least two.
        options: drop-out and importance loss.
        initial: source of initial values.
    """

    def __init__(self, features: int, experts: Sequence[str], options: PartOptions, initial: Initial) -> None:
        super().__init__(features, 1, experts, options, initial)

    def _logits(self, x: Tensor, picks: Picks | None) -> Float[Tensor, "rows experts"]:
        found: Tensor = self.linear(x)
        return found.squeeze(-1).t()


def importance_loss(gates: Tensor) -> Tensor:
    """Squared coefficient of variation of the experts' mean weight over the batch (Shazeer et al. 2017, eq.
    6-7).

    Summed over gates of joint rows; rows of disjoint data have a gate each, and count as one.
    """
    use = batch_average(gates.float().mean(-2))
    return (use.var(-1, correction=0) / use.mean(-1).square()).sum()


def mean_gates(gates: Tensor, tasks: int, picks: Picks | None) -> Float[Tensor, "tasks experts"]:
    """Return every task's mean weight of every expert; NaN for tasks without rows."""
    if gates.dim() == 3:
        return gates.mean(1)
    if picks is None:
        return gates.mean(0).expand(tasks, -1)
    total = gates.new_zeros(tasks, gates.shape[-1]).index_add(0, picks.copy, gates)
    return total / torch.bincount(picks.copy, minlength=tasks)[:, None]
