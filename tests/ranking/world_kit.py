"""A small world that has run for some hours, with what nobody is told beside its log and truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from sharewise.ranking.world import World, WorldOptions

SMALL = WorldOptions(
    users=2_000, videos=600, hours=5, requests_per_hour=3_000, user_turnover=0.02, video_turnover=0.03
)
TINY = WorldOptions(users=100, videos=80, topics=5, hours=3, requests_per_hour=40, slate=6)


class Lived(NamedTuple):
    """A world at its end, and all its hours together; `hidden` has clickbait and quality a row."""

    world: World
    log: pl.DataFrame
    truth: pl.DataFrame
    hidden: pl.DataFrame


def live(options: WorldOptions) -> Lived:
    """Let a world run to its end."""
    world, logs, truths, hidden = World(options), [], [], []
    for number, hour in enumerate(world.hours()):
        assert hour.log is not None
        assert hour.truth is not None
        slots = world.videos.slot(hour.log["item"].to_numpy())
        logs.append(hour.log)
        truths.append(hour.truth)
        hidden.append(
            pl.DataFrame(
                {
                    "hour": np.full(len(slots), number),
                    "clickbait": world.videos.clickbait[slots],
                    "quality": world.videos.quality[slots],
                }
            )
        )
    return Lived(world, pl.concat(logs), pl.concat(truths), pl.concat(hidden))
