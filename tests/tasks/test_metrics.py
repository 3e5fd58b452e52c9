"""Metrics against scikit-learn, and their influences against the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from sharewise.tasks import metrics


def binary_scores(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = (rng.random(rows) < 0.3).astype(float)
    scores = np.round(rng.normal(size=rows) + targets, 1)  # rounded, so that there are ties
    return scores, targets, rng.uniform(0.5, 2.0, rows)


@given(st.integers(0, 10_000), st.integers(20, 300))
def test_auc_equals_scikit_learn_with_ties_and_weights(seed: int, rows: int) -> None:
    scores, targets, weights = binary_scores(seed, rows)
    if 0 < targets.sum() < rows:
        expected = roc_auc_score(targets, scores, sample_weight=weights)
        assert metrics.auc(scores, targets, weights).value == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 10_000))
def test_explained_squares_are_r2(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets, predictions = rng.normal(size=50), rng.normal(size=50)
    weights = rng.uniform(0.5, 2.0, 50)
    centre = (weights * targets).sum() / weights.sum()
    effect = metrics.explained((predictions - targets) ** 2, (targets - centre) ** 2, weights)
    assert effect.value == pytest.approx(r2_score(targets, predictions, sample_weight=weights), abs=1e-12)


def test_influences_have_mean_zero_and_the_spread_of_the_bootstrap() -> None:
    scores, targets, weights = binary_scores(0, 2_000)
    errors = (scores - targets) ** 2
    constant = (targets - targets.mean()) ** 2

    def values(rows: np.ndarray) -> list[metrics.Effect]:
        w = weights[rows]
        return [
            metrics.auc(scores[rows], targets[rows], w),
            metrics.mean(scores[rows], w),
            metrics.explained(errors[rows], constant[rows], w),
        ]

    effects = values(np.arange(2_000))
    rng = np.random.default_rng(1)
    draws = np.array([[e.value for e in values(rng.integers(0, 2_000, 2_000))] for _ in range(400)])
    for effect, spread in zip(effects, draws.std(axis=0), strict=True):
        assert effect.influence.mean() == pytest.approx(0, abs=1e-9)
        assert effect.influence.std() / np.sqrt(2_000) == pytest.approx(spread, rel=0.15)


def test_degenerate_rows_give_nan_and_not_an_accident() -> None:
    ones = np.ones(4)
    assert np.isnan(metrics.auc(ones, ones, ones).value)
    assert np.isnan(metrics.explained(ones, 0 * ones, ones).value)
    assert np.isnan(metrics.mean(ones, 0 * ones).value)
