"""Orders against the truth: what they are worth, by hand and by oracles, and whose truth it is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score
from truth_kit import PLAN, Ranked

from sharewise.errors import DataError
from sharewise.ranking.evidence import kept_of
from sharewise.ranking.options import BlendOptions
from sharewise.ranking.orders import against_truth, orders
from sharewise.ranking.truth import GAINS, OUTCOMES, TruthMeasures, gains_of, read_truth

LISTS, ROWS = 12, 5


def world(seed: int, lists: int = LISTS) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Return a truth, its lists, and scores."""
    chance = np.random.default_rng(seed)
    rows = lists * ROWS
    position = chance.permuted(np.tile(np.arange(1, ROWS + 1), (lists, 1)), axis=1).ravel()
    truth = pl.DataFrame(
        {
            "position": position,
            "examination": 1 / position,
            "click": chance.random(rows),
            "engagement": chance.exponential(size=rows),
            "satisfaction": 1 + 4 * chance.random(rows),
            "dismiss": 0.1 * chance.random(rows),
        }
    )
    return truth, np.repeat(np.arange(lists), ROWS), chance.normal(size=rows)


def test_ndcg_is_that_of_the_oracle() -> None:
    truth, groups, scores = world(0)
    measures = TruthMeasures(k=3)
    measures.see(truth, groups, {"mine": scores})
    found = measures.record()["orders"]["mine"]["ndcg"]
    for name, gains in gains_of(truth, groups).items():
        table = gains.reshape(LISTS, ROWS), scores.reshape(LISTS, ROWS)
        assert found[name] == pytest.approx(ndcg_score(*table, k=3), abs=1e-6)


def test_the_best_order_is_perfect_and_the_mixture_lies_between() -> None:
    truth, groups, _ = world(1)
    gains = gains_of(truth, groups)
    measures = TruthMeasures(k=ROWS)
    measures.see(truth, groups, gains)
    found = measures.record()["orders"]
    for name in GAINS:
        assert found[name]["ndcg"][name] == pytest.approx(1)
    for side in ("engagement", "satisfaction"):
        other = {"engagement": "satisfaction", "satisfaction": "engagement"}[side]
        assert found[other]["ndcg"][side] < found["mixture"]["ndcg"][side] < 1
    assert gains["mixture"].reshape(LISTS, ROWS).sum(1) == pytest.approx(np.ones(LISTS))


def test_what_an_order_brings_by_hand() -> None:
    truth = pl.DataFrame(
        {
            "position": [2, 1],
            "examination": [0.5, 1.0],
            "click": [0.4, 0.1],
            "engagement": [8.0, 2.0],
            "satisfaction": [2.0, 5.0],
            "dismiss": [0.02, 0.0],
        }
    )
    measures = TruthMeasures(k=2)
    scores = {"first": np.array([2.0, 1.0]), "shown": -truth["position"].to_numpy().astype(float)}
    measures.see(truth, np.zeros(2, dtype=np.int64), scores)
    found = measures.record()["orders"]
    assert found["first"]["brings"] == pytest.approx(
        {"clicks": 0.45, "seconds": 9.0, "dismissals": 0.02, "rating": (0.4 * 2 + 0.05 * 5) / 0.45}
    )
    assert found["shown"]["brings"] == pytest.approx(
        {"clicks": 0.3, "seconds": 6.0, "dismissals": 0.01, "rating": (0.2 * 2 + 0.1 * 5) / 0.3}
    )


@given(st.integers(0, 1000), st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_parts_add_up_to_the_whole(seed: int, parts: list[int]) -> None:
    whole, merged = TruthMeasures(k=3), TruthMeasures(k=3)
    frames = [world(seed + place, lists) for place, lists in enumerate(parts)]
    for truth, groups, scores in frames:
        one = TruthMeasures(k=3)
        one.see(truth, groups, {"a": scores})
        merged.merge(one)
    starts = np.cumsum([0, *parts])
    whole.see(
        pl.concat([truth for truth, _, _ in frames]),
        np.concatenate([groups + start for (_, groups, _), start in zip(frames, starts, strict=False)]),
        {"a": np.concatenate([scores for _, _, scores in frames])},
    )
    assert merged.lists == whole.lists == sum(parts)
    for part in ("ndcg", "brings"):
        found = [one.record()["orders"].get("a", {}).get(part, {}) for one in (merged, whole)]
        assert found[0] == pytest.approx(found[1], abs=1e-8)


def test_nothing_that_trains_or_serves_can_read_a_truth() -> None:
    code = (
        "import sys; import sharewise.ranking.fit, sharewise.ranking.artifact; "
        "sys.exit('sharewise.ranking.truth' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_against_its_world(ranked: Ranked) -> None:
    found = against_truth(kept_of(ranked.run), ranked.truth, PLAN)
    own = found["orders"]
    assert found["lists"] == sum(one.frame["request"].n_unique() for one in kept_of(ranked.run))
    assert len(found["over_time"]) == 4
    for side in ("engagement", "satisfaction", "mixture"):
        assert own[f"best {side}"]["ndcg"][side] == pytest.approx(1)
        assert own["random"]["ndcg"][side] < own["score"]["ndcg"][side] < 1
    assert own["as shown"]["ndcg"]["click"] > own["random"]["ndcg"]["click"]
    assert set(own["score"]["brings"]) == set(OUTCOMES)


def test_objectives_against_the_others_count_downwards(ranked: Ranked) -> None:
    one = kept_of(ranked.run)[0]
    np.testing.assert_array_equal(orders(one, PLAN)["dismiss"], -one.predicted["dismiss"])
    np.testing.assert_array_equal(orders(one, PLAN)["like"], one.predicted["like"])
    upwards = replace(PLAN, blend=BlendOptions("product", {"dismiss": 1.0}))
    np.testing.assert_array_equal(orders(one, upwards)["dismiss"], one.predicted["dismiss"])


def test_what_is_no_truth_of_the_log_is_refused(ranked: Ranked, tmp_path: Path) -> None:
    one = kept_of(ranked.run)[0]
    with pytest.raises(DataError, match="no truth"):
        read_truth(tmp_path, one.partition, one.frame)
    (tmp_path / one.partition).write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="is no truth"):
        read_truth(tmp_path, one.partition, one.frame)
    truth = pl.read_parquet(ranked.truth / one.partition)
    truth.with_columns(item=pl.col("item") + 1).write_parquet(tmp_path / one.partition)
    with pytest.raises(DataError, match="other rows"):
        read_truth(tmp_path, one.partition, one.frame)
    truth.head(-1).write_parquet(tmp_path / one.partition)
    with pytest.raises(DataError, match="other rows"):
        read_truth(tmp_path, one.partition, one.frame)
    with pytest.raises(DataError, match="kept no predictions"):
        against_truth([], ranked.truth, PLAN)
