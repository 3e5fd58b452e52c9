"""R2-D2 and ALPaCA against what they should be: solved systems, and exact Bayesian regression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm
from small_episodes import episodes, learner

from sharewise.data.episodes import Episodes
from sharewise.meta.closed_form import R2D2, ALPaCA
from sharewise.meta.closed_form.ridge import ridge, with_one
from sharewise.streams import stream
from sharewise.tasks.kinds import Binary, Multiclass


@pytest.mark.parametrize("rows", [3, 5, 20], ids=["by rows", "square", "by features"])
@pytest.mark.parametrize("masked", [False, True])
def test_ridge_is_the_minimum(rows: int, masked: bool) -> None:
    """Whichever system is smaller: (XᵀX + λI)⁻¹ XᵀY, of the rows that are there alone."""
    generator = stream(0, "ridge", rows)
    x = torch.randn(2, rows, 5, generator=generator, dtype=torch.float64)
    y = torch.randn(2, rows, 3, generator=generator, dtype=torch.float64)
    mask = torch.rand(2, rows, generator=generator) > 0.4 if masked else None
    found = ridge(x, y, torch.tensor(0.7), mask)
    for task in range(2):
        here = slice(None) if mask is None else mask[task]
        a, b = x[task][here].numpy(), y[task][here].numpy()
        expected = np.linalg.solve(a.T @ a + 0.7 * np.eye(5), a.T @ b)
        np.testing.assert_allclose(found[task].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("shots", [2, 30])
def test_r2d2_is_ridge_on_features(shots: int) -> None:
    made, batch = learner("r2d2", regularisation=0.5), episodes(shots=shots)
    assert isinstance(made, R2D2)
    known, asked = (
        with_one(made.features(part.inputs)).detach().numpy() for part in (batch.support, batch.query)
    )
    outputs = made.adapt(batch.support)(batch.query.inputs).outputs.detach().numpy()
    for task in range(3):
        a, b = known[task], batch.support.targets[task].numpy()
        weights = np.linalg.solve(a.T @ a + 0.5 * np.eye(a.shape[1]), a.T @ b)
        np.testing.assert_allclose(outputs[task, :, 0], asked[task] @ weights, atol=1e-6)


def test_r2d2_scales_and_shifts_classes() -> None:
    for kind, ways in ((Multiclass(), 3), (Binary(), 0)):
        made, batch = learner("r2d2", kind), episodes(shots=6, ways=ways or 2)
        assert isinstance(made, R2D2)
        plain = made.adapt(batch.support)(batch.query.inputs).outputs
        with torch.no_grad():
            made.scale.fill_(3.0)
            made.shift.fill_(-1.0)
        torch.testing.assert_close(made.adapt(batch.support)(batch.query.inputs).outputs, 3 * plain - 1)


def prior_of(made: ALPaCA) -> tuple[np.ndarray, np.ndarray, float]:
    """Give the prior a shape that is not the first one, and return it."""
    with torch.no_grad():
        generator = stream(0, "prior")
        made.root.add_(0.3 * torch.randn(made.root.shape, generator=generator))
        made.mean.add_(torch.randn(made.mean.shape, generator=generator))
    return made.mean.detach().numpy(), made.precision.detach().numpy(), float(made.variance.detach())


@pytest.mark.parametrize("masked", [False, True])
def test_alpaca_is_bayesian_regression(masked: bool) -> None:
    """Joint Gaussian of all labels, conditioned on those of the support set: no formula of the paper's."""
    made, batch = learner("alpaca", noise=0.3), episodes(shots=6)
    assert isinstance(made, ALPaCA)
    mean, precision, variance = prior_of(made)
    mask = torch.tensor([[1, 0, 1, 1, 0, 1]] * 3) > 0
    if masked:
        batch = Episodes(replace(batch.support, mask=mask), batch.query)
    forecast = made.adapt(batch.support)(batch.query.inputs)
    known, asked = (
        with_one(made.features(part.inputs)).detach().numpy() for part in (batch.support, batch.query)
    )
    spread = variance * np.linalg.inv(precision)
    for task in range(3):
        here = mask[task].numpy() if masked else slice(None)
        a, y, z = known[task][here], batch.support.targets[task].numpy()[here], asked[task]
        inner = a @ spread @ a.T + variance * np.eye(len(a))
        gain = z @ spread @ a.T @ np.linalg.inv(inner)
        centre = z @ mean + gain @ (y - a @ mean)
        wide = np.diag(z @ spread @ z.T - gain @ a @ spread @ z.T) + variance
        assert forecast.variance is not None
        np.testing.assert_allclose(forecast.outputs[task, :, 0].detach().numpy(), centre, atol=1e-8)
        np.testing.assert_allclose(forecast.variance[task].detach().numpy(), wide, atol=1e-8)


def test_alpaca_is_the_recursion_row_by_row() -> None:
    """The paper's online algorithm: rank-one updates of Λ⁻¹ and of Q = Λk̄, a row at a time."""
    made, batch = learner("alpaca"), episodes(shots=6)
    assert isinstance(made, ALPaCA)
    mean, precision, _ = prior_of(made)
    x = with_one(made.features(batch.support.inputs))
    found, factor = made.posterior(x, batch.support)
    for task in range(3):
        inverse, q = np.linalg.inv(precision), precision @ mean
        for row, y in zip(x[task].detach().numpy(), batch.support.targets[task].numpy(), strict=True):
            along = inverse @ row
            inverse = inverse - np.outer(along, along) / (1 + row @ along)
            q = q + row * y
        np.testing.assert_allclose(found[task].detach().numpy(), inverse @ q, atol=1e-8)
        lower = factor[task].detach().numpy()
        np.testing.assert_allclose(np.linalg.inv(lower @ lower.T), inverse, atol=1e-8)


def test_a_variance_makes_the_loss_gaussian() -> None:
    """Up to log(2π) / 2, which is a constant of the data."""
    for name in ("alpaca", "cnp"):
        made, batch = learner(name), episodes()
        forecast = made.adapt(batch.support)(batch.query.inputs)
        assert forecast.variance is not None
        found = made.row_losses(forecast, batch.query.targets).detach().numpy()
        centre, deviation = forecast.outputs[..., 0], forecast.variance.sqrt()
        density = norm.logpdf(
            batch.query.targets.numpy(), centre.detach().numpy(), deviation.detach().numpy()
        )
        np.testing.assert_allclose(found, -density - 0.5 * np.log(2 * np.pi), atol=1e-10)


def test_alpacas_first_noise_is_the_one_asked_for() -> None:
    made = learner("alpaca", noise=0.2)
    assert isinstance(made, ALPaCA)
    assert float(made.variance.detach()) == pytest.approx(0.04, abs=2e-4)
