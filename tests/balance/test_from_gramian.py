"""Methods from the Gramian against torchjd, closed forms and optimality conditions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from balance_kit import direction, jacobian, make, signals
from scipy.optimize import minimize
from torch import Tensor
from torchjd import aggregation
from torchjd.linalg import QuadprogProjector

from sharewise.balance import Signals, make_weighting
from sharewise.balance.from_gramian.pcgrad import project
from sharewise.balance.solvers import normalised, positive_root
from sharewise.tasks import Task, TaskSet

SIZES, FULL = (2, 3, 6), ("random", "conflicting", "ill")
EVERY = (*FULL, "rank_deficient", "duplicated", "zero")


def close(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> None:
    scale = float(b.abs().max()) or 1.0
    assert float((a - b).abs().max()) <= tolerance * scale, f"off by {float((a - b).abs().max()) / scale:.2g}"


def with_options(name: str, tasks: int, **options: object) -> object:
    return make_weighting(name, TaskSet([Task(str(i)) for i in range(tasks)]), **options)


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", EVERY)
def test_upgrad(kind: str, tasks: int) -> None:
    j = jacobian(kind, tasks)
    oracle = aggregation.UPGradWeighting(projector=QuadprogProjector(norm_eps=1e-30, reg_eps=1e-12))
    ours, theirs = make("upgrad", tasks)(signals(j)), oracle(j @ j.T)
    if kind in FULL:
        close(ours.double(), theirs)
    else:  # the weights are not unique, and the direction may be zero
        apart = (direction(j, ours) - direction(j, theirs)).norm()
        assert float(apart) <= 1e-5 * float(j.norm(dim=1).max())


def test_upgrad_follows_gradients_that_change_slowly() -> None:
    warm, j = make("upgrad", 12), jacobian("conflicting", 12)
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        j = j + 0.2 * torch.randn(j.shape, dtype=j.dtype, generator=generator)
        close(warm(signals(j)).double(), make("upgrad", 12)(signals(j)).double(), 1e-9)


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", EVERY)
def test_mgda_is_optimal(kind: str, tasks: int) -> None:
    j = jacobian(kind, tasks)
    weights = make("mgda", tasks)(signals(j)).double()
    assert float(weights.sum()) == pytest.approx(1, abs=1e-6)
    assert (weights >= 0).all()
    d = direction(j, weights)
    assert (j @ d >= d @ d - 1e-5 * j.norm(dim=1).max() ** 2).all()
    theirs = direction(j, aggregation.MGDAWeighting(epsilon=1e-9, max_iters=3000)(j @ j.T))
    assert d.norm() <= theirs.norm() * (1 + 1e-5) + 1e-6 * j.norm(dim=1).max()


@pytest.mark.parametrize("c", [0.2, 0.5, 2.0])
@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", FULL)
def test_cagrad(kind: str, tasks: int, c: float) -> None:
    j = jacobian(kind, tasks)
    d = direction(j, with_options("cagrad", tasks, c=c)(signals(j)))  # type: ignore[operator]
    theirs = direction(j, aggregation.CAGradWeighting(c=c, norm_eps=1e-12)(j @ j.T))
    mean = j.mean(0)
    assert float((d - mean).norm()) <= c * float(mean.norm()) * (1 + 1e-5)
    # The worst case decides: ours is no worse than that of a conic solver, and equal to what that can tell.
    assert float((j @ d).min()) >= float((j @ theirs).min()) - 1e-6 * float(j.norm(dim=1).max() ** 2)
    close(d, theirs, 2e-3)


def test_cagrad_where_rounding_decides_whether_gradients_cancel() -> None:
    """Two gradients that are opposite to a billionth; of such a pair in the toy problem 0 was divided by."""
    turn, angle, scale = 4.33270491457273, 3.141592653205633, 0.0001146830774536754
    first = torch.tensor([math.cos(turn), math.sin(turn)], dtype=torch.float64)
    second = torch.tensor([math.cos(turn + angle), math.sin(turn + angle)], dtype=torch.float64)
    j = torch.stack([first, 0.9785208784837655 * second]) * scale
    weights = with_options("cagrad", 2, c=0.5)(signals(j)).double()  # type: ignore[operator]
    close(weights, torch.full((2,), 0.5).double())


def test_cagrad_without_a_radius_is_the_mean() -> None:
    j = jacobian("conflicting", 4)
    close(with_options("cagrad", 4, c=0.0)(signals(j)).double(), torch.full((4,), 0.25).double())  # type: ignore[operator]


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", FULL)
def test_imtl_g(kind: str, tasks: int) -> None:
    j = jacobian(kind, tasks)
    weights = make("imtl_g", tasks)(signals(j))
    close(weights.double(), aggregation.IMTLGWeighting()(j @ j.T))
    along = j @ direction(j, weights) / j.norm(dim=1)
    close(along, along.mean().expand(tasks), 1e-4)


@pytest.mark.parametrize("scale", ["min", "median", "mean"])
@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", EVERY)
def test_aligned_mtl(kind: str, tasks: int, scale: str) -> None:
    j = jacobian(kind, tasks)
    named = "rmse" if scale == "mean" else scale
    theirs = aggregation.AlignedMTLWeighting(scale_mode=named)(j @ j.T)
    close(with_options("aligned_mtl", tasks, scale=scale)(signals(j)).double(), theirs)  # type: ignore[operator]


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", EVERY)
def test_config(kind: str, tasks: int) -> None:
    j = jacobian(kind, tasks)
    d = direction(j, make("config", tasks)(signals(j)))
    close(d, aggregation.ConFIG()(j))
    if kind in FULL:
        along = j @ d / j.norm(dim=1)
        assert float((along - along.mean()).abs().max()) <= 1e-5 * float(j.norm(dim=1).max())


@pytest.mark.parametrize("power", [0.2, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", FULL)
def test_positive_root(kind: str, tasks: int, power: float) -> None:
    g = jacobian(kind, tasks) @ jacobian(kind, tasks).T
    a = positive_root(g, power)
    close(g @ a * a**power, torch.ones(tasks).double(), 1e-6)


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", FULL)
def test_nash_mtl(kind: str, tasks: int) -> None:
    j = jacobian(kind, tasks)
    g = j @ j.T
    free = with_options("nash_mtl", tasks, max_norm=0.0)(signals(j)).double()  # type: ignore[operator]
    paper = free / g.norm().sqrt()
    close(paper, positive_root(g), 1e-6)  # which solves the paper's equation, by the test above
    cut = direction(j, make("nash_mtl", tasks)(signals(j)))
    assert float(cut.norm()) == pytest.approx(1.0, abs=1e-5)
    if kind == "random":
        theirs = aggregation.NashMTL(n_tasks=tasks, max_norm=1.0, optim_niter=200)(j.float())
        close(cut, theirs.double(), 5e-3)  # theirs stops at 1e-3


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", FULL)
def test_fairgrad(kind: str, tasks: int, alpha: float) -> None:
    j = jacobian(kind, tasks)
    g = j @ j.T
    weights = with_options("fairgrad", tasks, alpha=alpha)(signals(j)).double()  # type: ignore[operator]
    close(weights, positive_root(g, 1 / alpha), 1e-6)
    if kind == "random":
        close(weights, aggregation.FairGradWeighting(alpha=alpha)(g), 1e-4)


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("kind", FULL)
def test_pcgrad_in_distribution(kind: str, tasks: int) -> None:
    torch.manual_seed(0)
    j = jacobian(kind, tasks)
    ours, theirs = make("pcgrad", tasks), aggregation.PCGradWeighting()
    a = torch.stack([ours(signals(j)).double() for _ in range(500)])
    b = torch.stack([theirs(j @ j.T) for _ in range(500)])
    error = (a.var(0) + b.var(0)).div(500).sqrt() + 1e-5 * b.abs().max()
    assert ((a.mean(0) - b.mean(0)).abs() < 5 * error).all()


def test_pcgrad_by_hand() -> None:
    """Projections of the gradients themselves, one after another, in the same orders."""
    j = jacobian("conflicting", 5)
    cosines, lengths = normalised(j @ j.T)
    order = np.stack([np.random.default_rng(i).permutation(5) for i in range(5)])
    found = torch.from_numpy(project(cosines.numpy(), order))
    units = j / j.norm(dim=1, keepdim=True)
    for i in range(5):
        g = units[i].clone()
        for other in order[i]:
            if other != i and g @ units[other] < 0:
                g -= (g @ units[other]) * units[other]
        close(units.T @ found[i], g)
    assert len(lengths) == 5


def test_gradvac_in_distribution() -> None:
    torch.manual_seed(0)
    runs: list[list[Tensor]] = [[], []]
    for seed in range(150):
        ours = with_options("gradvac", 4, beta=0.5, seed=seed)
        theirs = aggregation.GradVacWeighting(beta=0.5, eps=0.0)
        for step in range(3):
            j = jacobian("conflicting", 4, step)
            a, b = ours(signals(j)).double(), theirs(j @ j.T)  # type: ignore[operator]
        runs[0].append(a)
        runs[1].append(b)
    a, b = (torch.stack(run) for run in runs)
    error = (a.var(0) + b.var(0)).div(150).sqrt() + 1e-5 * b.abs().max()
    assert ((a.mean(0) - b.mean(0)).abs() < 5 * error).all()


def test_gradvac_reaches_the_usual_cosine() -> None:
    j = torch.tensor([[1.0, 0.0], [math.cos(2.0), math.sin(2.0)]], dtype=torch.float64)
    weighting = with_options("gradvac", 2, beta=0.0)
    weighting.load_state_dict(
        {"usual": torch.full((2, 2), 0.3, dtype=torch.float64), "draws": torch.tensor(0)}
    )  # type: ignore[attr-defined]
    weights = weighting(signals(j)).double()  # type: ignore[operator]
    # By symmetry each weight is 1 + x with (g1 + x g2) at cosine 0.3 to g2.
    turned = j[0] + (weights[0] - 1) * j[1]
    assert float(torch.cosine_similarity(turned, j[1], 0)) == pytest.approx(0.3, abs=1e-6)


def test_gradnorm_by_its_definition() -> None:
    j, losses = jacobian("ill", 4), torch.tensor([1.0, 2.0, 3.0, 4.0])
    weighting = with_options("gradnorm", 4, alpha=1.0, rate=0.1)
    assert torch.equal(weighting(signals(j, losses)), torch.ones(4))  # type: ignore[operator]
    later = torch.tensor([0.5, 1.9, 1.5, 4.0])
    weights = weighting(signals(j, later)).double().requires_grad_()  # type: ignore[operator]
    assert float(weights.sum()) == pytest.approx(4, abs=1e-5)
    lengths, left = j.norm(dim=1), (later / losses).double()
    scaled = weights * lengths
    goal = (scaled.mean() * left / left.mean()).detach()
    (gradient,) = torch.autograd.grad((scaled - goal).abs().sum(), weights)
    after = weighting(signals(j, later)).double()  # type: ignore[operator]
    first, second = (
        torch.sign(after / after.sum() - (weights / weights.sum()).detach()),
        -torch.sign(gradient),
    )
    assert torch.equal(first[gradient.abs().argmax()], second[gradient.abs().argmax()])


@pytest.mark.parametrize("kind", FULL)
def test_db_mtl_makes_log_gradients_equally_long(kind: str) -> None:
    j, losses = jacobian(kind, 5), torch.linspace(0.2, 3.0, 5)
    weights = make("db_mtl", 5)(signals(j, losses)).double()
    logs = j / (losses.double()[:, None] + 1e-8)
    close(weights * j.norm(dim=1), logs.norm(dim=1).max().expand(5))


def test_sdmgrad() -> None:
    ours, theirs = with_options("sdmgrad", 4), aggregation.SDMGradWeighting()
    for step in range(4):
        j, other = jacobian("random", 4, step), jacobian("random", 4, step + 50)
        a = j @ (0.8 * j + 0.2 * other).T
        close(ours(Signals(torch.ones(4), a)).double(), theirs(a), 1e-4)  # type: ignore[operator]


def test_sdmgrad_converges_to_its_problem() -> None:
    j = jacobian("conflicting", 4)
    weighting = with_options("sdmgrad", 4, rate=0.2, momentum=0.0, iterations=4000)
    weights = weighting(signals(j)).double() * 1.3  # type: ignore[operator]
    mean = torch.full((4,), 0.25, dtype=torch.float64)

    def value(logits: np.ndarray) -> float:
        w = torch.softmax(torch.from_numpy(logits), 0)
        return float((j.T @ (w + 0.3 * mean)).norm() ** 2)

    best = min(minimize(value, np.random.default_rng(s).normal(size=4), tol=1e-12).fun for s in range(5))
    assert float((j.T @ weights).norm() ** 2) <= best * (1 + 1e-4)


@pytest.mark.parametrize("warmup", [0, 3])
def test_excess_mtl(warmup: int) -> None:
    ours = with_options("excess_mtl", 4, warmup=warmup)
    theirs = aggregation.ExcessMTLWeighting(n_warmup_steps=warmup)
    for step in range(8):
        j = 0.2 * jacobian("ill", 4, step).float()
        close(ours(signals(j)).double(), theirs(j).double(), 1e-4)  # type: ignore[operator]


def test_modo_follows_the_product() -> None:
    weighting, j = with_options("modo", 3, rate=0.01), jacobian("conflicting", 3)
    for _ in range(3000):
        weights = weighting(signals(j))  # type: ignore[operator]
        weighting.hear(j @ j.T @ weights.double())  # type: ignore[attr-defined]
    best = direction(j, make("mgda", 3)(signals(j))).norm()
    assert float(direction(j, weights).norm()) <= float(best) * 1.01 + 1e-6


@pytest.mark.parametrize("angle", [1e-2, 1e-4, 1e-6])
def test_positive_root_of_two_gradients_that_nearly_cancel(angle: float) -> None:
    """With equal lengths it is known: both weights are (1 + cosine)^-½."""
    sine, cosine = math.sin(angle), -math.cos(angle)
    j = torch.tensor([[1.0, 0.0], [cosine, sine]], dtype=torch.float64)
    wanted = 1 / (math.sqrt(2) * math.sin(angle / 2))
    found = positive_root(j @ j.T, ridge=0.0)
    assert found.tolist() == pytest.approx([wanted, wanted], rel=1e-3)


@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("tasks", [2, 10])
@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-8, 1e-12])
def test_positive_root_ends_when_only_rounding_is_left(
    apart: float, tasks: int, power: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients that cancel but for a share of `apart` took all the steps that there are."""
    generator = torch.Generator().manual_seed(0)
    j = torch.randn(tasks, 3 * tasks, dtype=torch.float64, generator=generator)
    j[-1] = apart * j[-1] - j[:-1].sum(0)
    steps = []
    solve = np.linalg.solve
    monkeypatch.setattr(np.linalg, "solve", lambda *system: (steps.append(1), solve(*system))[1])
    found = positive_root(j @ j.T, power)
    assert bool(found.isfinite().all())
    assert bool((found > 0).all())
    assert len(steps) <= 60
