"""Gates: sums, drop-out, importance."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sharewise.nn.initial import Initial
from sharewise.nn.picks import Picks
from sharewise.nn.routing import Gate, importance_loss, mean_gates, mix
from sharewise.testing.toys import SMALL


@pytest.mark.parametrize("out", [3, 300])  # summed products, and small matrix products
def test_mixtures_are_weighted_sums(out: int) -> None:
    gates, experts = torch.rand(2, 5, 4), torch.randn(4, 5, out)
    expected = torch.einsum("tre,ero->tro", gates, experts)
    torch.testing.assert_close(mix(gates, experts), expected)
    torch.testing.assert_close(mix(gates[1], experts), expected[1])


@pytest.mark.parametrize("by", ["row", "batch"])
def test_dropped_gates_still_sum_to_one(by: str) -> None:
    torch.manual_seed(0)
    options = replace(SMALL, expert_dropout=0.6, expert_dropout_by=by)
    gate = Gate(7, 3, ("a", "b"), options, Initial(0))
    found = gate(torch.randn(50, 7))
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 50))
    dropped = found == 0
    assert 0.3 < dropped.float().mean() < 0.7 or by == "batch"
    assert bool((dropped == dropped[:, :1]).all()) == (by == "batch")
    assert (gate.eval()(torch.randn(50, 7)) > 0).all()


def test_importance_is_the_squared_coefficient_of_variation() -> None:
    gates = torch.tensor([[[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.5, 0.5]]])
    assert importance_loss(gates[0]).item() == 0
    assert importance_loss(gates).item() == pytest.approx((0.25 / 0.5) ** 2)


def test_mean_gates_count_a_row_for_its_task() -> None:
    gates = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    found = mean_gates(gates, 3, Picks(torch.tensor([0, 0, 2]), 3))
    torch.testing.assert_close(
        found, torch.tensor([[0.5, 0.5], [torch.nan, torch.nan], [0.5, 0.5]]), equal_nan=True
    )
