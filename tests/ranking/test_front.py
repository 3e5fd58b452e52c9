"""The front: which weights no others beat, measured on lists that did not choose them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from truth_kit import Ranked

from sharewise.errors import ConfigError, DataError
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.evidence import kept_of
from sharewise.ranking.examination import examined
from sharewise.ranking.feedback import worth_of
from sharewise.ranking.front import Lists, TuneOptions, columns_of, draw_weights, front, measure
from sharewise.ranking.kept import Kept
from sharewise.ranking.tuning import tune
from sharewise.tasks.grouped import grouped_ndcg

OPTIONS = TuneOptions(draws=30)


def lists(seed: int = 0, count: int = 40, rows: int = 6, tasks: int = 3) -> Lists:
    chance = np.random.default_rng(seed)
    columns = chance.normal(size=(count * rows, tasks)) * [1.0, 0.1, 30.0][:tasks]
    gains = {"a": (chance.random(count * rows) < 0.3) * 1.0, "b": chance.exponential(size=count * rows)}
    return Lists(np.repeat(np.arange(count), rows), columns, gains)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30))
def test_the_front_is_what_nobody_beats(points: list[tuple[int, int]]) -> None:
    first, second = np.array(points, dtype=float).T
    found = front(first, second).tolist()

    def beaten(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return b[0] >= a[0] and b[1] >= a[1] and b != a

    kept = {points[at] for at in found}
    assert kept == {p for p in points if not any(beaten(p, other) for other in points)}
    assert len(kept) == len(found)
    assert [points[at] for at in found] == sorted(kept)


def test_ndcg_of_all_lists_is_the_mean_by_what_lists_have_to_give() -> None:
    whole, weights = lists(), np.array([[1.0, 0.0, 0.0], [0.2, -1.0, 0.01]])
    found = measure(whole, weights, k=3)
    for name, gains in whole.gains.items():
        for place, own in enumerate(weights):
            scores = whole.columns @ own
            each = grouped_ndcg(whole.groups, scores, gains, 3)
            best = np.sort(gains.reshape(-1, 6))[:, ::-1][:, :3] @ (1 / np.log2([2, 3, 4]))
            expected = np.nansum(each * best) / best.sum()
            assert found[name][place] == pytest.approx(expected, abs=1e-9)


def test_weights_are_drawn_evenly_whatever_the_columns_units() -> None:
    whole = lists()
    found = draw_weights(whole, np.array([1.0, 1.0, -1.0]), TuneOptions(draws=2000))
    assert found.shape == (2003, 3)
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2] <= 0).all()
    np.testing.assert_array_equal(found[:3], np.diag([1.0, 1.0, -1.0]))
    part = np.abs(found) * whole.columns.std(0)
    shares = (part / part.sum(1, keepdims=True)).mean(0)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.05)
    np.testing.assert_array_equal(found, np.round(found, 3))
    assert (draw_weights(whole, np.ones(3), OPTIONS) == draw_weights(whole, np.ones(3), OPTIONS)).all()
    other = draw_weights(whole, np.ones(3), replace(OPTIONS, seed=1))
    assert (draw_weights(whole, np.ones(3), OPTIONS) != other).any()


def test_a_product_orders_by_sums_of_logarithms() -> None:
    predicted = {"click": np.array([0.5, 0.1, 0.0]), "watch": np.array([1.0, 3.0, -2.0])}
    scores = np.exp(columns_of(predicted, "product") @ [2.0, 1.0])
    assert scores == pytest.approx([0.25, 0.03, 1e-18])
    np.testing.assert_array_equal(columns_of(predicted, "sum") @ [2.0, 1.0], [2.0, 3.2, -2.0])


def test_halves_are_the_earlier_and_the_later_lists() -> None:
    whole = lists(count=7)
    first, second = whole.halves()
    assert (first.count, second.count) == (3, 4)
    np.testing.assert_array_equal(np.concatenate([first.columns, second.columns]), whole.columns)
    assert second.groups.tolist() == np.repeat(np.arange(4), 6).tolist()


def test_feedback_is_sql_and_counts_by_the_inverse_of_examination() -> None:
    labels = {"like": np.array([1.0, np.nan, 0.0]), "rating": np.array([np.nan, 4.0, np.nan])}
    kept = Kept("a", pl.DataFrame({"item": [1, 2, 3]}), {}, labels)
    chances = np.array([0.5, 1.0, 0.1])
    assert worth_of(kept, "like", chances).tolist() == [2.0, 0.0, 0.0]
    worth = worth_of(kept, "CASE WHEN like = 1 THEN 1.0 WHEN rating >= 4 THEN 0.5 END", chances)
    assert worth.tolist() == [2.0, 0.5, 0.0]
    for wrong, word in (
        ("lkie", "like, rating"),
        ("like -", "SQL"),
        ("like - 2", "below 0"),
        ("SUM(", "SQL"),
    ):
        with pytest.raises(ConfigError, match=word):
            worth_of(kept, wrong, chances)


def test_examination_is_that_of_the_tower(ranked: Ranked) -> None:
    ranker, one = load_ranker(ranked.run), kept_of(ranked.run)[-1]
    found = examined(one, ranker, most=10.0)
    assert found.min() >= 0.1
    own = (one.frame["device"] == "phone").to_numpy()
    bias = ranker.place_bias(list(range(1, 11)), "phone")["click"]
    expected = np.exp(bias - bias.max()).clip(0.1, 1)[one.frame["position"].to_numpy() - 1]
    np.testing.assert_allclose(found[own], expected[own], rtol=1e-6)
    truth = pl.read_parquet(ranked.truth / one.partition)["examination"].to_numpy()
    assert np.corrcoef(np.log(found), np.log(truth))[0, 1] > 0.5
    unseen = replace(one, frame=one.frame.with_columns(device=pl.lit("watch")))
    assert examined(unseen, ranker, 10.0).tolist() == [1.0] * len(one)
    without = replace(one, frame=one.frame.drop("position"))
    assert examined(without, ranker, 10.0).tolist() == [1.0] * len(one)


def test_the_front_of_a_run(ranked: Ranked) -> None:
    ranker, kept = load_ranker(ranked.run), kept_of(ranked.run)
    found = tune(kept, ranker, OPTIONS, ranked.truth)
    assert found == tune(kept, ranker, OPTIONS, ranked.truth)
    assert found["worth"] == {"engagement": "EXP(watch) - 1", "satisfaction": "like"}
    assert found["lists"] == sum(one.frame["request"].n_unique() for one in kept)
    count = 1 + len(ranker.plan.tasks) + OPTIONS.draws
    for part in ("logged", "truth"):
        for side in ("engagement", "satisfaction"):
            values = np.array(found[part][side])
            assert values.shape == (count,)
            assert ((values > 0) & (values <= 1)).all()
    assert found["even"] in found["front"]
    assert {str(at) for at in found["front"]} <= set(found["weights"])
    assert found["weights"]["0"] == ranker.plan.blend.weights
    assert found["weights"][str(found["named"]["dismiss"])]["dismiss"] == -1.0
    assert found["truth"]["rank_correlation"]["engagement"] > 0.5
    # Feedback does not depend on whether there is a truth.
    assert {key: value for key, value in found.items() if key != "truth"} == tune(kept, ranker, OPTIONS)


def test_what_cannot_be_tuned_says_why(ranked: Ranked) -> None:
    ranker, kept = load_ranker(ranked.run), kept_of(ranked.run)
    with pytest.raises(DataError, match="keep"):
        tune([], ranker, OPTIONS)
    with pytest.raises(ConfigError, match="draws"):
        TuneOptions(draws=0)
    with pytest.raises(ConfigError, match="click, like"):
        tune(kept, ranker, TuneOptions(draws=1, engagement="clcik"))
    first = kept[0].frame["request"][0]
    rows = (kept[0].frame["request"] == first).to_numpy()
    one = Kept(
        "a",
        kept[0].frame.filter(pl.Series(rows)),
        {name: values[rows] for name, values in kept[0].predicted.items()},
        {name: values[rows] for name, values in kept[0].labels.items()},
    )
    with pytest.raises(DataError, match="one list"):
        tune([one], ranker, OPTIONS)


def test_lists_are_thinned_evenly(ranked: Ranked) -> None:
    ranker, kept = load_ranker(ranked.run), kept_of(ranked.run)
    found = tune(kept, ranker, replace(OPTIONS, lists=100))
    assert 50 <= found["lists"] <= 100


def test_folders_are_not_written_to(ranked: Ranked) -> None:
    before = {path: path.read_bytes() for path in Path(ranked.run).rglob("*") if path.is_file()}
    tune(kept_of(ranked.run), load_ranker(ranked.run), OPTIONS, ranked.truth)
    assert {path: path.read_bytes() for path in Path(ranked.run).rglob("*") if path.is_file()} == before
