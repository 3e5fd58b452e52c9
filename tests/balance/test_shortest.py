"""The shortest convex combination of gradients, against all of them on a grid."""

from __future__ import annotations

import pytest
import torch

from sharewise.balance.solvers import min_norm_weights


@pytest.mark.parametrize("scales", [(1.0, 1.0), (1e-6, 1.0), (1e3, 1e-3), (0.0, 1.0)])
@pytest.mark.parametrize("seed", range(5))
def test_two_gradients(scales: tuple[float, float], seed: int) -> None:
    made = torch.Generator().manual_seed(seed)
    gradients = torch.randn(2, 3, generator=made, dtype=torch.float64) * torch.tensor(scales)[:, None]
    found = min_norm_weights(gradients @ gradients.T)
    share = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    lengths = (torch.stack([share, 1 - share], 1) @ gradients).norm(dim=1)
    assert float((found @ gradients).norm()) <= float(lengths.min()) * (1 + 1e-9) + 1e-12
    assert float(found.sum()) == pytest.approx(1)
    assert bool((found >= 0).all())
    swapped = min_norm_weights((gradients @ gradients.T).flip(0, 1))
    torch.testing.assert_close(swapped.flip(0), found)


def test_the_same_gradient_twice() -> None:
    assert min_norm_weights(torch.ones(2, 2, dtype=torch.float64)).tolist() == [0.5, 0.5]
