"""What a model costs, and how wide a structure must be to cost as much as another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from sharewise.errors import ConfigError
from sharewise.nn.options import ModelOptions
from sharewise.tasks import InputSpec

#: Hidden widths are searched up to this many times those asked for.
MOST = 256.0


@dataclass(frozen=True)
class Cost:
    """Parameters in all, and multiplications (in products and convolutions) to predict all tasks of a row."""

    parameters: int
    multiplications: int


def empty_row(inputs: InputSpec, device: torch.device | str) -> dict[str, Tensor]:
    """Return inputs of one row, all zero."""
    row: dict[str, Tensor] = {}
    if inputs.cardinalities:
        row["categorical"] = torch.zeros(1, len(inputs.cardinalities), dtype=torch.int64, device=device)
    if inputs.growing:
        row["growing"] = torch.zeros(1, inputs.growing, dtype=torch.int64, device=device)
    if inputs.bins:
        row["numeric"] = torch.zeros(1, len(inputs.bins), device=device)
    if inputs.image:
        row["image"] = torch.zeros(1, *inputs.image, device=device)
    return row


def measure(model: nn.Module, inputs: InputSpec) -> Cost:
    """Count by running one row through the model and adding up its products, whatever they are."""
    device = next(model.parameters()).device
    was_training = model.training
    with torch.no_grad(), _Products() as products:
        model.eval()(empty_row(inputs, device))
    model.train(was_training)
    return Cost(sum(p.numel() for p in model.parameters()), products.count)


#: One multiplication an entry: gates times experts, scales, masks.
_ELEMENTWISE = frozenset({torch.ops.aten.mul, torch.ops.aten.addcmul})


#: A structure that misses the cost to match by more than this factor is refused.
FAR = 1.25


class _Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the multiplications of the products that run inside the ``with`` block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in _ELEMENTWISE and out.is_floating_point():
            self.count += out.numel()
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.count += formula(*args, **(kwargs or {}), out_val=out) // 2
        return out


def matched(options: ModelOptions, build: Callable[[ModelOptions], Cost]) -> ModelOptions:
    """Return the options with `hidden` scaled to the cost of the structure `match_to`, by bisection.

    Args:
        options: with `match` set.
        build: options -> cost, of a model without storage.
    """
    measure_of = str(options.match)
    plain = replace(options, match=None)

    def cost_at(scale: float) -> int:
        return int(getattr(build(_scaled(plain, scale)), measure_of))

    target = int(getattr(build(replace(plain, sharing=options.match_to)), measure_of))
    low, high = 0.0, 1.0
    while cost_at(high) < target and high < MOST:
        low, high = high, high * 2
    while len({_scaled(plain, low).hidden, _scaled(plain, high).hidden}) > 1 and high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if cost_at(middle) < target else (low, middle)
    nearest = min((low, high), key=lambda scale: abs(cost_at(scale) - target))
    found = cost_at(nearest)
    if not target / FAR <= found <= target * FAR:
        raise ConfigError(
            f"Sharing '{options.sharing}' cannot have the {target:,} {measure_of} of '{options.match_to}': "
            f"the nearest it comes to is {found:,}.",
            "Match something else, make the embeddings smaller, or leave match out.",
        )
    return _scaled(plain, nearest)


def _scaled(options: ModelOptions, scale: float) -> ModelOptions:
    return replace(options, hidden=tuple(max(1, round(scale * width)) for width in options.hidden))
