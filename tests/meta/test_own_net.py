"""A module of one's own: all tasks at once as one after another, and what would be silently wrong refused."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from small_episodes import (
    COLUMNS,
    IMAGES,
    episodes,
    meta_gradient,
    random_direction,
    slope_along,
)
from torch import nn

from sharewise.data.episodes import Episodes
from sharewise.errors import ConfigError
from sharewise.meta import OwnNet, Spec, make_learner
from sharewise.tasks.kinds import Multiclass, Regression


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    parts = {"first": nn.Linear(2, 6), "norm": nn.LayerNorm(6), "act": nn.Tanh(), "last": nn.Linear(6, 1)}
    return nn.Sequential(OrderedDict(parts))


def convolutions() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Tanh(), nn.Flatten(), nn.Linear(144, 2)
    )


@pytest.mark.parametrize("name", ["maml", "meta_sgd", "anil", "imaml", "reptile"])
def test_all_at_once_is_one_after_another(name: str) -> None:
    found = []
    for vectorise in (True, False):
        net = OwnNet(perceptron(), 1, vectorise, head="last")
        made = make_learner(name, Spec(COLUMNS, Regression()), net=net, steps=2, rate=0.1).double()
        found.append(meta_gradient(made, episodes()))
    for key in found[0]:
        torch.testing.assert_close(found[0][key], found[1][key])


@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize("vectorise", [False, True])
def test_second_order_is_finite_differences(image: bool, vectorise: bool) -> None:
    net = OwnNet(convolutions() if image else perceptron(), 2 if image else 1, vectorise)
    spec = Spec(IMAGES, Multiclass(), 2) if image else Spec(COLUMNS, Regression())
    made = make_learner("maml", spec, net=net, steps=2, rate=0.1).double()
    batch: Episodes = episodes(tasks=2, ways=2 if image else 0, image=image)
    found, direction = meta_gradient(made, batch), random_direction(made, 0)
    expected = slope_along(made, lambda: made.judge(batch).surrogate.mean(), direction)
    along = sum(float((found[name] * direction[name]).sum()) for name in found)
    assert along == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm2d(4), nn.InstanceNorm2d(4), nn.SyncBatchNorm(4), nn.BatchNorm1d(4)], ids=repr
)
def test_layers_that_would_be_wrong_are_refused(layer: nn.Module) -> None:
    with pytest.raises(ConfigError, match="statistics mix tasks"):
        OwnNet(nn.Sequential(nn.Conv2d(1, 4, 3), layer), 4)


def test_what_a_net_has_to_say() -> None:
    with pytest.raises(ConfigError, match="how many outputs"):
        OwnNet(perceptron())
    with pytest.raises(ConfigError, match="Did you mean 'last'"):
        OwnNet(perceptron(), 1, head="lst")
    with pytest.raises(ConfigError, match="no head"):
        make_learner("anil", Spec(COLUMNS, Regression()), net=OwnNet(perceptron(), 1))
    with pytest.raises(ConfigError, match="gives 1 outputs, but the labels need 3"):
        make_learner("maml", Spec(COLUMNS, Multiclass(), 3), net=OwnNet(perceptron(), 1))
