"""A small world in a folder, and a ranker's run on its log."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from sharewise.nn import ModelOptions
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.options import BiasOptions, MeasureOptions, StreamOptions
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.world import WorldOptions, write_world

WORLD = WorldOptions(users=400, videos=150, topics=5, hours=6, requests_per_hour=400, video_turnover=0.02)
PLAN = RankPlan(
    model=ModelOptions(sharing="mmoe", hidden=(8,), tower=(4,), experts=2, embedding=4, encoder_hidden=(8,)),
    bias=BiasOptions(rate=3.0),
    measure=MeasureOptions(keep=4),
    train=StreamOptions(batch_size=128, learning_rate=1e-2, device="cpu"),
)


class Ranked(NamedTuple):
    """Where a world and a run on its log lie."""

    world: Path
    run: Path

    @property
    def truth(self) -> Path:
        return self.world / "truth"


def rank_world(folder: Path, plan: RankPlan = PLAN) -> Ranked:
    """Simulate a world and train a ranker on its log."""
    write_world(WORLD, folder / "world")
    fit_stream(folder / "world" / "log", plan, folder=folder / "run")
    return Ranked(folder / "world", folder / "run")
