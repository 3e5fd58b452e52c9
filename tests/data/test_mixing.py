"""PiKE: its update, its estimates, and what is drawn by shares."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sharewise.data import Batch, BatchSource
from sharewise.data.mixing import moments, pike

numbers = st.lists(st.floats(0, 50), min_size=3, max_size=3)


@given(numbers, numbers, st.floats(0, 2), st.floats(0, 2), st.integers(1, 512))
def test_the_update_is_the_papers(
    squares: list[float], variances: list[float], gain: float, noise: float, size: int
) -> None:
    shares = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    square, variance = (torch.tensor(x, dtype=torch.float64) for x in (squares, variances))
    found = pike(shares, square, variance, gain=gain, noise=noise, batch_size=size)
    expected = shares * (gain * square - noise / (2 * size) * variance).exp()
    assert torch.allclose(found, expected / expected.sum())


def test_it_is_a_step_of_mirror_descent() -> None:
    """The update minimises -<push, w> + KL(w, shares) over the simplex."""
    shares = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    squares, variances = torch.tensor([1.0, 0.2, 0.1]).double(), torch.tensor([4.0, 1.0, 0.0]).double()
    push = 0.5 * squares - 0.25 * variances / 2
    best = pike(shares, squares, variances, gain=0.5, noise=0.25, batch_size=1)

    def bound(w: torch.Tensor) -> float:
        return float(-(push * w).sum() + (w * (w / shares).log()).sum())

    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        near = best + 0.05 * torch.randn(3, generator=generator).double()
        near = near.clamp(min=1e-6) / near.clamp(min=1e-6).sum()
        assert bound(near) >= bound(best) - 1e-12


@pytest.mark.parametrize("scale", [1e-10, 1e15, float("nan"), float("inf")])
def test_shares_stay_shares_at_any_scale(scale: float) -> None:
    shares = torch.tensor([0.0, 0.4, 0.6], dtype=torch.float64)
    found = pike(shares, scale * torch.tensor([9.0, 1.0, 2.0]), torch.zeros(3), gain=1, noise=1, batch_size=8)
    assert found.isfinite().all()
    assert float(found.sum()) == pytest.approx(1)
    assert float(found[0]) == 0


def test_estimates_have_no_bias() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, deviation = torch.tensor([[1.0, 2.0], [0.0, 0.5]]).double(), torch.tensor([3.0, 0.1]).double()
    squares, variances = [], []
    for _ in range(4000):
        rows = mean[:, None] + deviation[:, None, None] * torch.randn(2, 5, 2, generator=generator).double()
        gradients = torch.cat([rows[:, :2].mean(1), rows[:, 2:].mean(1)])
        sizes = torch.full((2,), 2.0).double(), torch.full((2,), 3.0).double()
        own = moments(gradients @ gradients.T, *sizes)
        squares.append(own[0])
        variances.append(own[1])
    assert torch.stack(variances).mean(0) == pytest.approx((2 * deviation**2).tolist(), rel=0.05)
    # At least 0, so a little too long where noise hides the gradient; nearly none for the second task.
    assert float(torch.stack(squares).mean(0)[1]) == pytest.approx(0.25, rel=0.05)


def test_rows_are_drawn_by_shares_up_to_one_row() -> None:
    task = torch.tensor([0] * 3 + [1] * 50 + [3] * 500)  # task 2 has no rows
    data = Batch({}, torch.zeros(553), torch.ones(553, dtype=torch.bool), task)
    source = BatchSource(data, 40, 0, "pike")
    for shares in (
        torch.full((4,), 0.25),
        torch.tensor([0.7, 0.05, 0.2, 0.05]),
        torch.tensor([0.0, 1, 0, 1]),
    ):
        source.reweigh(shares)
        own = shares[[0, 1, 3]] / shares[[0, 1, 3]].sum()
        for rows, draws in source.epoch(0):
            counts = torch.bincount(task[rows], minlength=4)[[0, 1, 3]]
            assert draws == 1
            assert ((counts - 40 * own).abs() < 1 + 1e-4).all()
