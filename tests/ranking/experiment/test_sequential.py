"""At all looks together: few false alarms, intervals that hold, power; the same of counts of users."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sharewise.ranking.experiment.mismatch import mismatch_p
from sharewise.ranking.experiment.sequential import always_valid_bound, always_valid_p

LOOKS, RUNS = 400, 2000


def paths(drift: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return estimates at looks as precision grows, ``[runs, looks]``, and their errors, ``[looks]``."""
    information = np.arange(1, LOOKS + 1, dtype=np.float64)
    walk = rng.standard_normal((RUNS, LOOKS)).cumsum(1) + drift * information
    return walk / information, 1 / np.sqrt(information)


def test_the_interval_is_where_p_reaches_the_level() -> None:
    for error, expected, level in ((0.1, 0.02, 0.05), (1e-3, 0.5, 0.01), (2.0, 2.0, 0.2)):
        bound = always_valid_bound(error, expected, level)
        assert always_valid_p(bound, error, expected) == pytest.approx(level)
        assert always_valid_p(-bound, error, expected) == pytest.approx(level)
        assert always_valid_p(0.0, error, expected) == 1.0


@pytest.mark.parametrize("expected", [0.05, 0.3, 1.0])
def test_peeking_at_every_look_raises_no_more_alarms_than_the_level(expected: float) -> None:
    estimates, errors = paths(0.0, np.random.default_rng(0))
    bounds = np.array([always_valid_bound(error, expected, 0.05) for error in errors])
    alarms = (np.abs(estimates) > bounds).any(1).mean()
    assert alarms <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / RUNS)
    naive = (np.abs(estimates) > 1.96 * errors).any(1).mean()
    assert naive > 0.3  # what peeking at the usual interval does


def test_intervals_hold_the_effect_at_all_looks() -> None:
    estimates, errors = paths(0.2, np.random.default_rng(1))
    bounds = np.array([always_valid_bound(error, 1.0, 0.05) for error in errors])
    assert (np.abs(estimates - 0.2) < bounds).all(1).mean() >= 0.95 - 0.015
    assert (np.abs(estimates) > bounds).any(1).mean() > 0.6  # and effects are found


def test_a_wrong_guess_of_effects_costs_what_is_said() -> None:
    best = always_valid_bound(1.0, math.sqrt(10), 0.05)
    widths = {k: always_valid_bound(1.0, math.sqrt(k), 0.05) / best for k in (0.1, 1, 1000)}
    assert widths[1000] == pytest.approx(1.18, abs=0.02)
    assert widths[1] == pytest.approx(1.2, abs=0.02)
    assert widths[0.1] == pytest.approx(2.7, abs=0.05)


def test_counts_of_the_planned_shares_raise_no_alarm_however_often_one_looks() -> None:
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(200):
        arms = rng.choice(3, 3000, p=[0.5, 0.25, 0.25])
        counts = [[int((arms[:n] == arm).sum()) for arm in range(3)] for n in range(100, 3001, 100)]
        alarms += min(mismatch_p(own, [2, 1, 1]) for own in counts) < 0.05
    assert alarms / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_counts_of_other_shares_are_found() -> None:
    assert mismatch_p([10_400, 9_600], [1, 1]) < 1e-3
    assert mismatch_p([10_100, 9_900], [1, 1]) > 0.1
    assert mismatch_p([0, 0], [1, 1]) == 1.0
    assert mismatch_p([10**7, 10**7 + 3 * 10**4], [1, 1]) < 1e-3
