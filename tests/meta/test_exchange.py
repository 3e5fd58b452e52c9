"""Support and query rows that change places: the mean over all the episodes that they make."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sharewise.data.episodes import Episodes, Shots
from sharewise.errors import DataError
from sharewise.meta import NetOptions, Spec, make_learner
from sharewise.meta.metric import ProtoNet
from sharewise.streams import stream
from sharewise.tasks import InputSpec
from sharewise.tasks.kinds import Multiclass

WAYS = 3
SPEC = Spec(InputSpec(bins=((-1.0, 1.0),) * 4), Multiclass(), WAYS)


def learner(exchange: bool) -> ProtoNet:
    found = make_learner("protonet", SPEC, net=NetOptions(hidden=(8, 8)), exchange=exchange)
    assert isinstance(found, ProtoNet)
    return found


def episodes(shots: int, queries: int, tasks: int = 2) -> tuple[Episodes, torch.Tensor]:
    """Episodes with their rows by class, ``[tasks, ways, each, 4]``."""
    rows = torch.randn(tasks, WAYS, shots + queries, 4, generator=stream(0, "rows"))
    return _cut(rows, list(range(shots)), list(range(shots, shots + queries))), rows


def _cut(rows: torch.Tensor, support: list[int], query: list[int]) -> Episodes:
    parts = []
    for chosen in (support, query):
        labels = torch.arange(WAYS).float().repeat_interleave(len(chosen)).expand(len(rows), -1)
        parts.append(Shots({"numeric": rows[:, :, chosen].flatten(1, 2)}, labels.contiguous()))
    return Episodes(parts[0], parts[1], ways=WAYS)


def test_one_shot_is_the_mean_over_every_rows_episode() -> None:
    drawn, rows = episodes(1, 3)
    own = learner(True).judge(drawn).losses
    each = [learner(False).judge(_cut(rows, [i], [j for j in range(4) if j != i])).losses for i in range(4)]
    assert torch.allclose(own, torch.stack(each).mean(0), atol=1e-5)


def test_several_shots_change_places_in_groups() -> None:
    drawn, rows = episodes(2, 3)  # the fifth row is only ever asked
    own = learner(True).judge(drawn).losses
    each = [
        learner(False).judge(_cut(rows, [0, 1], [2, 3, 4])).losses,
        learner(False).judge(_cut(rows, [2, 3], [0, 1, 4])).losses,
    ]
    assert torch.allclose(own, torch.stack(each).mean(0), atol=1e-5)


def test_the_order_of_classes_does_not_matter() -> None:
    drawn, _ = episodes(1, 3)
    order = torch.arange(drawn.query.rows).view(WAYS, -1).T.flatten()
    shuffled = Shots({"numeric": drawn.query.inputs["numeric"][:, order]}, drawn.query.targets[:, order])
    own, other = learner(True).judge(drawn), learner(True).judge(replace(drawn, query=shuffled))
    assert torch.allclose(own.losses, other.losses, atol=1e-5)


def test_predictions_are_those_of_the_paper() -> None:
    drawn, _ = episodes(1, 3)
    found = [learner(e).adapt(drawn.support)(drawn.query.inputs).outputs for e in (True, False)]
    assert torch.equal(found[0], found[1])


def test_uneven_classes_are_refused() -> None:
    drawn, _ = episodes(1, 3)
    uneven = replace(drawn, query=drawn.query.first(4))
    with pytest.raises(DataError, match="exchange"):
        learner(True).judge(uneven)


def test_a_scale_multiplies_the_outputs_and_is_learned() -> None:
    drawn, _ = episodes(1, 3)
    plain = learner(False)
    scaled = make_learner("protonet", SPEC, net=NetOptions(hidden=(8, 8)), scaled=True)
    found, expected = (own.adapt(drawn.support)(drawn.query.inputs).outputs for own in (scaled, plain))
    assert torch.allclose(found, expected / 8**0.5, atol=1e-5)
    scaled.judge(drawn).surrogate.mean().backward()
    gradient = dict(scaled.named_parameters())["sharpness"].grad
    assert gradient is not None
    assert float(gradient.abs()) > 0
