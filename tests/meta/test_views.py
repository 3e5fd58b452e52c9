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
from sharewise.tasks.kinds import Multiclass


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
