"""Stacked layers: many copies of one layer in one tensor, applied in one product.

Weights are ``[copies, out, in]``, so that the copies' common product with one input is a *view* away from one
plain linear layer ``[copies * out, in]``, and their separate products are one `baddbmm`. No loop over copies
anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.nn.dropout import Dropout
from sharewise.nn.initial import Initial
from sharewise.nn.picks import Picks

#: Layers of at most this many weights a copy are gathered per row; larger ones work on sorted blocks.
GATHER_LIMIT = 512


#: Up to this many outputs a copy, rows are innermost in memory: inner loops over few features are slow.
#: Copies with inputs of their own keep these as they come.
NARROW = 32


def _unchanged(value: Tensor) -> Tensor:
    return value


class StackedLinear(nn.Module):
    """`len(copies)` linear layers of equal shape.

    Args:
        features: inputs of each copy.
        out: outputs of each copy.
        copies: their names; a copy's initial weights depend on the seed, the place and its name.
        initial: source of initial values.
        rectified: a ReLU follows.

    Each copy starts as `nn.Linear` does: weights and biases from U(-1, 1) / sqrt(features). Weights before a
    ReLU start sqrt(6) times as large, so that the variance passes through (He et al. 2015, eq. 10).
    """

    def __init__(
        self, features: int, out: int, copies: Sequence[str], initial: Initial, rectified: bool = False
    ) -> None:
        super().__init__()
        self.copies, self.features, self.out = len(copies), features, out
        bound = max(features, 1) ** -0.5
        spread = 6**0.5 * bound if rectified else bound
        self.weight = nn.Parameter(initial.at("weight").uniform(spread, (out, features), copies))
        self.bias = nn.Parameter(initial.at("bias").uniform(bound, (out,), copies))

    def forward(
        self, x: Float[Tensor, "*copies rows in"], picks: Picks | None = None, *, relu: bool = False
    ) -> Tensor:
        """Apply the copies.

        Args:
            x: ``[rows, in]``, which every copy sees, or ``[copies, rows, in]``, each copy its own.
            picks: the copy of each row; x is then ``[rows, in]``.
            relu: pass the result through a ReLU, in place: large results are slow to copy.

        Returns:
            ``[copies, rows, out]``; with picks ``[rows, out]``. A single copy keeps the shape of x.
        """
        finish = torch.relu_ if relu else _unchanged
        if self.copies == 1:
            return finish(F.linear(x, self.weight[0], self.bias[0]))
        if picks is not None:
            return finish(self._picked(x, picks))
        if x.dim() == 2:
            return self._shared(x, finish)
        if x.stride(0) == 0 and self.out <= NARROW and torch.is_grad_enabled():
            value = self._shared(x[0].detach(), _unchanged)
            return finish(value + _Apart.apply(x, self.weight.detach()))  # type: ignore[no-untyped-call]
        if self.out <= NARROW and x.stride(1) == 1:  # the gradient returns as it came
            flat = finish(torch.baddbmm(self.bias.unsqueeze(2), self.weight, x.transpose(1, 2)))
            return flat.transpose(1, 2)
        return finish(torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.transpose(1, 2)))

    def _shared(
        self, x: Float[Tensor, "rows in"], finish: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "copies rows out"]:
        # Finished before it is seen as copies: autograd copies what is changed through a view.
        weight, bias = self.weight.flatten(0, 1), self.bias.flatten()
        if self.out <= NARROW:
            flat = finish(torch.addmm(bias.unsqueeze(1), weight, x.t()))
            return flat.view(self.copies, self.out, x.shape[0]).transpose(1, 2)
        return finish(F.linear(x, weight, bias)).view(x.shape[0], self.copies, self.out).transpose(0, 1)

    def _picked(self, x: Float[Tensor, "rows in"], picks: Picks) -> Float[Tensor, "rows out"]:
        if self.features * self.out <= GATHER_LIMIT:
            weight = self.weight.index_select(0, picks.copy)
            return (weight * x.unsqueeze(1)).sum(-1) + self.bias.index_select(0, picks.copy)
        blocks = picks.blocks
        weight = self.weight.index_select(0, blocks.copy).transpose(1, 2)
        bias = self.bias.index_select(0, blocks.copy).unsqueeze(1)
        return blocks.unpack(torch.baddbmm(bias, blocks.pack(x), weight))

    def extra_repr(self) -> str:
        return f"copies={self.copies}, features={self.features}, out={self.out}"


class _Apart(torch.autograd.Function):
    """Nothing but the copies' gradients by rows that are the same for all: one tensor, expanded over copies.

    With it the gradients by the weights are one product with these rows, not one a copy.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return torch.zeros(1, dtype=x.dtype, device=x.device).expand(*x.shape[:2], weight.shape[1])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        return slope @ weight.to(slope.dtype), None


class StackedMLP(nn.Module):
    """`len(copies)` multilayer perceptrons of equal shape; ReLU and drop-out after every layer.

    Args:
        features: inputs of each copy.
        widths: outputs of each layer; none makes it the identity.
        copies: their names.
        initial: source of initial values.
        dropout: rate of drop-out after every layer.
    """

    def __init__(
        self,
        features: int,
        widths: Sequence[int],
        copies: Sequence[str],
        initial: Initial,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = [features, *widths]
        self.layers = nn.ModuleList(
            StackedLinear(size, out, copies, initial.at(i), rectified=True)
            for i, (size, out) in enumerate(zip(sizes, widths, strict=False))
        )
        self.dropout = Dropout(dropout)
        self.width = sizes[-1]

    def forward(self, x: Float[Tensor, "*copies rows in"], picks: Picks | None = None) -> Tensor:
        """Apply the layers; shapes as in `StackedLinear.forward`."""
        for layer in self.layers:
            x = self.dropout(layer(x, picks, relu=True))
        return x
