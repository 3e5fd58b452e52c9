"""Measures of parts add up to those of the whole, and are what oracles say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, ndcg_score, roc_auc_score

from sharewise.tasks.grouped import grouped_auc, grouped_ndcg, number
from sharewise.tasks.tally import BinaryTally, MeanTally, NumberTally, Tally


def rows(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    logits = chance.normal(-2, 1.5, count)
    p = 1 / (1 + np.exp(-logits))
    return p, (chance.random(count) < p).astype(np.float64)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_parts_add_up_to_the_whole(seed: int, sizes: list[int]) -> None:
    p, y = rows(seed, sum(sizes))
    cuts = np.cumsum(sizes)[:-1]
    for kind in (BinaryTally, NumberTally):
        merged: Tally = kind()
        for some_p, some_y in zip(np.split(p, cuts), np.split(y, cuts), strict=True):
            merged = merged.merge(kind.of(some_p, some_y))
        whole = kind.of(p, y).values()
        assert merged.values() == pytest.approx(whole, abs=1e-8, nan_ok=True)


@pytest.mark.parametrize("kind", [BinaryTally, NumberTally])
def test_the_state_brings_all_back(kind: type[BinaryTally] | type[NumberTally]) -> None:
    first = kind.of(*rows(0, 500))
    second = kind()
    second.load(first.state())
    assert second.values() == first.values()


def test_binary_measures_are_those_of_an_oracle() -> None:
    p, y = rows(1, 20_000)
    found = BinaryTally.of(p, y).values()
    assert found["auc"] == pytest.approx(roc_auc_score(y, p), abs=1e-6)
    assert found["log_loss"] == pytest.approx(log_loss(y, p), abs=1e-9)
    assert found["squared_error"] == pytest.approx(((p - y) ** 2).mean(), abs=1e-12)
    assert found["ratio"] == pytest.approx(p.mean() / y.mean())
    assert found["ece"] < 0.02
    assert BinaryTally.of(np.clip(2 * p, 0, 1), y).values()["ece"] > 0.1


def test_number_measures_are_those_of_the_formula() -> None:
    chance = np.random.default_rng(0)
    y = chance.normal(3, 2, 1000)
    p = y + chance.normal(0, 1, 1000)
    found = NumberTally.of(p, y).values()
    assert found["r2"] == pytest.approx(1 - ((p - y) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    assert found["absolute_error"] == pytest.approx(np.abs(p - y).mean())
    assert found["mean"] == pytest.approx(y.mean())


def test_no_rows_say_nothing() -> None:
    assert BinaryTally().values() == {"rows": 0}
    assert NumberTally().values() == {"rows": 0}
    assert np.isnan(MeanTally().mean)


@given(st.integers(0, 10_000), st.integers(1, 80))
def test_group_measures_are_those_of_each_group(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    groups = number(chance.integers(0, 9, count))
    scores = np.round(chance.normal(size=count), 1)
    labels = (chance.random(count) < 0.4).astype(np.float64)
    found = grouped_auc(groups, scores, labels)
    gains = grouped_ndcg(groups, chance.normal(size=count), labels, 5)
    for group in range(groups.max() + 1):
        own = groups == group
        if 0 < labels[own].sum() < own.sum():
            assert found[group] == pytest.approx(roc_auc_score(labels[own], scores[own]))
        else:
            assert np.isnan(found[group])
        assert np.isnan(gains[group]) == (labels[own].sum() == 0)


def test_ndcg_is_that_of_an_oracle() -> None:
    chance = np.random.default_rng(3)
    groups = np.repeat(np.arange(50), 12)
    scores, gains = chance.normal(size=600), chance.integers(0, 3, 600).astype(np.float64)
    found = grouped_ndcg(groups, scores, gains, 5)
    for group in range(50):
        own = groups == group
        expected = ndcg_score(gains[own][None], scores[own][None], k=5)
        assert found[group] == pytest.approx(expected)
