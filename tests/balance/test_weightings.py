"""What every weighting promises, and what each does."""

from __future__ import annotations

import pytest
import torch

from sharewise.balance import METHODS, Equal, Fixed, Weighting, backward, make_weighting
from sharewise.errors import ConfigError
from sharewise.tasks import Task, TaskSet

TASKS = TaskSet([Task("a"), Task("b"), Task("c")])
OPTIONS = {"fixed": {"weights": [1.0, 0.0, 2.5]}}


def make(name: str) -> Weighting:
    return make_weighting(name, TASKS, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_finite_and_one_a_task(name: str) -> None:
    weighting = make(name)
    for scale in (0.0, 1e-8, 1.0, 1e8):
        weights = weighting(scale * torch.tensor([1.0, 2.0, 3.0]))
        assert weights.shape == (3,)
        assert weights.isfinite().all()
        assert not weights.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_state_resumes(name: str) -> None:
    first, second = make(name), make(name)
    losses = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    for row in losses[:3]:
        first(row)
    second.load_state_dict({key: value.clone() for key, value in first.state_dict().items()})
    for row in losses[3:]:
        assert torch.equal(first(row), second(row))


@pytest.mark.parametrize("name", METHODS)
def test_weights_that_ignore_the_losses_say_so(name: str) -> None:
    weighting = make(name)
    same = torch.equal(weighting(torch.ones(3)), weighting(torch.tensor([1.0, 50.0, 3.0])))
    assert same or weighting.uses_losses


def test_fixed_by_name() -> None:
    assert make_weighting("fixed", TASKS, weights={"b": 3.0})(torch.ones(3)).tolist() == [1.0, 3.0, 1.0]


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("equl", {}, "Did you mean 'equal'"),
        ("fixed", {"weights": [1.0]}, "1 fixed weights for 3 tasks"),
        ("fixed", {"weights": {"d": 1.0}}, "task 'd'"),
        ("fixed", {"weights": [1.0, -1.0, 0.0]}, "not negative"),
        ("fixed", {"weights": [0.0, 0.0, 0.0]}, "at least one above 0"),
        ("fixed", {}, "does not take these options"),
        ("equal", {"power": 2}, "does not take these options"),
    ],
)
def test_mistakes_are_explained(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_weighting(name, TASKS, **options)


def test_backward_is_the_gradient_of_the_weighted_sum() -> None:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    total = backward(x.square(), x.sum(), Fixed([1.0, 0.0, 2.0]), share=0.5)
    assert torch.allclose(x.grad, 0.5 * (2 * x.detach() * torch.tensor([1.0, 0.0, 2.0]) + 1))
    assert total.item() == pytest.approx(1 + 18 + 6)


def test_backward_shows_the_weighting_what_was_measured() -> None:
    seen = []

    class Curious(Equal):
        def __call__(self, losses: torch.Tensor) -> torch.Tensor:
            seen.append((losses.tolist(), losses.requires_grad))
            return super().__call__(losses)

    x = torch.ones(3, requires_grad=True)
    backward(2 * x, torch.zeros(()), Curious())
    backward(2 * x, torch.zeros(()), Curious(), measured=torch.arange(3.0))
    assert seen == [([2.0, 2.0, 2.0], False), ([0.0, 1.0, 2.0], False)]
