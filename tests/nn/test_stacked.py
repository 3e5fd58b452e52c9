"""Stacked layers against their copies one by one, and rows that pick a copy."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from sharewise.nn.initial import Initial
from sharewise.nn.picks import Picks, pick
from sharewise.nn.stacked import NARROW, StackedLinear, StackedMLP

SIZES = [(5, 3), (40, 20), (7, 40)]  # gathered, sorted into blocks, rows outermost


def one_by_one(layer: StackedLinear, x: Tensor) -> Tensor:
    each = x if x.dim() == 3 else x.expand(layer.copies, *x.shape)
    return torch.stack([F.linear(each[c], layer.weight[c], layer.bias[c]) for c in range(layer.copies)])


@pytest.mark.parametrize("features, out", SIZES)
@pytest.mark.parametrize("shape", [(), (4,)])
def test_copies_are_separate_layers(features: int, out: int, shape: tuple[int, ...]) -> None:
    layer = StackedLinear(features, out, "abcd", Initial(0))
    x = torch.randn(*shape, 9, features)
    torch.testing.assert_close(layer(x), one_by_one(layer, x))


@pytest.mark.parametrize("features, out", SIZES)
def test_rows_that_come_innermost_have_gradients_that_do(features: int, out: int) -> None:
    layer = StackedLinear(features, out, "abcd", Initial(0))
    inside = torch.randn(4, features, 9, requires_grad=True)
    weights, wanted = torch.randn(4, 9, out), [inside, layer.weight, layer.bias]
    found = layer(inside.transpose(1, 2), relu=True)
    expected = torch.relu(one_by_one(layer, inside.transpose(1, 2)))
    torch.testing.assert_close(found, expected)
    if out <= NARROW:
        assert found.stride(1) == 1
    torch.testing.assert_close(
        torch.autograd.grad((weights * found).sum(), wanted),
        torch.autograd.grad((weights * expected).sum(), wanted),
    )


@pytest.mark.parametrize("features, out", SIZES)
def test_rows_expanded_over_copies_have_gradients_of_their_own(features: int, out: int) -> None:
    layer = StackedLinear(features, out, "abc", Initial(0))
    base = torch.randn(6, features, requires_grad=True)
    each = base.expand(3, -1, -1)
    weights = torch.randn(3, 6, out)
    wanted = [each, base, layer.weight, layer.bias]
    found = torch.autograd.grad((weights * layer(each)).sum(), wanted)
    expected = torch.autograd.grad((weights * one_by_one(layer, each)).sum(), wanted)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    with torch.no_grad():
        torch.testing.assert_close(layer(each), one_by_one(layer, each))


@pytest.mark.parametrize("features, out", SIZES)
@given(copy=st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_rows_pick_their_copy(features: int, out: int, copy: list[int]) -> None:
    layer = StackedLinear(features, out, "abcdef", Initial(0))
    x = torch.randn(len(copy), features, requires_grad=True)
    picks = Picks(torch.tensor(copy), 6)
    expected = pick(one_by_one(layer, x), picks)
    torch.testing.assert_close(layer(x, picks), expected)
    parameters = [x, layer.weight, layer.bias]
    found = torch.autograd.grad(layer(x, picks).square().sum(), parameters)
    wanted = torch.autograd.grad(expected.square().sum(), parameters)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@given(copy=st.lists(st.integers(0, 40), min_size=1, max_size=200))
def test_blocks_hold_every_row_once_and_little_else(copy: list[int]) -> None:
    blocks = Picks(torch.tensor(copy), 50).blocks
    assert len(set(blocks.slot.tolist())) == len(copy)
    assert blocks.copy[blocks.slot // blocks.depth].tolist() == copy
    assert len(blocks.copy) * blocks.depth <= 3 * len(copy) + 2 * len(set(copy))
    x = torch.randn(len(copy), 3)
    assert torch.equal(blocks.unpack(blocks.pack(x)), x)


def test_sub_copies_lie_side_by_side() -> None:
    picks = Picks(torch.tensor([2, 0]), 3)
    assert picks.spread(2).copy.tolist() == [4, 5, 0, 1]
    assert picks.spread(2).copies == 6
    assert picks.repeat(2).copy.tolist() == [2, 2, 0, 0]


def test_a_copy_starts_as_its_name_says() -> None:
    few, more = StackedLinear(5, 3, "ab", Initial(0)), StackedLinear(5, 3, "xbya", Initial(0))
    assert torch.equal(few.weight[0], more.weight[3])
    assert torch.equal(few.bias[1], more.bias[1])
    assert not torch.equal(few.weight[0], few.weight[1])
    assert few.weight.abs().max() <= 5**-0.5


def test_layers_start_as_linear_layers_do() -> None:
    ours = StackedLinear(100, 100, [str(i) for i in range(50)], Initial(0))
    theirs = torch.nn.Linear(100, 100)
    assert abs(ours.weight.std() / theirs.weight.std() - 1) < 0.02
    assert abs(ours.bias.std() / (theirs.weight.std()) - 1) < 0.05


def test_no_layers_are_the_identity() -> None:
    x = torch.randn(4, 5)
    mlp = StackedMLP(5, (), "ab", Initial(0), dropout=0.5)
    assert mlp(x) is x
    assert mlp.width == 5
