"""`sharewise rank simulate`: a configuration, or none, becomes a platform's log in a folder."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sharewise.config.world import WorldConfig, load_world_config
from sharewise.ranking.world import Hour, Tally, WorldOptions, write_world
from sharewise.ranking.world.folder import LOG, TRUTH, check_world_folder


def run_rank_simulate(config: Path | None, out: Path) -> None:
    """Simulate the world that a configuration describes into `out`, and say what came of it."""
    options = (WorldConfig() if config is None else load_world_config(config)).world
    check_world_folder(options, out)
    began = time.perf_counter()
    tally = _with_bar(options, out)
    show_world(Console(), options, tally, out, time.perf_counter() - began)


def show_world(console: Console, options: WorldOptions, tally: Tally, out: Path, seconds: float) -> None:
    """Print how much there is, and how users behaved."""
    count, clicks, ratings = tally.impressions, tally.clicks, tally.ratings
    watched, rated = tally.watched / max(clicks, 1), tally.rated / max(ratings, 1)
    for text in (
        f"{count:,} impressions in {options.hours:,} hours, {count / seconds:,.0f} impressions/s",
        f"click rate {clicks / count:.2%}, {watched:,.0f} s watched a click, "
        f"satisfaction {rated:.2f} of 5 where rated ({ratings / count:.2%})",
        f"The log is in {out / LOG}, the truth that no ranker may read in {out / TRUTH}",
    ):
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _with_bar(options: WorldOptions, out: Path) -> Tally:
    bar = Progress(
        TextColumn("simulating"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed}/{task.total} hours"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task("simulating", total=options.hours)

        def heard(hour: Hour) -> None:
            bar.advance(task)

        return write_world(options, out, heard)
