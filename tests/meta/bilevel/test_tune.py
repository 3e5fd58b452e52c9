"""The loop: inner and outer steps in turns, constraints, logs."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import pytest
import torch
from bilevel_kit import NET, RIDGE, net_weights, ridge_solution, rows
from torch import Tensor, nn
from torch.func import functional_call

from sharewise.errors import ConfigError, DivergedError
from sharewise.meta.bilevel import (
    CONSTRAINTS,
    Adam,
    Bilevel,
    Descent,
    Implicit,
    Theta,
    TuneOptions,
    Unrolled,
    load_weights,
    tune,
    weights_of,
)

TRAIN, VALID = rows(12, inputs=8, seed=1), rows(40, inputs=8, seed=2)


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def best_decay() -> tuple[float, float]:
    """The best weight decay on a fine grid, and its validation loss."""
    grid = torch.logspace(-3, 1, 400, dtype=torch.float64)
    losses = [float(RIDGE.outer({"w": ridge_solution(TRAIN, d)}, {}, VALID)) for d in grid]
    place = min(range(len(losses)), key=losses.__getitem__)
    return float(grid[place]), losses[place]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (Implicit(Descent(0.4), steps=8), TuneOptions(rounds=60, rate=0.25)),
        (Unrolled(Descent(0.4), steps=20), TuneOptions(rounds=50, rate=0.2, restart=True)),
        (Implicit(Descent(0.4), steps=8), TuneOptions(rounds=60, rate=6.0, optimizer="sgd")),
    ],
    ids=["implicit", "unrolled", "sgd"],
)
def test_finds_the_best_weight_decay(method: Any, options: TuneOptions) -> None:
    theta = Theta({"decay": number(0.01)}, {"decay": "exp"})
    start = {"w": torch.zeros(8, dtype=torch.float64)}
    found = tune(RIDGE, start, theta, method, inner=repeat(TRAIN), outer=repeat(VALID), options=options)
    decay, loss = best_decay()
    assert 0.01 < decay < 10
    assert abs(float(found.theta.values()["decay"]) / decay - 1) < 0.2
    assert found.history[-1]["outer"] < 1.01 * loss
    assert found.history[0]["outer"] > 1.03 * loss


def test_finds_a_learning_rate() -> None:
    """From one far too small, and the loss after the same few steps falls."""
    theta = Theta({"rate": number(0.01)}, {"rate": "exp"})
    options = TuneOptions(rounds=40, rate=0.1, restart=True)
    found = tune(
        NET,
        net_weights(8),
        theta,
        Unrolled(Descent("rate"), 8),
        inner=repeat(TRAIN),
        outer=repeat(VALID),
        options=options,
    )
    assert float(theta.values()["rate"]) > 0.05
    assert found.history[-1]["outer"] < 0.9 * found.history[0]["outer"]


def test_the_state_goes_on_from_round_to_round() -> None:
    """Rounds of some steps are one long descent while θ stands still; momentum is kept."""
    rule = Descent(0.1, 0.9)
    theta = Theta({"decay": number(0.1)})

    def run(rounds: int, steps: int) -> dict[str, Tensor]:
        options = TuneOptions(rounds=rounds, rate=1e-30, optimizer="sgd")
        return tune(
            NET,
            net_weights(8),
            theta,
            Unrolled(rule, steps),
            inner=repeat(TRAIN),
            outer=repeat(VALID),
            options=options,
        ).phi

    long, short = run(1, 6), run(3, 2)
    assert all(torch.allclose(long[name], short[name], rtol=1e-12) for name in long)


def test_logs_every_round_and_tells() -> None:
    heard: list[dict[str, Any]] = []
    theta = Theta({"decay": torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)}, {"decay": "softplus"})
    found = tune(
        NET,
        net_weights(8),
        theta,
        Implicit(Adam(0.01), steps=1, damping=0.1),
        inner=repeat(TRAIN),
        outer=repeat(VALID),
        options=TuneOptions(rounds=3),
        told=heard.append,
    )
    assert heard == found.history
    assert [record["round"] for record in heard] == [0, 1, 2]
    assert heard[0]["theta"]["decay"] == pytest.approx([0.1, 0.2, 0.3])
    assert len(heard[0]["gradient"]["decay"]) == 3
    assert heard[0]["residual"] >= 0
    assert heard[1]["theta"] != heard[0]["theta"]


def test_any_module_takes_part() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    module[0].bias.requires_grad_(False)
    phi = weights_of(module)
    assert set(phi) == {"0.weight", "2.weight", "2.bias"}

    def loss(phi: dict[str, Tensor], theta: Any, batch: Any) -> Tensor:
        return (functional_call(module, phi, (batch[0],))[:, 0] - batch[1]).square().mean()

    problem = Bilevel(lambda p, t, b: loss(p, t, b) + t["decay"] * p["0.weight"].square().sum(), loss)
    before = module(TRAIN[0]).detach()
    theta = Theta({"decay": number(0.1)}, {"decay": "exp"})
    found = tune(
        problem,
        phi,
        theta,
        Unrolled(Descent(0.05), 3),
        inner=repeat(TRAIN),
        outer=repeat(VALID),
        options=TuneOptions(rounds=5),
    )
    assert module(TRAIN[0]).equal(before)
    load_weights(module, found.phi)
    assert float(loss(found.phi, {}, TRAIN).detach()) == pytest.approx(
        float((module(TRAIN[0])[:, 0] - TRAIN[1]).square().mean().detach())
    )


class TestTheta:
    @pytest.mark.parametrize("name", list(CONSTRAINTS))
    def test_constraints_invert(self, name: str) -> None:
        value = torch.tensor([1e-4, 0.3, 0.9], dtype=torch.float64)
        theta = Theta({"x": value}, {"x": name})
        torch.testing.assert_close(theta.values()["x"], value, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("name", list(CONSTRAINTS))
    def test_pulls_gradients_back(self, name: str) -> None:
        theta = Theta({"x": torch.tensor([0.2, 0.7], dtype=torch.float64)}, {"x": name})
        raw, own = theta.raw["x"].detach(), CONSTRAINTS[name]
        theta.pull({"x": torch.tensor([2.0, -3.0], dtype=torch.float64)})
        width = 1e-6
        slope = (own.value(raw + width) - own.value(raw - width)) / (2 * width)
        assert theta.raw["x"].grad is not None
        torch.testing.assert_close(
            theta.raw["x"].grad, slope * torch.tensor([2.0, -3.0], dtype=torch.float64)
        )

    def test_a_projection_reaches_0_and_leaves_it(self) -> None:
        theta = Theta({"w": torch.tensor([0.1, 1.0])}, {"w": "nonnegative"})
        optimizer = torch.optim.SGD(list(theta.raw.values()), lr=1.0)
        for slope, expected in (([0.5, 0.5], [0.0, 0.5]), ([-0.25, 0.0], [0.25, 0.5])):
            theta.pull({"w": torch.tensor(slope)})
            optimizer.step()
            theta.project()
            assert theta.values()["w"].tolist() == pytest.approx(expected)


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: Theta({}), "no hyper-parameters"),
            (lambda: Theta({"x": 1.0}, {"y": "exp"}), "no hyper-parameter 'y'"),
            (lambda: Theta({"x": 1.0}, {"x": "expp"}), "Did you mean 'exp'"),
            (lambda: Theta({"x": 0.0}, {"x": "exp"}), "Use positive numbers"),
            (lambda: Theta({"x": -1.0}, {"x": "nonnegative"}), "from 0 on"),
            (lambda: Theta({"x": 1.0}, {"x": "unit"}), "between 0 and 1"),
            (lambda: Theta({"x": float("nan")}), "finite"),
            (lambda: Theta({"x": torch.tensor([1, 2])}), "of type torch.int64"),
            (lambda: TuneOptions(rounds=0), "0 rounds"),
            (lambda: TuneOptions(rate=-1.0), "outer learning rate"),
            (lambda: TuneOptions(optimizer="adm"), "Did you mean 'adam'"),
            (lambda: Unrolled(steps=0), "0 steps"),
            (lambda: Unrolled(steps=3, truncate=4), "4 of 3"),
            (lambda: Implicit(steps=-1), "-1 steps"),
            (lambda: Implicit(damping=-1.0), "damping"),
            (lambda: Descent(0.0), "inner learning rate"),
            (lambda: Descent(0.1, momentum=1.0), "momentum"),
            (lambda: Adam(0.0), "inner learning rate"),
            (lambda: Adam(betas=(1.0, 0.999)), "betas"),
            (lambda: Adam(epsilon=0.0), "epsilon"),
        ],
    )
    def test_options(self, make: Any, says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            make()

    @pytest.mark.parametrize(
        ("inner", "outer", "method", "says"),
        [
            (lambda p, t, b: b[1], NET.outer, Unrolled(), "inner loss has the shape"),
            (NET.inner, lambda p, t, b: b[1], Unrolled(), "outer loss has the shape"),
            (lambda p, t, b: b[1].mean(), NET.outer, Unrolled(), "inner loss does not depend"),
            (
                lambda p, t, b: NET.inner(p, t, b).detach(),
                NET.outer,
                Unrolled(),
                "inner loss does not depend",
            ),
            (NET.inner, lambda p, t, b: b[1].mean(), Unrolled(), "depends neither on the weights"),
            (NET.inner, lambda p, t, b: t["decay"] * 2, Unrolled(), "does not depend on the weights"),
            (NET.outer, NET.outer, Unrolled(), "hyper-parameter 'decay' in any way"),
            (NET.outer, NET.outer, Implicit(), "use Unrolled"),
            (NET.outer, NET.outer, Unrolled(Descent("rates")), "θ's 'rates'"),
            (NET.outer, NET.outer, Unrolled(Descent("four")), "shape \\(4,\\) for 3 weights"),
            (lambda p, t, b: sum(v.sum() for v in p.values()), NET.outer, Implicit(), "linear in all"),
        ],
    )
    def test_problems(self, inner: Any, outer: Any, method: Any, says: str) -> None:
        theta = Theta({"decay": number(0.1), "four": torch.ones(4, dtype=torch.float64)})
        with pytest.raises(ConfigError, match=says):
            tune(
                Bilevel(inner, outer), net_weights(8), theta, method, inner=repeat(TRAIN), outer=repeat(VALID)
            )

    def test_a_whole_number_is_a_number(self) -> None:
        assert float(Theta({"x": 1}, {"x": "exp"}).values()["x"]) == 1.0

    def test_batches_that_run_out(self) -> None:
        theta = Theta({"decay": number(0.1)})
        with pytest.raises(ConfigError, match="ran out after 2"):
            tune(NET, net_weights(8), theta, Unrolled(steps=3), inner=[TRAIN] * 2, outer=repeat(VALID))

    @pytest.mark.parametrize("method", [Unrolled(Descent(50.0), 40), Implicit(Descent(50.0), 40)])
    def test_losses_that_are_not_finite(self, method: Any) -> None:
        theta = Theta({"decay": number(0.1)})
        start = {"w": torch.ones(8, dtype=torch.float64)}
        with pytest.raises(DivergedError, match=r"In round \d+: The (inner|outer) loss is not a finite"):
            tune(RIDGE, start, theta, method, inner=repeat(TRAIN), outer=repeat(VALID))

    def test_nothing_to_train(self) -> None:
        with pytest.raises(ConfigError, match="no parameters to train"):
            weights_of(nn.ReLU())
