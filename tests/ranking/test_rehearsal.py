"""A rehearsed experiment: every hour is served, logged, learnt from, looked at, and the same again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sharewise.errors import ConfigError
from sharewise.ranking.experiment import arm_of
from sharewise.ranking.options import StreamOptions
from sharewise.ranking.plan import MODEL, RankPlan
from sharewise.ranking.rehearsal import Rehearsal, RehearsalOptions
from sharewise.ranking.world import World, WorldOptions
from sharewise.ranking.world.frames import Asking
from sharewise.ranking.world.slates import EXPLORE, SOURCES, Asked, Slates, slates_of
from sharewise.train import Run

WORLD = WorldOptions(users=150, videos=80, requests_per_hour=30)
OPTIONS = RehearsalOptions(before=2, hours=3, learn=2, candidates=30)
MMOE = RankPlan(model=replace(MODEL, experts=2), train=StreamOptions(device="cpu", batch_size=128))
BOTTOM = replace(MMOE, model=replace(MMOE.model, sharing="shared_bottom"))


def rehearse(folder: Path) -> Rehearsal:
    run = Rehearsal(WORLD, {"bottom": BOTTOM, "mmoe": MMOE}, folder, OPTIONS, {"fewest": 2})
    looks = list(run.run())
    assert [look.time for look in looks] == [f"2026-01-01T0{hour}" for hour in (2, 3, 4)]
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    return rehearse(tmp_path_factory.mktemp("rehearsal") / "run")


def test_every_list_is_of_its_users_arm_and_in_the_log(run: Rehearsal) -> None:
    log = pl.read_parquet(run.folder / "log" / "2026-01-01T0[234].parquet")
    for user, arms in log.select("user", "arms").unique().iter_rows():
        assert arms == f"rehearsal={arm_of(run.plan, user)}"
    assert log["served_by"].n_unique() == 4  # two arms, before and after learning
    assert log.group_by("request").len()["len"].max() <= WORLD.slate
    assert log["time"].is_sorted()
    assert {"co_watched", "two_tower"} & set(log["source"])
    assert run.service is not None
    last = run.service.watching.looks("rehearsal")[-1]
    assert sum(last.users.values()) == log["user"].n_unique()


def test_rankers_learn_from_what_was_served(run: Rehearsal) -> None:
    history = Run.open(run.folder / "models" / "mmoe").history()
    # What came after the last turn is still to be learnt.
    assert [one["partition"][:13] for one in history] == [f"2026-01-01T0{hour}" for hour in range(4)]
    assert (run.folder / "models" / "candidates" / "manifest.json").exists()


def test_features_follow_the_platform(run: Rehearsal) -> None:
    log = pl.read_parquet(run.folder / "log" / "2026-01-01T04.parquet")
    counted = dict(zip(run.world.videos.number.tolist(), run.world.videos.age(4).tolist(), strict=True))
    here = log.filter(pl.col("item").is_in(list(counted)))
    assert len(here)
    assert here["item_hours"].to_list() == [int(counted[item]) for item in here["item"].to_list()]


def test_the_same_again(run: Rehearsal, tmp_path: Path) -> None:
    again = rehearse(tmp_path / "again")
    for hour in range(5):
        name = f"2026-01-01T0{hour}.parquet"
        one, two = (pl.read_parquet(own.folder / "log" / name) for own in (run, again))
        assert one.drop("served_by", strict=False).equals(two.drop("served_by", strict=False))


@pytest.mark.parametrize("change", [{"before": 0}, {"hours": 0}, {"learn": 0}, {"candidates": 0}])
def test_options_that_cannot_be_used(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        RehearsalOptions(**change)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(ConfigError, match="not empty"):
        Rehearsal(WORLD, {"a": BOTTOM, "b": MMOE}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_world_shows_the_lists_that_it_is_given() -> None:
    world = World(replace(WORLD, hours=2))
    world.step()
    given: list[np.ndarray] = []

    def lists(rng: np.random.Generator, asking: Asking) -> Slates:
        count = len(asking.requests.user)
        numbers = np.tile(world.videos.number[-WORLD.slate :], (count, 1))
        numbers[:, 0] = -1  # nothing
        numbers[:, 1] = 10**9  # gone
        numbers[:, 3] = numbers[:, 2]  # twice
        given.append(numbers.copy())
        sources = np.zeros_like(numbers)
        return slates_of(rng, numbers, sources, ("mine",), Asked(asking.requests, world.videos))

    hour = world.step(lists=lists)
    assert hour.log is not None
    shown = hour.log["item"].to_numpy().reshape(-1, WORLD.slate)
    sources = hour.log["source"].to_numpy().reshape(-1, WORLD.slate)
    query = hour.log["query"].fill_null(-1).to_numpy().reshape(-1, WORLD.slate)
    own = sources == "mine"
    assert set(np.unique(sources)) == {"mine", SOURCES[EXPLORE].name}
    assert (shown[own] == given[0][own]).all()
    assert not own[:, [0, 1]].any()
    assert own[:, 4:].mean() > 0.9
    assert (shown != query).all()
    assert all(len(set(row)) == WORLD.slate for row in shown.tolist())
