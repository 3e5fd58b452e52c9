"""Products of two transposes in a compiled graph become the transpose of one; others do not change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from sharewise.meta.strategy.products import BMM, SwapTransposed


def traced(function: Callable[[Tensor, Tensor], Tensor], *inputs: Tensor) -> torch.fx.GraphModule:
    made = make_fx(function, tracing_mode="fake")(*inputs)
    SwapTransposed()(made.graph)
    made.graph.lint()
    made.recompile()
    return made


def strides(made: torch.fx.GraphModule) -> list[tuple[int, ...]]:
    (node,) = made.graph.find_nodes(op="call_function", target=BMM)
    return [one.meta["val"].stride() for one in node.args]


def test_two_transposes_are_swapped() -> None:
    a, b = torch.randn(3, 5, 4), torch.randn(3, 6, 5)

    def function(a: Tensor, b: Tensor) -> Tensor:
        return torch.bmm(a.mT, b.mT) + 1

    made = traced(function, a, b)
    assert strides(made) == [b.stride(), a.stride()]
    torch.testing.assert_close(made(a, b), function(a, b))


@pytest.mark.parametrize("left,right", [(False, False), (True, False), (False, True)])
def test_others_stay(left: bool, right: bool) -> None:
    a, b = torch.randn(3, 5, 5), torch.randn(3, 5, 5)

    def function(a: Tensor, b: Tensor) -> Tensor:
        return torch.bmm(a.mT if left else a, b.mT if right else b)

    made = traced(function, a, b)
    assert strides(made) == [(25, 1, 5) if one else (25, 5, 1) for one in (left, right)]
    torch.testing.assert_close(made(a, b), function(a, b), rtol=0, atol=0)
