"""Answers to several views of images, averaged."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta import Learner, NetOptions, Spec, Views, make_learner
from sharewise.streams import stream
from sharewise.tasks import InputSpec
from sharewise.tasks.kinds import Multiclass, Regression


def learner(image: tuple[int, int, int] = (1, 8, 8)) -> Learner:
    spec = Spec(InputSpec(image=image), Multiclass(), 3)
    return make_learner("protonet", spec, net=NetOptions(channels=(4, 4))).eval()


def shots(rows: int, name: str) -> Shots:
    images = torch.rand(2, rows, 1, 8, 8, generator=stream(0, name))
    return Shots({"image": images}, (torch.arange(rows) % 3).float().expand(2, -1).contiguous())


def ask(asked: Learner, support: Shots, query: Shots) -> torch.Tensor:
    with torch.no_grad():
        return asked.adapt(support)(query.inputs).outputs


def test_one_view_is_the_learner() -> None:
    own = learner()
    support, query = shots(3, "support"), shots(6, "query")
    assert torch.equal(ask(Views(own, 1), support, query), ask(own, support, query))


def test_all_views_do_not_depend_on_how_a_task_is_turned() -> None:
    views = Views(learner(), 8)
    support, query = shots(3, "support"), shots(6, "query")
    plain = ask(views, support, query)
    turned = [
        replace(part, inputs={"image": torch.rot90(part.inputs["image"].flip(-2), 1, (-2, -1))})
        for part in (support, query)
    ]
    assert torch.allclose(ask(views, turned[0], turned[1]), plain, atol=1e-4)
    assert not torch.allclose(ask(learner(), turned[0], turned[1]), ask(learner(), support, query), atol=1e-4)


def test_a_query_row_is_asked_alone() -> None:
    views, support, query = Views(learner()), shots(3, "support"), shots(6, "query")
    alone = Shots({"image": query.inputs["image"][:, :1]}, query.targets[:, :1])
    assert torch.allclose(ask(views, support, query)[:, :1], ask(views, support, alone), atol=1e-5)


def test_images_that_cannot_be_turned_are_refused() -> None:
    with pytest.raises(ConfigError, match="square"):
        Views(learner((1, 8, 6)))
    with pytest.raises(ConfigError, match="views"):
        Views(learner(), 3)


def test_what_a_learner_can_be_asked_its_views_can() -> None:
    views = Views(learner())
    assert (views.any_ways, views.stepwise, views.from_nothing) == (True, False, False)
    spec = Spec(InputSpec(image=(1, 8, 8)), Multiclass(), 3)
    steps = Views(make_learner("maml", spec, net=NetOptions(channels=(4, 4))))
    assert (steps.any_ways, steps.stepwise, steps.from_nothing) == (False, True, True)


def test_a_variance_is_that_of_the_mixture() -> None:
    spec = Spec(InputSpec(image=(1, 8, 8)), Regression())
    own = make_learner("alpaca", spec, net=NetOptions(channels=(4, 4), norm="group")).eval()
    support, query = shots(3, "support"), shots(6, "query")
    with torch.no_grad():
        found = Views(own, 4).adapt(support)(query.inputs)
        each = [own.adapt(turned(support, number))(turned(query, number).inputs) for number in range(4)]
    means = torch.stack([one.outputs[..., 0] for one in each])
    variances = torch.stack([one.variance for one in each if one.variance is not None])
    second = (variances + means.square()).mean(0)
    assert found.variance is not None
    torch.testing.assert_close(found.variance, second - means.mean(0).square(), atol=1e-4, rtol=1e-4)


def turned(part: Shots, number: int) -> Shots:
    return replace(part, inputs={"image": torch.rot90(part.inputs["image"], number, (-2, -1))})
