"""The log is what a platform would have: its columns, nulls, ids and counters, and nothing hidden."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from world_kit import SMALL, Lived, live

from sharewise.ranking.log import COLUMNS, SERVED
from sharewise.ranking.world import World, WorldOptions
from sharewise.ranking.world.frames import FEATURES, TRUTH
from sharewise.ranking.world.slates import SOURCES


def test_columns_and_types_are_as_said(lived: Lived) -> None:
    known = {name: kind for name, (kind, _) in {**COLUMNS, **FEATURES}.items()}
    assert lived.log.schema == {name: kind for name, kind in known.items() if name not in SERVED}
    assert lived.truth.schema == {name: kind for name, (kind, _) in TRUTH.items()}


def test_rows_of_log_and_truth_are_the_same(lived: Lived) -> None:
    keys = ["request", "item", "position"]
    assert lived.log.select(keys).equals(lived.truth.select(keys))


def test_nothing_hidden_is_in_the_log(lived: Lived) -> None:
    hidden = {"clickbait", "quality", "taste", "relevance", "examined", "examination", *TRUTH} - set(COLUMNS)
    assert not hidden & set(lived.log.columns)
    numbers = lived.log.select(pl.selectors.numeric().cast(pl.Float64).fill_null(-1))
    for name in ("clickbait", "quality"):
        values = lived.hidden[name].to_numpy()
        found = [abs(np.corrcoef(values, numbers[column].to_numpy())[0, 1]) for column in numbers.columns]
        assert max(found) < 0.8


def test_nulls_follow_the_rules(lived: Lived) -> None:
    log = lived.log
    assert (log["watched"].is_null() == ~log["clicked"]).all()
    assert not (log["rating"].is_not_null() & ~log["clicked"]).any()
    assert not (log["liked"] & ~log["clicked"]).any()
    assert (log["query"].is_null() == log["query_topic"].is_null()).all()
    allowed = {"query", "query_topic", "watched", "rating"}
    assert {name for name in log.columns if log[name].null_count()} == allowed


def test_lists_are_whole_and_in_the_order_of_time(lived: Lived) -> None:
    log = lived.log
    assert log["time"].is_sorted()
    assert log["request"].to_list() == np.repeat(np.arange(len(log) // 10), 10).tolist()
    lists = log.group_by("request").agg(
        pl.col("item").n_unique(),
        pl.col("position"),
        pl.col("user", "device", "time").n_unique(),
        asked=(pl.col("item") == pl.col("query")).any(),
    )
    assert (lists["item"] == 10).all()
    assert (lists["position"] == pl.Series([list(range(1, 11))])).all()
    assert all((lists[name] == 1).all() for name in ("user", "device", "time"))
    assert not lists["asked"].fill_null(False).any()
    assert set(log["source"]) == {source.name for source in SOURCES}


def test_co_topic_items_are_of_the_querys_topic(lived: Lived) -> None:
    found = lived.log.filter(pl.col("query").is_not_null(), source="co_topic")
    assert (found["item_topic"] == found["query_topic"]).mean() > 0.99  # type: ignore[operator]


def test_new_users_and_videos_come_and_old_ones_go(lived: Lived) -> None:
    by_hour = lived.log.with_columns(lived.hidden["hour"]).group_by("hour").agg(pl.all().max()).sort("hour")
    assert by_hour["item"].to_list() == [599 + 18 * hour for hour in range(5)]
    assert by_hour["user"][0] < 2_000 < by_hour["user"][-1]
    fresh = lived.log.filter(pl.col("item") >= 600)
    assert fresh["item_hours"].min() == 0
    last = lived.log.filter(lived.hidden["hour"] == 4)
    assert last["item"].min() >= 18 * 4  # type: ignore[operator]
    users = lived.world.users.number
    assert len(np.unique(users)) == len(users)
    young = lived.log.filter(pl.col("user") >= 2_000)
    assert young["user_hours"].max() <= 4  # type: ignore[operator]
    assert (young["user_clicks"] <= young["user_impressions"]).all()


def test_counters_are_those_of_the_past(lived: Lived) -> None:
    log = lived.log.with_columns(lived.hidden["hour"])
    for hour in range(1, 5):
        now, past = log.filter(hour=hour), log.filter(pl.col("hour") < hour)
        clicks = past.group_by("user").agg(clicks=pl.col("clicked").sum(), shown=pl.len())
        joined = now.join(clicks, on="user", how="left").fill_null(0)
        assert (joined["user_clicks"] == joined["clicks"]).all()
        assert (joined["user_impressions"] == joined["shown"]).all()
        topics = past.group_by("user", "item_topic").agg(known=pl.col("clicked").sum())
        joined = now.join(topics, on=["user", "item_topic"], how="left").fill_null(0)
        assert (joined["user_topic_clicks"] == joined["known"]).all()
        faded = past.with_columns(kept=0.9 ** (hour - 1 - pl.col("hour")))
        likes = faded.group_by("item").agg(likes=(pl.col("liked") * pl.col("kept")).sum())
        joined = now.join(likes, on="item", how="left").fill_null(0)
        assert np.allclose(joined["item_likes"], joined["likes"], atol=1e-3)


def test_there_is_something_to_learn_from(lived: Lived) -> None:
    """What is in the log tells good from bad: topics clicked before, and the item's click rate of late."""
    late = lived.log.with_columns(click=lived.truth["click"]).filter(lived.hidden["hour"] == 4)
    rate = ((late["item_clicks"] + 1) / (late["item_impressions"] + 20)).to_numpy()
    topic = ((late["user_topic_clicks"] + 0.3) / (late["user_clicks"] + 6)).to_numpy()
    for signal in (rate, topic):
        assert np.corrcoef(signal, late["click"].to_numpy())[0, 1] > 0.2


def test_more_ask_in_the_evening_than_in_the_morning() -> None:
    options = WorldOptions(users=50, videos=50, requests_per_hour=40, hours=24)
    counts = live(options).log.group_by(pl.col("time").dt.hour()).len().sort("time")["len"].to_list()
    assert counts[18] == 3 * counts[6]
    assert sum(counts) == 24 * 400


@pytest.mark.parametrize(
    "options",
    [
        WorldOptions(users=1, videos=4, topics=2, slate=1, requests_per_hour=1, hours=3),
        WorldOptions(users=3, videos=40, topics=30, requests_per_hour=5, hours=3),
        WorldOptions(
            users=20, videos=60, user_turnover=1.0, video_turnover=1.0, hours=3, requests_per_hour=9
        ),
        WorldOptions(
            users=20, videos=60, user_turnover=0.0, video_turnover=0.0, hours=3, requests_per_hour=9
        ),
        WorldOptions(users=20, videos=1_024, slate=256, hours=2, requests_per_hour=9),
        WorldOptions(
            users=20, videos=60, noise=0.0, exploration=0.0, drift=1.0, hours=2, requests_per_hour=9
        ),
    ],
)
def test_small_and_strange_worlds_run(options: WorldOptions) -> None:
    log = live(options).log
    assert len(log) % options.slate == 0
    assert log.group_by("request").agg(pl.col("item").n_unique())["item"].min() == options.slate


def test_memory_is_that_of_the_slots() -> None:
    world = World(SMALL)
    shapes = {name: value.shape for name, value in vars(world.users).items() if isinstance(value, np.ndarray)}
    for _ in range(3):
        world.step(frames=False)
    after = {name: value.shape for name, value in vars(world.users).items() if isinstance(value, np.ndarray)}
    assert shapes == after
    assert len(world.videos.number) == SMALL.videos
