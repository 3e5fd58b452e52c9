"""The solvers by themselves."""

from __future__ import annotations

import pytest
import torch

from sharewise.errors import ConfigError, DivergedError
from sharewise.meta.solvers import ConjugateGradient, Neumann


def system(values: list[list[float]], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Symmetric matrices with these eigenvalues, and right sides."""
    chance = torch.Generator().manual_seed(seed)
    size = len(values[0])
    base = torch.linalg.qr(torch.randn(len(values), size, size, generator=chance, dtype=torch.float64)).Q
    spectrum = torch.tensor(values, dtype=torch.float64)
    return base @ (spectrum.unsqueeze(-1) * base.mT), torch.randn(
        len(values), size, generator=chance, dtype=torch.float64
    )


def product(matrix: torch.Tensor):
    return lambda v: (matrix @ v.unsqueeze(-1)).squeeze(-1)


def test_conjugate_gradients_solve_in_as_many_steps_as_eigenvalues() -> None:
    matrix, right = system([[1, 2, 3, 4, 5, 6], [0.1, 1, 1, 1, 9, 9]])
    found = ConjugateGradient(6).solve(product(matrix), right)
    torch.testing.assert_close(found.vector, torch.linalg.solve(matrix, right), rtol=1e-8, atol=1e-8)
    assert float(found.residual.max()) < 1e-8
    assert not found.truncated.any()


def test_systems_do_not_touch_each_other() -> None:
    matrix, right = system([[1, 2, 3, 4], [-1, 2, 3, 4], [5, 5, 5, 5]])
    together = ConjugateGradient(3).solve(product(matrix), right)
    for i in range(3):
        alone = ConjugateGradient(3).solve(product(matrix[i : i + 1]), right[i : i + 1])
        torch.testing.assert_close(together.vector[i : i + 1], alone.vector)
        assert bool(together.truncated[i]) == bool(alone.truncated[0])


def test_the_residual_is_that_of_the_solution() -> None:
    matrix, right = system([[0.01, 1, 3, 10, 20, 100]])
    for found in (
        ConjugateGradient(3).solve(product(matrix), right),
        Neumann(9, 0.01).solve(product(matrix), right),
    ):
        left = right - product(matrix)(found.vector)
        torch.testing.assert_close(found.residual, left.norm(dim=1) / right.norm(dim=1))
        assert 1e-3 < float(found.residual) < 1


def test_stops_before_a_direction_that_does_not_curve_upwards() -> None:
    matrix, right = system([[-3, 1, 2, 5, 7, 8]])
    found = ConjugateGradient(50).solve(product(matrix), right)
    assert bool(found.truncated)
    assert float((found.vector * right).sum()) > 0
    # What it keeps is what as many steps as went well give.
    kept = [ConjugateGradient(steps).solve(product(matrix), right).vector for steps in range(1, 6)]
    assert any(torch.equal(found.vector, own) for own in kept)


def test_takes_the_right_side_where_the_first_direction_curves_down() -> None:
    matrix, right = system([[-1, -2, -3]])
    found = ConjugateGradient(5).solve(product(matrix), right)
    assert found.vector.equal(right)
    assert bool(found.truncated)


def test_stops_where_the_curvature_is_too_small() -> None:
    matrix, right = system([[0.005, 0.005, 0.005], [1, 1, 1]])
    found = ConjugateGradient(5, least_curvature=0.01).solve(product(matrix), right)
    torch.testing.assert_close(found.vector, right)
    assert found.truncated.tolist() == [True, False]


def test_nothing_is_solved_by_nothing() -> None:
    matrix, right = system([[1, 2, 3]])
    for solver in (ConjugateGradient(5), Neumann(5, 0.1)):
        found = solver.solve(product(matrix), torch.zeros_like(right))
        assert not found.vector.any()
        assert not found.residual.any()


def test_neumann_is_a_prefix_that_converges_to_the_solution() -> None:
    matrix, right = system([[0.2, 1, 2, 4]])
    exact = torch.linalg.solve(matrix, right)
    solutions = [Neumann(terms, 0.3).solve(product(matrix), right).vector for terms in (1, 2, 3, 10, 50, 400)]
    errors = [float((own - exact).norm()) for own in solutions]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-8
    step = torch.eye(4, dtype=torch.float64) - 0.3 * matrix
    torch.testing.assert_close(solutions[1] - solutions[0], 0.3 * product(step)(right))
    torch.testing.assert_close(solutions[2] - solutions[1], 0.3 * product(step @ step)(right))


def test_neumann_says_that_it_diverges() -> None:
    matrix, right = system([[1, 2, 30]])
    with pytest.raises(DivergedError, match=r"Neumann series with rate 0\.1 diverges"):
        Neumann(20, 0.1).solve(product(matrix), right)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConjugateGradient(0),
        lambda: ConjugateGradient(tolerance=-1.0),
        lambda: ConjugateGradient(least_curvature=float("nan")),
        lambda: Neumann(0),
        lambda: Neumann(rate=0.0),
        lambda: Neumann(rate=float("inf")),
    ],
)
def test_refuses_options(make) -> None:
    with pytest.raises(ConfigError, match="of the solver"):
        make()
