"""`backward` on any model: the gradients of the weighted sum, and clear words where it cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sharewise.balance import METHODS, Balancer, backward, make_balancer, make_weighting
from sharewise.balance.engines import ENGINES
from sharewise.balance.engines.rules import Factors, _root
from sharewise.errors import ConfigError, SharewiseError
from sharewise.tasks import Task, TaskSet

TASKS = TaskSet([Task("a"), Task("b"), Task("c")])
Losses = Callable[[], list[Tensor]]


class Cube(torch.autograd.Function):
    """A function that no rule knows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class Cubed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Cube.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class Recurrent(nn.Module):
    """One weight, used at every place of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.RNNCell(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 4)
        for place in x.unbind(1):
            state = self.cell(place, state)
        return state


class Tied(nn.Module):
    """An embedding whose weight is a linear layer's too."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.words(x).mean(1)) @ self.words.weight.T


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).mean(1)


def images() -> Tensor:
    return torch.randn(6, 2, 8, 8)


TRUNKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor], int]] = {
    "linear": (
        lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 4)),
        lambda: torch.randn(6, 5),
        4,
    ),
    "norms": (
        lambda: nn.Sequential(
            nn.Linear(5, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 4), nn.BatchNorm1d(4)
        ),
        lambda: torch.randn(6, 5),
        4,
    ),
    "convolution": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2),
            nn.GroupNorm(2, 4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, groups=2),
            nn.Flatten(),
        ),
        images,
        4,
    ),
    "convolution of few channels": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), nn.Tanh(), nn.Flatten()
        ),
        images,
        72,
    ),
    "recurrent": (Recurrent, lambda: torch.randn(6, 5, 3), 4),
    "lstm": (lambda: First(nn.LSTM(3, 4, batch_first=True)), lambda: torch.randn(6, 5, 3), 4),
    "tied": (Tied, lambda: torch.randint(7, (6, 3)), 7),
    "attention": (Attention, lambda: torch.randn(6, 5, 4), 4),
    "own function": (lambda: nn.Sequential(nn.Linear(5, 4), Cubed()), lambda: torch.randn(6, 5), 4),
    "bags": (lambda: nn.EmbeddingBag(7, 4), lambda: torch.randint(7, (6, 3)), 4),
}


class First(nn.Module):
    """The last place of what a recurrent module returns."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.module(x)[0][:, -1]
        return found


def model(name: str) -> tuple[nn.Module, Losses]:
    """Return a trunk with three heads, and what computes their losses."""
    torch.manual_seed(0)
    trunk, data, width = TRUNKS[name]
    heads = nn.ModuleList(nn.Linear(width, 1) for _ in range(3))
    whole, x = nn.ModuleDict({"trunk": trunk(), "heads": heads}), data()
    targets = torch.randn(3, 6)

    def losses() -> list[Tensor]:
        features = whole["trunk"](x)
        return [(head(features)[:, 0] - y).square().mean() for head, y in zip(heads, targets, strict=True)]

    return whole, losses


def plain(whole: nn.Module, losses: Losses) -> list[dict[str, Tensor]]:
    """Return every loss's gradients by name."""
    names, parameters = zip(*whole.named_parameters(), strict=True)
    found = []
    for loss in losses():
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        found.append(dict(zip(names, gradients, strict=True)))
    return found


@pytest.mark.parametrize("engine", ["ghost", "exact"])
@pytest.mark.parametrize("name", TRUNKS)
def test_any_model_gets_the_gradient_of_the_weighted_sum(name: str, engine: str) -> None:
    whole, losses = model(name)
    gradients = plain(whole, losses)
    step = backward(losses(), method="upgrad", engine=engine)
    shared = [n for n in gradients[0] if n.startswith("trunk")]
    j = torch.stack([torch.cat([g[n].flatten() for n in shared]) for g in gradients]).double()
    assert step.gramian is not None
    assert torch.allclose(step.gramian.double(), j @ j.T, rtol=1e-4, atol=1e-6)
    for n, parameter in whole.named_parameters():
        weights = step.weights if n in shared else torch.ones(3)
        expected = sum(w * g[n] for w, g in zip(weights, gradients, strict=True))
        assert parameter.grad is not None, n
        assert torch.allclose(parameter.grad, expected, rtol=1e-4, atol=1e-5), n


def test_methods_from_losses_weigh_heads_too() -> None:
    whole, losses = model("linear")
    gradients = plain(whole, losses)
    step = backward(losses(), method="geometric_mean")
    for n, parameter in whole.named_parameters():
        expected = sum(w * g[n] for w, g in zip(step.weights, gradients, strict=True))
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, expected, atol=1e-6), n


@pytest.mark.parametrize("engine", ENGINES)
def test_under_autocast(engine: str) -> None:
    whole, losses = model("linear")
    gradients = plain(whole, losses)
    with torch.autocast("cpu", torch.bfloat16):
        found = losses()
    step = backward(found, method="mgda", engine=engine)
    for n, parameter in whole.named_parameters():
        weights = step.weights if n.startswith("trunk") else torch.ones(3)
        expected = sum(w * g[n] for w, g in zip(weights, gradients, strict=True))
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, expected, rtol=0.1, atol=0.1), n


def test_gradients_add_up_as_of_backward() -> None:
    whole, losses = model("linear")
    first = [torch.zeros_like(p) for p in whole.parameters()]
    for times in (1, 2):
        backward(losses(), method="upgrad")
        for before, parameter in zip(first, whole.parameters(), strict=True):
            assert parameter.grad is not None
            if times == 1:
                before.copy_(parameter.grad)
            else:
                assert torch.allclose(parameter.grad, 2 * before, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loss_computed_from_another_keeps_its_gradient(engine: str) -> None:
    torch.manual_seed(0)
    trunk = nn.Linear(3, 1)
    a = trunk(torch.randn(4, 3)).square().mean()
    b = 0.2 * a + trunk(torch.randn(4, 3)).square().mean()
    parameters = list(trunk.parameters())
    gradients = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in (a, b)]
    step = backward([a, b], method="imtl_g", engine=engine)
    j = torch.stack([torch.cat([g.flatten() for g in own]) for own in gradients])
    assert step.gramian is not None
    assert torch.allclose(step.gramian, j @ j.T, rtol=1e-4)
    found = torch.cat([p.grad.flatten() for p in parameters])  # type: ignore[union-attr]
    assert torch.allclose(found, step.weights @ j, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("engine", ["ghost", "exact"])
def test_heads_that_read_several_depths(engine: str) -> None:
    """The first task reads both layers, the second the upper, the third the lower one."""
    torch.manual_seed(0)
    low, high = nn.Linear(3, 4), nn.Linear(4, 4)
    heads = nn.ModuleList([nn.Linear(8, 1), nn.Linear(4, 1), nn.Linear(4, 1)])
    bottom = torch.tanh(low(torch.randn(6, 3)))
    top = torch.tanh(high(bottom))
    read = (torch.cat([bottom, top], 1), top, bottom)
    losses = [head(x).square().mean() for head, x in zip(heads, read, strict=True)]
    parameters = [*low.parameters(), *high.parameters()]
    gradients = [
        torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True) for loss in losses
    ]
    step = backward(losses, method="imtl_g", engine=engine)
    j = torch.stack([torch.cat([g.flatten() for g in own]) for own in gradients])
    assert step.gramian is not None
    assert torch.allclose(step.gramian, j @ j.T, rtol=1e-4, atol=1e-6)
    found = torch.cat([p.grad.flatten() for p in parameters])  # type: ignore[union-attr]
    assert torch.allclose(found, step.weights @ j, rtol=1e-4, atol=1e-6)


def test_the_same_loss_twice_counts_twice() -> None:
    trunk = nn.Linear(3, 1)
    loss = trunk(torch.ones(4, 3)).square().mean()
    (expected,) = torch.autograd.grad(loss, trunk.weight, retain_graph=True)
    step = backward([loss, loss], method="mgda")
    assert step.gramian is not None
    assert torch.allclose(step.gramian, step.gramian[0, 0].expand(2, 2))
    assert torch.allclose(trunk.weight.grad, expected)  # type: ignore[arg-type]


def test_parameters_themselves_can_be_losses() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    step = backward([x, x * x], method="mgda")
    assert step.gramian is not None
    assert torch.allclose(step.gramian, torch.tensor([[1.0, 4.0], [4.0, 16.0]]))
    assert float(x.grad) == pytest.approx(1.0)  # type: ignore[arg-type]


def test_frozen_parts_stay_frozen() -> None:
    whole, losses = model("linear")
    first = next(whole.parameters())
    first.requires_grad_(False)
    backward(losses(), method="upgrad")
    assert first.grad is None
    assert all(p.grad is not None for p in list(whole.parameters())[1:])


def test_named_parameters_are_balanced_and_all_else_plain() -> None:
    whole, losses = model("linear")
    gradients = plain(whole, losses)
    last = [whole.get_parameter("trunk.2.weight"), whole.get_parameter("trunk.2.bias")]
    step = backward(losses(), method="mgda", shared=(p for p in last))
    for n, parameter in whole.named_parameters():
        weights = step.weights if n.startswith("trunk.2") else torch.ones(3)
        expected = sum(w * g[n] for w, g in zip(weights, gradients, strict=True))
        assert torch.allclose(parameter.grad, expected, atol=1e-5), n  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for n in METHODS if n not in ("fixed", "modo")])
def test_every_method_trains(name: str) -> None:
    whole, losses = model("linear")
    engine = "exact" if name == "excess_mtl" else "ghost"
    method = make_balancer(TASKS, name, engine)
    # These two go down a sum of logarithms, steep where a loss is near 0; the losses' own sum need not
    # fall with it.
    logarithms = name in ("log", "geometric_mean")
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.002 if logarithms else 0.02)

    def aim() -> float:
        values = torch.stack(losses()).detach()
        return float(values.log().sum() if logarithms else values.sum())

    before = aim()
    for _ in range(30):
        optimizer.zero_grad()
        backward(losses(), method=method)
        optimizer.step()
        if method.weighting.looks_back:
            method.weighting.look_back(torch.stack(losses()).detach())
    assert aim() < before


def one() -> Tensor:
    return nn.Linear(2, 1)(torch.ones(1, 2)).sum()


def pair() -> list[Tensor]:
    """Two losses of one layer."""
    layer = nn.Linear(2, 2)
    return list(layer(torch.ones(1, 2)).square().mean(0))


def changing() -> None:
    method = make_weighting("gradvac", TASKS)
    balancer = Balancer(method)
    _, losses = model("linear")
    backward(losses(), method=balancer)
    backward(losses()[:2], method=balancer)


def freed() -> None:
    losses = pair()
    backward(losses)
    backward(losses)


MALFORMED: dict[str, tuple[Callable[[], object], str]] = {
    "no losses": (lambda: backward([]), "no losses"),
    "one loss": (lambda: backward([one()]), "there is one loss"),
    "a scalar, no list": (lambda: backward(one()), "one loss, a scalar"),  # type: ignore[arg-type]
    "a dictionary": (lambda: backward({"a": one()}), "a dict"),  # type: ignore[arg-type]
    "nothing": (lambda: backward(None), "NoneType"),  # type: ignore[arg-type]
    "numbers": (lambda: backward([1.0, 2.0]), "Loss 0 is no scalar but float"),  # type: ignore[list-item]
    "a vector": (
        lambda: backward([one(), torch.ones(3, requires_grad=True)]),
        r"Loss 1 is no scalar but \(3,\)",
    ),
    "detached": (lambda: backward([one(), one().detach()]), "Loss 1 needs no gradient"),
    "constant": (lambda: backward([torch.tensor(1.0), one()]), "Loss 0 needs no gradient"),
    "not a number": (lambda: backward([one(), one() * math.nan]), "Loss 1 is nan"),
    "infinite": (lambda: backward([one() * math.inf, one()]), "Loss 0 is -?inf"),
    "nothing shared": (lambda: backward([one(), one()]), "no two losses depend on a common one"),
    "only data shared": (lambda: backward([one(), one(), one()], method="mgda"), "No parameter"),
    "unknown method": (lambda: backward(pair(), method="upgrda"), "Did you mean 'upgrad'"),
    "unknown engine": (lambda: backward(pair(), engine="ghosts"), "Did you mean 'ghost'"),
    "a class": (lambda: backward(pair(), method=Balancer), "The method is a type"),  # type: ignore[arg-type]
    "no method": (lambda: backward(pair(), method=None), "The method is a NoneType"),  # type: ignore[arg-type]
    "a memory by name": (lambda: backward(pair(), method="gradvac"), "remembers earlier steps"),
    "a memory by name, from losses": (lambda: backward(pair(), method="famo"), "make_weighting"),
    "weights by name": (lambda: backward(pair(), method="fixed"), "does not take these options|weights"),
    "too many weights": (
        lambda: backward(pair(), method=make_weighting("fixed", TASKS, weights=[1.0, 1.0, 1.0])),
        r"\(3,\) weights for 2 losses",
    ),
    "other losses than before": (changing, "2 losses are given to a method that has seen 3"),
    "halves": (lambda: backward(pair(), method=make_weighting("modo", TASKS)), "two halves"),
    "gradients from a Gramian": (
        lambda: backward(pair(), method=make_weighting("excess_mtl", TASKS)),
        "only the engine 'exact'",
    ),
    "shared is a model": (lambda: backward(pair(), shared=nn.Linear(1, 1)), "`shared` is Linear"),  # type: ignore[arg-type]
    "shared is a name": (lambda: backward(pair(), shared="trunk"), "`shared` is str"),  # type: ignore[arg-type]
    "shared holds names": (lambda: backward(pair(), shared=["trunk"]), "not parameters"),  # type: ignore[list-item]
    "shared is empty": (lambda: backward(pair(), shared=[]), "empty"),
    "shared is another's": (
        lambda: backward(pair(), shared=nn.Linear(1, 1).parameters()),
        "2 of 2 parameters",
    ),
    "devices": (lambda: backward([one(), one().to("meta")]), "meta|devices"),
    "log of a negative loss": (lambda: backward([-abs(one()) - 1, one()], method="log"), "task 0 is -"),
    "every no step": (lambda: make_balancer(TASKS, "upgrad", every=0), "every 0 steps"),
    "a wrong precision": (lambda: make_balancer(TASKS, "upgrad", precision="fp16"), "'fp16'"),
    "a wrong engine": (lambda: make_balancer(TASKS, "upgrad", "exat"), "Did you mean 'exact'"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_uses_are_told(name: str) -> None:
    use, message = MALFORMED[name]
    with pytest.raises(SharewiseError, match=message) as caught:
        use()
    assert len(str(caught.value)) < 400


def test_there_are_thirty() -> None:
    assert len(MALFORMED) >= 30
    assert issubclass(ConfigError, SharewiseError)


@pytest.mark.parametrize("inputs", ["plain", "repeated", "zero", "stacked"])
def test_the_root_of_a_kernel_gives_the_same_gramian(inputs: str) -> None:
    generator = torch.Generator().manual_seed(0)
    stack = (3,) if inputs == "stacked" else ()
    a = torch.randn(*stack, 96, 8, generator=generator)  # of rank 8: the kernel is singular
    if inputs == "repeated":
        a[48:] = a[:48]
    if inputs == "zero":
        a.zero_()
    g = torch.randn(12, *stack, 96, 256, generator=generator)
    factors = Factors(a, g, scale=0.5)
    jacobian = 0.5 * (a.double().transpose(-1, -2) @ g.double()).flatten(1)
    norms = jacobian.norm(dim=1).clamp(min=1e-30)
    root = _root(a)
    if inputs == "zero":
        assert root is None  # nothing to take a root of
        assert not factors.gramian().any()
        return
    assert root is not None
    for found in (factors._by_root(root), factors._by_kernel()):
        off = (0.25 * found - jacobian @ jacobian.T) / norms / norms.unsqueeze(1)
        assert off.abs().max() < 1e-5


def test_a_gradient_that_is_not_finite_stays_so() -> None:
    a = torch.ones(96, 8)
    a[3, 3] = torch.nan
    assert not Factors(a, torch.ones(12, 96, 256)).gramian().isfinite().any()
