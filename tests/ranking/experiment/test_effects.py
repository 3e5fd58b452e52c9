"""Effects by user: unbiased, errors as of repeated draws, and smaller by what was before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharewise.ranking.experiment import compare
from sharewise.ranking.experiment.sums import ArmSums

Rng = np.random.Generator


def users(rng: Rng, count: int, lift: float = 0.0, known: float = 1.0) -> ArmSums:
    """Return users who spend time as they did before, and answer surveys."""
    taste = np.exp(0.5 * rng.standard_normal(count))
    there = rng.random(count) < known
    visits, visits_before = rng.poisson(5, count) + 1.0, (rng.poisson(5, count) + 1.0) * there
    value = taste * visits * np.exp(0.2 * rng.standard_normal(count)) * np.exp(lift)
    before = taste * visits_before * np.exp(0.2 * rng.standard_normal(count))
    return ArmSums(value, np.ones(count), before, np.ones(count), visits_before)


def answers(rng: Rng, count: int) -> ArmSums:
    """Return users with a mean over a number of answers that varies."""
    given = rng.poisson(2, count).astype(np.float64)
    value = given * (3 + 0.5 * rng.standard_normal(count)) + np.sqrt(given) * rng.standard_normal(count)
    return ArmSums(value, given, np.zeros(count), np.zeros(count), np.zeros(count))


@pytest.mark.parametrize("make", [users, answers])
def test_errors_are_those_of_repeated_draws(make: object) -> None:
    rng = np.random.default_rng(0)
    found = [compare(make(rng, 400), make(rng, 300)) for _ in range(400)]  # type: ignore[operator]
    for which in ("", "plain_"):
        z = np.array([getattr(e, f"{which}change") / getattr(e, f"{which}error") for e in found])
        assert abs(z.mean()) < 4 / np.sqrt(len(z))
        assert z.std() == pytest.approx(1.0, abs=0.12)
        assert np.mean(np.abs(z) > 1.96) < 0.09


def test_what_was_before_saves_variance_and_moves_nothing() -> None:
    rng = np.random.default_rng(1)
    found = [compare(users(rng, 500), users(rng, 500, lift=0.05)) for _ in range(200)]
    adjusted, plain = (np.array([getattr(e, n) for e in found]) for n in ("change", "plain_change"))
    assert adjusted.mean() == pytest.approx(0.05, abs=4 * adjusted.std() / np.sqrt(200))
    saved = np.mean([e.saved for e in found])
    assert saved > 0.3
    assert 1 - adjusted.var() / plain.var() == pytest.approx(saved, abs=0.15)


def test_users_who_were_not_there_before_count_as_they_are() -> None:
    rng = np.random.default_rng(2)
    nobody = compare(users(rng, 500, known=0.0), users(rng, 500, known=0.0))
    assert nobody is not None
    assert nobody.change == pytest.approx(nobody.plain_change, abs=1e-12)
    assert nobody.saved == pytest.approx(0.0, abs=0.02)
    some = [compare(users(rng, 500, known=0.5), users(rng, 500, known=0.5)).saved for _ in range(20)]  # type: ignore[union-attr]
    assert 0.1 < np.mean(some) < 0.6


@given(scale=st.floats(1e-3, 1e3), before=st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_units_do_not_count(scale: float, before: float) -> None:
    rng = np.random.default_rng(3)
    arms = [users(rng, 60), users(rng, 80)]
    scaled = [
        ArmSums(a.value * scale, a.per, a.value_before * before, a.per_before, a.rows_before) for a in arms
    ]
    one, two = compare(*arms), compare(*scaled)
    assert one is not None
    assert two is not None
    assert two.change == pytest.approx(one.change, abs=1e-9)
    assert two.error == pytest.approx(one.error, rel=1e-6)


def test_a_mean_is_that_of_all_answers_not_of_users() -> None:
    none = np.zeros(3)
    control = ArmSums(np.array([10.0, 1.0, 0.0]), np.array([2.0, 1.0, 0.0]), none, none, none)
    treatment = ArmSums(np.array([5.0, 4.0, 3.0]), np.ones(3), none, none, none)
    found = compare(control, treatment)
    assert found is not None
    assert (found.control, found.treatment) == (11 / 3, 4.0)


@pytest.mark.parametrize("empty", ["value", "per"])
def test_nothing_to_compare(empty: str) -> None:
    one = users(np.random.default_rng(4), 50)
    zero = np.zeros(50)
    none = ArmSums(**{**one.__dict__, empty: zero})
    assert compare(none, one) is None
    assert compare(one, none) is None
    assert compare(ArmSums(*(values[:1] for values in one.__dict__.values())), one) is None


def test_users_who_all_do_the_same_tell_of_no_error() -> None:
    same = ArmSums(np.ones(9), np.ones(9), np.ones(9), np.ones(9), np.ones(9))
    assert compare(same, same) is None
