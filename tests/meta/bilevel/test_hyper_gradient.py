"""Hyper-gradients against closed forms, finite differences, and each other."""

from __future__ import annotations

from itertools import repeat

import pytest
import torch
from bilevel_kit import (
    NET,
    RIDGE,
    differences,
    net,
    net_inner,
    net_weights,
    outer_after,
    ridge_slope,
    ridge_solution,
    rows,
)
from torch import Tensor

from sharewise.meta.bilevel import (
    Adam,
    Bilevel,
    ConjugateGradient,
    Descent,
    Implicit,
    Method,
    Neumann,
    Rule,
    Unrolled,
    hyper_gradient,
)

TRAIN, VALID = rows(30, seed=1), rows(20, seed=2)
RULES = (Descent(0.2), Descent(0.1, momentum=0.8), Adam(0.05))


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def gradient(method: Method, phi, theta, problem=RIDGE):
    return hyper_gradient(problem, phi, theta, method, inner=repeat(TRAIN), outer=VALID).gradient


class TestRidge:
    @pytest.mark.parametrize("decay", [0.01, 0.3, 2.0])
    @pytest.mark.parametrize("solver", [ConjugateGradient(), Neumann(300, 0.4)])
    def test_implicit_is_the_closed_form(self, decay, solver) -> None:
        theta = {"decay": number(decay)}
        phi = {"w": ridge_solution(TRAIN, theta["decay"])}
        found = hyper_gradient(RIDGE, phi, theta, Implicit(solver=solver), inner=[TRAIN], outer=VALID)
        torch.testing.assert_close(
            found.gradient["decay"], ridge_slope(TRAIN, VALID, decay), rtol=1e-6, atol=1e-9
        )
        assert found.solution is not None
        assert float(found.solution.residual) < 1e-6
        assert found.phi["w"].equal(phi["w"])

    @pytest.mark.parametrize("method", [Unrolled(Descent(0.4), 150), Unrolled(Descent(0.2, 0.7), 150)])
    def test_converged_unrolled_is_the_closed_form(self, method) -> None:
        found = gradient(method, {"w": torch.zeros(5, dtype=torch.float64)}, {"decay": number(0.3)})
        torch.testing.assert_close(found["decay"], ridge_slope(TRAIN, VALID, 0.3), rtol=1e-6, atol=1e-9)

    def test_implicit_takes_its_steps_first(self) -> None:
        start = {"w": torch.zeros(5, dtype=torch.float64)}
        found = gradient(Implicit(Descent(0.4), steps=150), start, {"decay": number(0.3)})
        torch.testing.assert_close(found["decay"], ridge_slope(TRAIN, VALID, 0.3), rtol=1e-6, atol=1e-9)
        early = gradient(Implicit(Descent(0.3), steps=2), start, {"decay": number(0.3)})
        assert abs(float(early["decay"] / found["decay"]) - 1) > 1e-3

    def test_a_decay_for_each_weight(self) -> None:
        def split(phi):
            return {"w": torch.cat([phi["first"], phi["second"]])}

        problem = Bilevel(
            lambda phi, theta, batch: (
                RIDGE.inner(split(phi), {"decay": number(0.0)}, batch)
                + 0.5 * (theta["decay"] * torch.stack([v.square().sum() for v in phi.values()])).sum()
            ),
            lambda phi, theta, batch: RIDGE.outer(split(phi), theta, batch),
        )
        theta, start = {"decay": number(0.3).expand(2)}, torch.zeros(5, dtype=torch.float64)
        phi = {"first": start[:2], "second": start[2:]}
        method = Implicit(Descent(0.4), steps=150)
        found = gradient(method, phi, theta, problem)["decay"]
        assert found.shape == (2,)
        torch.testing.assert_close(found.sum(), ridge_slope(TRAIN, VALID, 0.3), rtol=1e-6, atol=1e-9)
        expected = differences(
            outer_after(problem, phi, method, TRAIN, VALID), {"decay": theta["decay"].clone()}
        )
        torch.testing.assert_close(found, expected["decay"], rtol=1e-5, atol=1e-8)


class TestUnrolled:
    @pytest.mark.parametrize("rule", RULES, ids=repr)
    def test_equals_finite_differences(self, rule: Rule) -> None:
        theta = {"decay": torch.tensor([0.1, 0.0, 0.5], dtype=torch.float64)}
        method = Unrolled(rule, 7)
        found = gradient(method, net_weights(), theta, NET)
        expected = differences(outer_after(NET, net_weights(), method, TRAIN, VALID), theta)
        torch.testing.assert_close(found["decay"], expected["decay"], rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("shape", [(), (3,)])
    @pytest.mark.parametrize("rule", [Descent("rate"), Descent("rate", 0.8), Adam("rate")], ids=repr)
    def test_of_learning_rates_equals_finite_differences(self, rule: Rule, shape) -> None:
        theta = {"rate": number(0.07).expand(shape).clone()}
        method = Unrolled(rule, 6)
        found = gradient(method, net_weights(), theta, NET)
        expected = differences(outer_after(NET, net_weights(), method, TRAIN, VALID), theta)
        torch.testing.assert_close(found["rate"], expected["rate"], rtol=1e-6, atol=1e-9)

    def test_equals_autograd_through_the_whole_path(self) -> None:
        decay = number(0.2).requires_grad_()
        phi = {name: value.clone().requires_grad_() for name, value in net_weights().items()}
        for _ in range(5):
            loss = net_inner(phi, {"decay": decay}, TRAIN)
            each = torch.autograd.grad(loss, list(phi.values()), create_graph=True)
            phi = {name: value - 0.2 * own for (name, value), own in zip(phi.items(), each, strict=True)}
        (expected,) = torch.autograd.grad(NET.outer(phi, {}, VALID), decay)
        found = gradient(Unrolled(Descent(0.2), 5), net_weights(), {"decay": decay}, NET)
        torch.testing.assert_close(found["decay"], expected, rtol=1e-12, atol=0)

    def test_reads_a_batch_for_every_step(self) -> None:
        batches = [rows(10, seed=seed) for seed in range(4)]

        def after(theta):
            return hyper_gradient(NET, net_weights(), theta, method, inner=batches, outer=VALID)

        theta, method = {"decay": number(0.2)}, Unrolled(Descent(0.2, 0.5), 4)
        expected = differences(lambda values: after(values).loss, theta)
        torch.testing.assert_close(after(theta).gradient["decay"], expected["decay"], rtol=1e-6, atol=1e-9)

    def test_of_a_start_is_the_meta_gradient(self) -> None:
        """MAML: θ is the start, the loss after the steps is gone down."""
        problem = Bilevel(net_inner, NET.outer, start=lambda theta: {n: v * 1.0 for n, v in theta.items()})
        method = Unrolled(Descent(0.3), 3)
        found = gradient(method, None, net_weights(), problem)
        expected = differences(outer_after(problem, None, method, TRAIN, VALID), net_weights())
        for name, own in expected.items():
            torch.testing.assert_close(found[name], own, rtol=1e-6, atol=1e-9)

    def test_leaves_the_start_alone(self) -> None:
        phi = net_weights()
        found = hyper_gradient(
            NET, phi, {"decay": number(0.1)}, Unrolled(steps=3), inner=repeat(TRAIN), outer=VALID
        )
        assert all(value.equal(net_weights()[name]) for name, value in phi.items())
        assert not found.phi["a"].equal(phi["a"])
        assert not any(value.requires_grad for part in found.state for value in part.values())


class TestTruncation:
    @pytest.mark.parametrize("rule", [Descent(0.2), Adam(0.05)], ids=repr)
    def test_sums_the_last_steps_only(self, rule: Rule) -> None:
        """The whole sum is that of the last steps, and one step more each time."""
        theta = {"decay": number(0.2)}
        every = [gradient(Unrolled(rule, 6, k), net_weights(), theta, NET)["decay"] for k in range(1, 7)]
        whole = gradient(Unrolled(rule, 6), net_weights(), theta, NET)["decay"]
        assert torch.equal(every[-1], whole)
        assert len({float(own) for own in every}) == 6

    def test_is_the_hyper_gradient_of_the_last_steps(self) -> None:
        theta = {"decay": number(0.2)}
        four = hyper_gradient(
            NET, net_weights(), theta, Unrolled(Descent(0.2), 4), inner=repeat(TRAIN), outer=VALID
        )
        truncated = gradient(Unrolled(Descent(0.2), 7, 3), net_weights(), theta, NET)
        alone = gradient(Unrolled(Descent(0.2), 3), four.phi, theta, NET)
        torch.testing.assert_close(truncated["decay"], alone["decay"], rtol=1e-12, atol=0)

    @pytest.mark.parametrize("terms", [1, 4, 15])
    def test_at_a_minimum_is_the_neumann_series(self, terms: int) -> None:
        """Lorraine et al.: unrolling from the minimum and the series are one sum."""
        theta = {"decay": number(0.3)}
        phi = {"w": ridge_solution(TRAIN, theta["decay"])}
        unrolled = gradient(Unrolled(Descent(0.2), terms), phi, theta)
        series = gradient(Implicit(solver=Neumann(terms, 0.2)), phi, theta)
        torch.testing.assert_close(unrolled["decay"], series["decay"], rtol=1e-9, atol=0)


class TestNet:
    def test_implicit_converges_to_what_unrolled_converges_to(self) -> None:
        theta = {"decay": number(0.1)}
        start = net_weights()
        at = hyper_gradient(
            NET, start, theta, Unrolled(Descent(0.5, 0.9), 400), inner=repeat(TRAIN), outer=VALID
        )
        for solver in (ConjugateGradient(50), Neumann(600, 0.3)):
            found = gradient(Implicit(solver=solver), at.phi, theta, NET)
            torch.testing.assert_close(found["decay"], at.gradient["decay"], rtol=1e-5, atol=1e-8)

    def test_a_theta_of_the_outer_loss_alone(self) -> None:
        problem = Bilevel(
            lambda phi, theta, batch: net_inner(phi, {}, batch),
            lambda phi, theta, batch: (net(phi, batch[0]) * theta["scale"] - batch[1]).square().mean(),
        )
        theta = {"scale": number(0.9)}
        for method in (Unrolled(Descent(0.2), 3), Implicit(Descent(0.2), 3, damping=1.0)):
            found = gradient(method, net_weights(), theta, problem)
            expected = differences(outer_after(problem, net_weights(), method, TRAIN, VALID), theta)
            torch.testing.assert_close(found["scale"], expected["scale"], rtol=1e-6, atol=1e-9)
