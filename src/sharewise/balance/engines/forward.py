"""Matrix-free: J v by forward differentiation, so G a = J (Jᵀ a) costs one backward and one such pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad


class _Closure(nn.Module):
    """Calls a function that uses a module, as a module: so its parameters can be replaced for the call."""

    def __init__(self, model: nn.Module, function: Callable[[], Tensor]) -> None:
        super().__init__()
        self.model = model
        self._function = function

    def forward(self) -> Tensor:
        return self._function()


@torch.no_grad()
def derivative(
    model: nn.Module, losses: Callable[[], Tensor], along: Sequence[Tensor], direction: Sequence[Tensor]
) -> Float[Tensor, " tasks"]:
    """Return J v: how fast each loss changes as some parameters move.

    Args:
        model: whose parameters move.
        losses: computes the losses ``[tasks]`` with that model, by the same chance as before.
        along: some of the model's parameters.
        direction: v, a tensor for each of them.
    """
    moves = {id(p): v for p, v in zip(along, direction, strict=True)}
    with forward_ad.dual_level():
        dual = {
            f"model.{name}": forward_ad.make_dual(p.detach(), moves[id(p)].to(p.dtype))  # type: ignore[no-untyped-call]
            for name, p in model.named_parameters()
            if id(p) in moves
        }
        found = torch.func.functional_call(_Closure(model, losses), dual, ())
        tangent = forward_ad.unpack_dual(found).tangent  # type: ignore[no-untyped-call]
    return torch.zeros_like(found) if tangent is None else tangent
