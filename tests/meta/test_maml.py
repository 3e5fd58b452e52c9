"""MAML: its meta-gradient against closed forms, finite differences and autograd; first and second order."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakSet

import pytest
import torch
from small_episodes import (
    COLUMNS,
    IMAGES,
    episodes,
    learner,
    meta_gradient,
    random_direction,
    slope_along,
)
from torch import Tensor

from sharewise.data.episodes import Episodes
from sharewise.meta import Learner, NetOptions, Spec, make_learner
from sharewise.meta.gradient import GradientLearner
from sharewise.meta.nets import MLP
from sharewise.meta.nets.net import INPUT
from sharewise.nn.initial import Initial
from sharewise.tasks.kind import Kind
from sharewise.tasks.kinds import Binary, Count, Custom, Multiclass, Regression

KINDS = {
    "binary": Binary(),
    "multiclass": Multiclass(),
    "regression": Regression(),
    "laplace": Regression(noise="laplace"),
    "count": Count(),
    "custom": Custom(loss_fn=lambda o, y: (o[..., 0] - y).abs().pow(1.5)),
}


def linear(second_order: bool = True, rate: float = 0.1, kind: Kind | None = None) -> Learner:
    """Return MAML of one linear layer: its network is a perceptron without hidden layers."""
    net = MLP(2, (1,), Initial(0))
    spec = Spec(COLUMNS, kind or Regression())
    return make_learner("maml", spec, net=net, rate=rate, second_order=second_order).double()


def test_no_steps_is_the_initial_model() -> None:
    made, batch = learner(steps=3), episodes()
    net = made.net.double()  # type: ignore[union-attr, operator]
    found = made.adapt(batch.support, 0)(batch.query.inputs).outputs
    torch.testing.assert_close(found, net(batch.query.inputs["numeric"]))
    plain = learner(steps=0)
    expected = torch.autograd.grad(
        plain.losses(plain.adapt(batch.support)(batch.query.inputs), batch.query).mean(),
        list(plain.parameters()),
    )
    torch.testing.assert_close(list(meta_gradient(plain, batch).values()), list(expected))


def design(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[..., :1])], -1)


def test_linear_regression_has_the_closed_form() -> None:
    """The Hessian is constant, so of one step the meta-gradient is (I - αH) g; of first order it is g."""
    rate, batch = 0.1, episodes()
    second, first = (linear(order, rate) for order in (True, False))
    theta = torch.cat([second.net.layers[0].weight[0], second.net.layers[0].bias]).detach()  # type: ignore
    expected, plain = torch.zeros(2, 3, dtype=torch.float64)
    for task in range(3):
        x, z = (design(part.inputs["numeric"][task]) for part in (batch.support, batch.query))
        hessian = x.T @ x / len(x)
        phi = theta - rate * x.T @ (x @ theta - batch.support.targets[task]) / len(x)
        g = z.T @ (z @ phi - batch.query.targets[task]) / len(z)
        expected += (torch.eye(3, dtype=torch.float64) - rate * hessian) @ g / 3
        plain += g / 3
    for made, wanted in ((second, expected), (first, plain)):
        found = meta_gradient(made, batch)
        both = torch.cat([found["net.layers.0.weight"][0], found["net.layers.0.bias"]])
        torch.testing.assert_close(both, wanted)
    assert not torch.allclose(expected, plain)


def test_first_order_is_exact_where_the_inner_loss_is_linear_in_the_weights() -> None:
    """Its Hessian is 0, of any number of steps: a linear model with a loss linear in the outputs."""
    kind = Custom(loss_fn=lambda outputs, targets: -targets * outputs[..., 0])
    batch = episodes()
    for steps in (1, 3):
        made = []
        for order in (True, False):
            made.append(linear(order, kind=kind))
            made[-1].steps = steps  # type: ignore[assignment]
        one, other = (meta_gradient(each, batch) for each in made)
        for name in one:
            torch.testing.assert_close(one[name], other[name])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_meta_gradients_are_finite_differences(kind: Kind) -> None:
    made = learner(kind=kind, steps=2, rate=0.1, net=NetOptions(hidden=(5, 4)))
    ways = 3 if kind.categorical else 0
    batch = episodes(ways=ways)
    if kind.name in ("binary", "count"):
        batch = positive(batch)
    assert_differences(made, batch)


@pytest.mark.parametrize("norm", ["support", "transductive", "group", "none"])
@pytest.mark.parametrize("pool", ["max", "stride"])
def test_meta_gradients_of_convolutions_are_finite_differences(norm: str, pool: str) -> None:
    made = make_learner(
        "maml",
        Spec(IMAGES, Multiclass(), 2),
        net=NetOptions(channels=(3, 8), norm=norm, pool=pool),
        steps=2,
        rate=0.2,
    ).double()
    assert_differences(made, episodes(tasks=2, shots=4, queries=4, ways=2, image=True))


@pytest.mark.parametrize("name", ["maml_plus", "anil", "meta_sgd", "cavia", "r2d2", "alpaca", "cnp", "anp"])
def test_other_learners_too(name: str) -> None:
    options = {"steps": 2, "rate": 0.1} if name in ("maml_plus", "anil", "meta_sgd", "cavia") else {}
    assert_differences(learner(name, **options), episodes())


def positive(batch: Episodes) -> Episodes:
    support, query = (
        replace(part, targets=(part.targets > 0).double()) for part in (batch.support, batch.query)
    )
    return Episodes(support, query)


def assert_differences(made: Learner, batch: Episodes) -> None:
    found = meta_gradient(made, batch)
    for seed in range(3):
        direction = random_direction(made, seed)
        expected = slope_along(made, lambda: made.judge(batch).surrogate.mean(), direction)
        along = sum(float((found[name] * direction[name]).sum()) for name in found)
        assert along == pytest.approx(expected, rel=1e-5, abs=1e-7), (seed, along, expected)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("stacked", [False, True])
def test_closed_form_slopes_are_autograds(kind: Kind, stacked: bool) -> None:
    made = learner(kind=kind, net=NetOptions(hidden=(5, 4)))
    assert isinstance(made, GradientLearner)
    batch = episodes(ways=3 if kind.categorical else 0)
    if kind.name in ("binary", "count"):
        batch = positive(batch)
    x = made.reader(batch.support.inputs)
    fast = made.stacked(made.start(3), 3)
    fast = {
        name: (value * torch.tensor([1.0, 0.5, -1.0]).view(3, *[1] * (value.dim() - 1)))
        for name, value in fast.items()
    }
    point = fast if stacked else made.start(3)
    found = made.slopes(point, x, batch.support)
    assert found is not None
    leaves = {name: value.detach().requires_grad_() for name, value in made.stacked(point, 3).items()}
    expected = torch.autograd.grad(made.inner(leaves, x, batch.support), list(leaves.values()))
    for name, value in zip(leaves, expected, strict=True):
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("rectify_last", [False, True])
def test_slopes_reach_the_inputs(rectify_last: bool) -> None:
    net = MLP(2, (5, 3), Initial(1), rectify_last=rectify_last).double()
    x = episodes().support.inputs["numeric"].clone().requires_grad_()
    found = net.slopes({}, x.detach(), lambda outputs: outputs.cos(), (INPUT,))
    assert found is not None
    (expected,) = torch.autograd.grad(net(x).sin().sum(), x)
    torch.testing.assert_close(found[INPUT], expected)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kinds_slope_is_its_losss_derivative(kind: Kind) -> None:
    width = kind.width(3)
    outputs = torch.randn(4, 5, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = (torch.arange(20) % 3).double().view(4, 5).clamp(max=1.0 if width == 1 else 2.0)
    point = outputs.clone().requires_grad_()
    (expected,) = torch.autograd.grad(kind.loss(point, targets).sum(), point)
    torch.testing.assert_close(kind.slope(outputs, targets), expected)
    # And it can be differentiated once more.
    (second,) = torch.autograd.grad(kind.slope(point, targets).sum(), point)
    step = 1e-6
    pair = [kind.slope(outputs + sign * step, targets).sum(-1) for sign in (1, -1)]
    torch.testing.assert_close(second.sum(-1), (pair[0] - pair[1]) / (2 * step), atol=1e-6, rtol=1e-6)


class Held:
    """A tensor that a graph keeps."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


def kept(made: Learner, batch: Episodes) -> int:
    """Return how many numbers a meta-gradient's graph keeps for the way back."""
    alive: WeakSet[Held] = WeakSet()

    def pack(value: Tensor) -> Held:
        held = Held(value)
        alive.add(held)
        return held

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda held: held.value):
        judged = made.judge(batch)
    numbers = sum(held.value.numel() for held in alive)
    assert judged.surrogate.requires_grad
    return numbers


@pytest.mark.parametrize("image", [False, True], ids=["closed form", "autograd"])
def test_first_order_keeps_no_graph_of_the_steps(image: bool) -> None:
    """What is kept does not grow with the steps; of second order it does. Gradients are constants."""
    batch = episodes(ways=2, image=image) if image else episodes()
    spec = Spec(IMAGES, Multiclass(), 2) if image else Spec(COLUMNS, Regression())
    sizes = {}
    for order in (True, False):
        for steps in (1, 4):
            net = NetOptions(hidden=(6,), channels=(3,), norm="none")
            made = make_learner("maml", spec, net=net, steps=steps, second_order=order).double()
            sizes[order, steps] = kept(made, batch)
    assert sizes[False, 4] == sizes[False, 1]
    assert sizes[True, 4] > sizes[True, 1] > sizes[False, 1]
    made = make_learner("maml", spec, net=NetOptions(channels=(3,), norm="none"), second_order=False).double()
    assert isinstance(made, GradientLearner)
    x = made.reader(batch.support.inputs)
    constants = made.gradient(made.start(len(batch)), x, batch.support, second_order=False)
    assert not any(value.requires_grad for value in constants.values())
