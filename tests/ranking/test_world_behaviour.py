"""What users do follows from the truth: rates, position bias, the conflict of clickbait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from world_kit import SMALL, Lived, live

from sharewise.ranking.world import WorldOptions
from sharewise.ranking.world.behaviour import EFFECTS
from sharewise.ranking.world.devices import DEVICES, examination


def distance(realised: pl.Series, expected: pl.Series) -> float:
    """Return how many standard errors the mean of what happened is from that of what was expected."""
    gap = (realised.cast(pl.Float64) - expected.cast(pl.Float64)).to_numpy()
    return float(abs(gap.mean()) / (gap.std() / np.sqrt(len(gap))))


def test_expected_values_are_the_means_of_what_happens(lived: Lived) -> None:
    log, truth = lived.log, lived.truth
    seen, clicked, rated = truth["examination"], log["clicked"], log["rating"].is_not_null()
    assert distance(clicked, seen * truth["click"]) < 4
    assert distance(log["dismissed"], seen * truth["dismiss"]) < 4
    assert distance(log["watched"].fill_null(0), seen * truth["engagement"]) < 4
    assert distance(log["liked"].filter(clicked), truth["like"].filter(clicked)) < 4
    assert distance(log["rating"].filter(rated), truth["satisfaction"].filter(rated)) < 4


@pytest.mark.parametrize("column", ["click", "engagement", "satisfaction", "like", "dismiss"])
def test_expected_values_hold_where_they_are_high_and_where_they_are_low(lived: Lived, column: str) -> None:
    happened = {"click": "clicked", "engagement": "watched", "satisfaction": "rating", "like": "liked"}
    after = {"satisfaction": pl.col("rating").is_not_null(), "like": pl.col("clicked")}.get(column)
    table = pl.concat([lived.log, lived.truth.drop("request", "item", "position")], how="horizontal")
    table = table if after is None else table.filter(after)
    expected = table[column] * (table["examination"] if after is None else 1)
    realised = table[happened.get(column, "dismissed")].cast(pl.Float64).fill_null(0)
    high = expected > expected.median()
    for half in (high, ~high):
        assert distance(realised.filter(half), expected.filter(half)) < 4


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_position_bias_is_in_the_log(lived: Lived, device: object) -> None:
    number = DEVICES.index(device)  # type: ignore[arg-type]
    there = lived.log["device"] == DEVICES[number].name
    table = pl.DataFrame(
        {
            "position": lived.log["position"].filter(there),
            "clicked": lived.log["clicked"].filter(there),
            "click": lived.truth["click"].filter(there),
        }
    )
    sums = table.group_by("position").agg(pl.all().sum(), rows=pl.len()).sort("position")
    found = (sums["clicked"] / sums["click"]).to_numpy()
    true = examination(SMALL.slate)[number]
    error = np.sqrt(sums["clicked"].to_numpy() + 1) / sums["click"].to_numpy()
    assert (np.abs(found - true) < 4 * error).all()
    assert np.corrcoef(found, true)[0, 1] > 0.97


def test_examination_falls_from_one_differently_by_device() -> None:
    curves = examination(20)
    assert (curves[:, 0] == 1).all()
    assert (np.diff(curves, axis=1) < 0).all()
    assert len({tuple(curve) for curve in curves}) == len(DEVICES)
    assert sum(device.share for device in DEVICES) == pytest.approx(1)


def test_better_items_stand_higher(lived: Lived) -> None:
    by_place = lived.truth.group_by("position").agg(pl.col("click").mean()).sort("position")["click"]
    assert by_place[0] > 1.3 * by_place[-1]


def test_random_lists_have_no_such_order() -> None:
    truth = live(replace(SMALL, hours=2, exploration=1.0)).truth
    by_place = truth.group_by("position").agg(pl.col("click").mean())["click"]
    assert float(by_place.max()) < 1.05 * float(by_place.min())  # type: ignore[arg-type]


def test_clickbait_draws_clicks_and_loses_satisfaction(lived: Lived) -> None:
    table = pl.concat([lived.truth, lived.hidden, lived.log.select("clicked", "rating")], how="horizontal")
    bait, plain = (table.filter(pl.col("clickbait") > 0.5), table.filter(pl.col("clickbait") < 0.1))

    def mean(frame: pl.DataFrame, column: str) -> float:
        return float(frame[column].cast(pl.Float64).drop_nulls().mean())  # type: ignore[arg-type]

    for column in ("click", "clicked", "dismiss"):
        assert mean(bait, column) > 1.5 * mean(plain, column)
    for column in ("satisfaction", "rating"):
        assert mean(bait, column) < mean(plain, column) - 0.7
    assert mean(bait, "like") < 0.6 * mean(plain, "like")


def test_the_conflict_can_be_taken_away() -> None:
    assert (live(replace(SMALL, hours=1, clickbait=0.0)).hidden["clickbait"] == 0).all()


def test_clickbait_works_on_clicks_alone_of_the_good_scores() -> None:
    assert EFFECTS["click"].clickbait > 0
    assert EFFECTS["watch"].clickbait < 0
    assert EFFECTS["satisfaction"].clickbait < 0


def test_rates_are_those_of_a_platform(lived: Lived) -> None:
    log = lived.log
    clicked = log["clicked"].mean()
    rated = log["rating"].is_not_null().mean()
    dismissed = log["dismissed"].mean()
    assert 0.05 < float(clicked) < 0.2  # type: ignore[arg-type]
    assert 0.005 < float(rated) < 0.02  # type: ignore[arg-type]
    assert 0.003 < float(dismissed) < 0.05  # type: ignore[arg-type]
    assert log["rating"].drop_nulls().is_in([1.0, 2.0, 3.0, 4.0, 5.0]).all()
    watched = log["watched"].drop_nulls()
    assert float(watched.max()) > 10 * float(watched.median())  # type: ignore[arg-type]
    assert (log["watched"].fill_null(0) <= log["item_seconds"].cast(pl.Float64)).all()


def test_without_surveys_there_are_no_ratings() -> None:
    options = WorldOptions(users=50, videos=50, requests_per_hour=50, hours=1, survey=0.0)
    assert live(options).log["rating"].null_count() == 500
