"""What every method promises, whatever it is."""

from __future__ import annotations

import pytest
import torch
from balance_kit import DRAWING, GRAMIAN, KINDS, direction, jacobian, make, signals

from sharewise.balance import METHODS, Needs, Signals, make_weighting
from sharewise.balance.methods import METHOD_CLASSES, options_of
from sharewise.errors import ConfigError
from sharewise.tasks import Task, TaskSet

#: Methods whose weights do not depend on a common scale of the gradients.
SCALE_FREE = {
    "mgda",
    "pcgrad",
    "gradvac",
    "cagrad",
    "imtl_g",
    "aligned_mtl",
    "upgrad",
    "config",
    "db_mtl",
    "sdmgrad",
}
#: Methods that promise a step which opposes no task, to first order.
NON_CONFLICTING = {"mgda", "upgrad", "nash_mtl", "fairgrad"}


@pytest.mark.parametrize("tasks", [1, 2, 5, 40])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", METHODS)
def test_weights_are_finite_and_one_a_task(name: str, kind: str, tasks: int) -> None:
    weighting, j = make(name, tasks), jacobian(kind, tasks)
    for _ in range(3):
        weights = weighting(signals(j))
        assert weights.shape == (tasks,)
        assert weights.dtype == torch.float32
        assert weights.isfinite().all()
        assert not weights.requires_grad
        weighting.look_back(torch.linspace(0.4, 1.4, tasks))
        weighting.hear(weights)
        weighting.end_epoch()


@pytest.mark.parametrize("scale", [1e-10, 1e-5, 1e5, 1e15])
@pytest.mark.parametrize("kind", ["random", "conflicting", "rank_deficient", "ill"])
@pytest.mark.parametrize("name", GRAMIAN)
def test_any_scale(name: str, kind: str, scale: float) -> None:
    j = jacobian(kind, 6)
    weights, at_one = (make(name, 6)(signals(s * j)).double() for s in (scale, 1.0))
    assert weights.isfinite().all()
    if name in SCALE_FREE:
        assert torch.allclose(weights, at_one, rtol=1e-4, atol=1e-6 * at_one.abs().max().item())


@pytest.mark.parametrize("scale", [0.0, 1e-10, 1e-5, 1e5, 1e15])
@pytest.mark.parametrize("name", METHODS)
def test_losses_of_any_scale(name: str, scale: float) -> None:
    weighting, j = make(name, 3), jacobian("random", 3)
    for _ in range(4):
        weights = weighting(signals(j, scale * torch.tensor([1.0, 2.0, 3.0])))
        assert weights.isfinite().all()
        assert (weights.abs() > 0).any()


@pytest.mark.parametrize("kind", ["random", "conflicting", "ill"])
@pytest.mark.parametrize("name", sorted(set(METHODS) - DRAWING - {"fixed"}))
def test_permuted_tasks_permute_the_weights(name: str, kind: str) -> None:
    j, order = jacobian(kind, 7), torch.tensor([3, 0, 6, 2, 5, 1, 4])
    losses = torch.linspace(0.5, 1.5, 7)
    first, second = make(name, 7), make(name, 7)
    for step in range(3):
        a = first(signals(j * (1 + step), losses * (1 + 0.1 * step)))
        b = second(signals(j[order] * (1 + step), losses[order] * (1 + 0.1 * step)))
        assert torch.allclose(a[order], b, rtol=1e-4, atol=1e-6 * a.abs().max().item())


@pytest.mark.parametrize("name", sorted(DRAWING))
def test_permuted_tasks_permute_the_mean_weights(name: str) -> None:
    j, order = jacobian("conflicting", 4), torch.tensor([2, 0, 3, 1])
    first, second = make(name, 4), make(name, 4)
    a = torch.stack([first(signals(j)) for _ in range(600)])
    b = torch.stack([second(signals(j[order])) for _ in range(600)])
    error = (a.var(0)[order] + b.var(0)).div(600).sqrt() + 1e-6
    assert ((a.mean(0)[order] - b.mean(0)).abs() < 5 * error).all()


@pytest.mark.parametrize("name", METHODS)
def test_one_task_gives_the_plain_gradient(name: str) -> None:
    j = jacobian("random", 1)
    weight = make(name, 1)(signals(j))
    assert float(weight) > 0
    if name not in {
        "geometric_mean",
        "log",
        "fairgrad",
        "nash_mtl",
        "db_mtl",
        "fixed",
        "cagrad",
    }:  # a multiple of it
        assert float(weight) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    "name", sorted(set(GRAMIAN) - {"mgda", "sdmgrad", "gradnorm", "upgrad", "cagrad", "aligned_mtl"})
)
def test_a_task_without_gradient_changes_nothing(name: str) -> None:
    j = jacobian("random", 4)
    with_zero = torch.cat([j, torch.zeros(1, j.shape[1], dtype=j.dtype)])
    losses = torch.linspace(0.5, 1.5, 5)
    a, b = make(name, 4)(signals(j, losses[:4])), make(name, 5)(signals(with_zero, losses))
    if name in {"pcgrad", "gradvac"}:  # other orders are drawn
        return
    assert torch.allclose(direction(j, a), direction(with_zero, b), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", ["upgrad", "aligned_mtl", "cagrad"])
def test_a_task_without_gradient_only_dilutes_the_mean(name: str) -> None:
    j = jacobian("random", 4)
    with_zero = torch.cat([j, torch.zeros(1, j.shape[1], dtype=j.dtype)])
    a, b = direction(j, make(name, 4)(signals(j))), direction(with_zero, make(name, 5)(signals(with_zero)))
    if name == "cagrad":  # its worst case is then 0 for sure, which pulls d towards the mean
        assert float(torch.cosine_similarity(b, with_zero.mean(0), 0)) > 0.8
    else:
        assert torch.allclose(a, b * 5 / 4, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", ["random", "conflicting", "rank_deficient", "ill", "duplicated", "zero"])
@pytest.mark.parametrize("name", sorted(NON_CONFLICTING))
def test_no_task_is_hurt(name: str, kind: str) -> None:
    for seed in range(5):
        for tasks in (2, 5, 12):
            if kind == "rank_deficient" and name in {"nash_mtl", "fairgrad"} and tasks > 2:
                continue  # their papers assume independent gradients: in a plane no direction may be left
            j = jacobian(kind, tasks, seed)
            d = direction(j, make(name, tasks)(signals(j)))
            lengths = j.norm(dim=1)
            assert (j @ d >= -1e-5 * lengths * (lengths.max() + d.norm())).all()


@pytest.mark.parametrize("name", METHODS)
def test_state_resumes_bit_for_bit(name: str) -> None:
    first, second = make(name, 4), make(name, 4)

    def steps(weighting: object, count: int, start: int) -> list[torch.Tensor]:
        found = []
        for step in range(start, start + count):
            losses = torch.rand(4, generator=torch.Generator().manual_seed(step)) + 0.1
            found.append(weighting(signals(jacobian("conflicting", 4, step), losses)))  # type: ignore[operator]
            weighting.look_back(0.9 * losses)  # type: ignore[attr-defined]
            weighting.hear(losses - 0.5)  # type: ignore[attr-defined]
            if step % 2:
                weighting.end_epoch()  # type: ignore[attr-defined]
        return found

    steps(first, 5, 0)
    saved = {key: value.clone() for key, value in first.state_dict().items()}
    steps(second, 2, 77)  # whatever it was before
    second.load_state_dict(saved)
    for a, b in zip(steps(first, 5, 5), steps(second, 5, 5), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", METHODS)
def test_needs_are_true(name: str) -> None:
    cls, j = METHOD_CLASSES[name], jacobian("random", 3)
    if cls.needs >= Needs.GRAMIAN:
        with pytest.raises(ValueError):
            make(name, 3)(Signals(torch.ones(3)))
    else:
        make(name, 3)(Signals(torch.ones(3)))
    if cls.needs is Needs.NOTHING:
        a, b = make(name, 3)(Signals(torch.ones(3))), make(name, 3)(Signals(torch.tensor([1.0, 50.0, 3.0])))
        assert torch.equal(a, b)
    if not cls.has_memory:
        weighting = make(name, 3)
        before = weighting(signals(j))
        weighting(signals(jacobian("conflicting", 3, 5), torch.tensor([9.0, 0.1, 3.0])))
        assert torch.allclose(weighting(signals(j)), before, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_describes_itself(name: str) -> None:
    import json

    described = make(name, 3).describe()
    assert set(described) == {"name", *options_of(name)}
    assert json.loads(json.dumps(described)) == described


TASKS = TaskSet([Task("a"), Task("b"), Task("c")])


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("equl", {}, "Did you mean 'equal'"),
        ("upgard", {}, "Did you mean 'upgrad'"),
        ("fixed", {"weights": [1.0]}, "1 fixed weights for 3 tasks"),
        ("fixed", {"weights": {"d": 1.0}}, "task 'd'"),
        ("fixed", {"weights": [1.0, -1.0, 0.0]}, "not negative"),
        ("fixed", {"weights": [0.0, 0.0, 0.0]}, "at least one above 0"),
        ("fixed", {}, "does not take these options"),
        ("cagrad", {"c": -1.0}, "CAGrad's c is -1.0"),
        ("cagrad", {"d": 1.0}, "does not take these options"),
        ("dwa", {"temperature": 0.0}, "DWA's temperature"),
        ("gradvac", {"beta": 2.0}, "GradVac's beta"),
        ("gradnorm", {"rate": float("nan")}, "GradNorm's rate"),
        ("sdmgrad", {"iterations": 0}, "SDMGrad's iterations"),
        ("aligned_mtl", {"scale": "max"}, "Aligned-MTL's scale 'max'"),
        ("stch", {"mu": 0.0}, "STCH's mu"),
    ],
)
def test_bad_options(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_weighting(name, TASKS, **options)


@pytest.mark.parametrize("name", ["geometric_mean", "log", "famo", "famo_free", "db_mtl"])
def test_logarithms_of_negative_losses(name: str) -> None:
    j = jacobian("random", 3)
    with pytest.raises(ConfigError, match="that of task 1 is -2"):
        make(name, 3)(signals(j, torch.tensor([1.0, -2.0, 3.0])))


def test_one_preference_a_task() -> None:
    with pytest.raises(ConfigError, match="2 preferences for 3 tasks"):
        make_weighting("stch", TASKS, preferences=[0.5, 0.5])(Signals(torch.ones(3)))
