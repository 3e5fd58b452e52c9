"""Kinds: likelihoods against torch.distributions, links, constants, labels that do not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Laplace, Normal, Poisson

from sharewise.errors import ConfigError
from sharewise.streams import stream
from sharewise.tasks import Binary, Count, Custom, Kind, Multiclass, Regression, Task
from sharewise.tasks.kinds import KINDS, kind_from_dict, make_kind, register_kind

ROWS = 64


def example(kind: Kind) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(ROWS, kind.width(3), generator=generator, dtype=torch.float64)
    uniform = torch.rand(ROWS, generator=generator, dtype=torch.float64)
    if isinstance(kind, Binary):
        return outputs, (uniform > 0.5).double()
    if isinstance(kind, Multiclass | Count):
        return outputs, (uniform * 3).floor()
    return outputs, uniform * 4 - 2


LIKELIHOODS = [
    (Binary(), lambda o: Bernoulli(logits=o[..., 0])),
    (Multiclass(), lambda o: Categorical(logits=o)),
    (Regression(), lambda o: Normal(o[..., 0], 1.0)),
    (Regression("laplace"), lambda o: Laplace(o[..., 0], 1.0)),
    (Count(), lambda o: Poisson(o[..., 0].exp())),
]


@pytest.mark.parametrize("kind, distribution", LIKELIHOODS, ids=lambda v: str(v)[:24])
def test_loss_is_the_negative_log_likelihood_up_to_a_constant_of_the_data(kind, distribution) -> None:
    outputs, targets = example(kind)
    other = outputs.flip(0)
    ours = kind.loss(outputs, targets) - kind.loss(other, targets)
    theirs = distribution(other).log_prob(targets) - distribution(outputs).log_prob(targets)
    torch.testing.assert_close(ours, theirs)
    assert (kind.loss(outputs, targets) >= 0).all()


@pytest.mark.parametrize("kind", [pair[0] for pair in LIKELIHOODS], ids=str)
def test_the_constant_predictor_cannot_be_improved_by_a_constant(kind: Kind) -> None:
    _, targets = example(kind)
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(1)) + 0.5
    best = kind.constant(targets.float(), weights)

    def loss(outputs: torch.Tensor) -> float:
        rows = kind.loss(outputs.double().expand(ROWS, -1), targets)
        return float((weights * rows).sum() / weights.sum())

    for column in range(len(best)):
        for step in (-0.05, 0.05):
            moved = best.clone()
            moved[column] += step
            assert loss(best) <= loss(moved) + 1e-6


def test_closed_form_constants_agree_with_the_numerical_one() -> None:
    for kind in (Binary(), Count()):
        _, targets = example(kind)
        weights = torch.ones(ROWS)
        numerical = Kind.constant(kind, targets.float(), weights)
        torch.testing.assert_close(kind.constant(targets.float(), weights), numerical, atol=1e-3, rtol=1e-3)


def test_labels_that_do_not_fit_are_named() -> None:
    assert "2" in (Binary().problem(np.array([0.0, 2.0])) or "")
    assert "1.5" in (Count().problem(np.array([1.5])) or "")
    assert "-1" in (Count().problem(np.array([-1.0])) or "")
    assert "infinite" in (Regression().problem(np.array([np.inf])) or "")
    assert Binary().problem(np.array([0.0, 1.0])) is None


@pytest.mark.parametrize("name", sorted(KINDS))
def test_kinds_survive_a_round_trip(name: str) -> None:
    kind = make_kind(name)
    assert kind_from_dict(kind.to_dict()) == kind


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'binary'"):
        make_kind("binry")


def test_a_kind_of_ones_own_is_found_again_by_name() -> None:
    quantile = Custom(
        "median",
        loss_fn=lambda o, y: (o[..., 0] - y).abs(),
        metric_fns=(("mae", lambda p, y, w: float(np.average(np.abs(p[:, 0] - y), weights=w))),),
    )
    register_kind("median", lambda: quantile)
    try:
        task = Task.from_dict(Task("wait", quantile).to_dict())
        assert task.kind is quantile
        found = task.kind.metrics(np.array([[1.0], [2.0]]), np.array([0.0, 4.0]), np.array([1.0, 3.0]))
        assert found["mae"] == pytest.approx(1.75)
    finally:
        del KINDS["median"]


@pytest.mark.parametrize("kind", [Binary(), Multiclass(), Regression(), Count()])
def test_an_ensemble_predicts_the_mean_of_its_members(kind: Kind) -> None:
    outputs = 3 * torch.randn(4, 10, 3 if kind.categorical else 1, generator=stream(0, "members")).double()
    assert torch.allclose(kind.link(kind.pool(outputs)), kind.link(outputs).mean(0))
    assert torch.allclose(kind.link(kind.pool(outputs[:1])), kind.link(outputs[0]))


def test_a_sure_ensemble_stays_finite() -> None:
    assert Binary().pool(torch.tensor([[[300.0]], [[400.0]]])).item() == pytest.approx(300 + math.log(2))
