"""Conflict statistics against their definitions."""

from __future__ import annotations

import pytest
import torch

from sharewise.balance import Conflict


def test_one_look_by_hand() -> None:
    j = torch.tensor([[1.0, 0.0], [-3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    weights = torch.tensor([1.0, 0.5, 1.0])
    conflict = Conflict(3)
    conflict.see(j @ j.T, weights)
    found = conflict.record(["a", "b", "c"])
    assert found is not None
    assert found["looks"] == 1
    assert found["cosines"][0][1] == pytest.approx(-0.6)
    assert found["norm"] == pytest.approx({"a": 1.0, "b": 5.0, "c": 0.0})
    step = j.T @ weights.double()
    assert found["agreement"]["a"] == pytest.approx(float(j[0] @ step / step.norm()))
    assert found["agreement"]["b"] == pytest.approx(float(j[1] @ step / step.norm() / 5))
    assert found["hurt"] == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert found["seen"] == {"a": 1.0, "b": 1.0, "c": 0.0}
    assert found["worst"] == pytest.approx(found["agreement"]["a"])


def test_looks_are_averaged_saved_and_forgotten() -> None:
    first, second = Conflict(2), Conflict(2)
    for scale in (1.0, 3.0):
        first.see(torch.tensor([[scale, 0.0], [0.0, 1.0]]), torch.ones(2))
    second.load_state_dict({key: value.clone() for key, value in first.state_dict().items()})
    assert first.record("ab") == second.record("ab")
    assert first.record("ab")["norm"]["a"] == pytest.approx((1 + 3**0.5) / 2)  # type: ignore[index]
    first.clear()
    assert first.record("ab") is None


def test_no_gradient_at_all() -> None:
    conflict = Conflict(2)
    conflict.see(torch.zeros(2, 2), torch.ones(2))
    found = conflict.record("ab")
    assert found is not None
    assert found["worst"] == 0.0
    assert found["agreement"] == {"a": 0.0, "b": 0.0}


def test_many_tasks_have_no_matrix() -> None:
    conflict = Conflict(60)
    conflict.see(torch.eye(60), torch.ones(60))
    found = conflict.record([str(i) for i in range(60)])
    assert found is not None
    assert "cosines" not in found
    assert len(found["agreement"]) == 60
