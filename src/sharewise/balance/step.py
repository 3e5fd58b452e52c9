"""One step, as it is put to a balancer, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Ask:
    """One step of a model whose tasks are computed together.

    Attributes:
        losses: times the tasks' own weights, with their graph; where several processes share a batch, this
            one's part of them.
        penalty: a scalar that no task owns; its gradient is added as it is.
        shared: parameters that several tasks depend on.
        own: the others.
        measured: the losses of the whole batch, if `losses` are but a part.
        share: of a larger step: 1 / accumulated batches.
        present: tells the tasks that have labels in the batch; a method without memory balances these alone.
        reduce: adds up a tensor over processes, where there are several.
        look: compute the Gramian even if the method does not ask for it.
        again: computes the losses anew, by the same chance; for a Gramian in another precision than theirs.
        parting: finds for losses of the last forward pass the tensors below which tasks share all, with
            every task's gradient of each; None, or if it gives None, gradients are followed from the losses.
        fast_bf16: whether the hardware gains by bf16 at this model's sizes.
    """

    losses: Float[Tensor, " tasks"]
    penalty: Float[Tensor, ""]
    shared: Sequence[Tensor] = ()
    own: Sequence[Tensor] = ()
    measured: Float[Tensor, " tasks"] | None = None
    share: float = 1.0
    present: Bool[Tensor, " tasks"] | None = None
    reduce: Callable[[Tensor], Tensor] | None = None
    look: bool = False
    again: Callable[[], Tensor] | None = None
    parting: Callable[[Tensor], Sequence[tuple[Tensor, Tensor]] | None] | None = None
    fast_bf16: bool = False

    @property
    def seen(self) -> Tensor:
        """The losses that a weighting is shown."""
        return self.losses.detach() if self.measured is None else self.measured


@dataclass(frozen=True)
class Halves:
    """One step in two halves of its batch, for methods that multiply gradients of independent rows.

    Attributes:
        ask: the step; its losses are the sum of both halves'.
        first, second: the halves' parts of the losses, with their graphs.
        derivative: how fast the first half's part changes as the shared parameters move along a direction.
    """

    ask: Ask
    first: Float[Tensor, " tasks"]
    second: Float[Tensor, " tasks"]
    derivative: Callable[[Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class Step:
    """What a balanced step was.

    Attributes:
        total: the differentiated value, detached.
        weights: of the losses.
        gramian: of this step, if it was computed.
    """

    total: Float[Tensor, ""]
    weights: Float[Tensor, " tasks"]
    gramian: Float[Tensor, "tasks tasks"] | None = None
