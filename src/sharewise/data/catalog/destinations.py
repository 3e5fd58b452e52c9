"""The flights again, in the disjoint shape: every destination is a task, described by its place."""

from __future__ import annotations

import polars as pl
import torch

from sharewise.data.catalog import flights
from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.splits import ColumnSplit
from sharewise.errors import ConfigError, nearest
from sharewise.streams import stream
from sharewise.tasks import Task

DESCRIPTOR = ("dest_lat", "dest_lon", "dest_alt", "dest_distance", "dest_tz")
VALID, TEST = pl.date(2013, 10, 1), pl.date(2013, 11, 1)
RARE = 500


def load(label: str = "late_arrival", held_out: int = 0, seed: int = 0, fold: int = 0) -> CatalogEntry:
    """The flights with each of 105 destinations as a task, described by place, distance and time zone.

    Args:
        label: which of the tasks of `flights` is learnt for every destination.
        held_out: how many destinations are kept out whole: no row of them is trained or validated on, and the
            test rows are theirs alone. With 0, all destinations are in every split. Destinations
            with fewer than 500 flights are never held out, as their test rows would be few.
        seed: draws the order in which destinations are held out.
        fold: which of the disjoint groups of `held_out` destinations in that order.

    Splits are by time as in `flights`, so held-out destinations are tested on days never seen in training.
    """
    task = find_task(label)
    table = frame()
    if held_out:
        table = _hold_out(table, held_out, seed, fold)
    return CatalogEntry(
        name="flights-by-destination",
        frame=table,
        tasks=(task,),
        description=(
            f"The flights of 2013 from New York City, a task a destination: {task.text}. "
            + (f"{held_out} destinations are held out whole." if held_out else "")
        ).strip(),
        source=flights.SOURCE,
        licence=flights.LICENCE,
        split=ColumnSplit("split"),
        features=flights.features(without=("dest", "distance", *flights.DESTINATION)),
        cluster="date",
        task_column="dest",
        descriptor_columns=DESCRIPTOR,
    )


def find_task(label: str) -> Task:
    """Return one of the flights' tasks.

    Raises:
        ConfigError: if there is none of that name.
    """
    tasks = {task.name: task for task in flights.TASKS}
    if label not in tasks:
        raise ConfigError(f"The flights have no task '{label}'.", nearest(label, tuple(tasks)))
    return tasks[label]


def frame() -> pl.LazyFrame:
    """Return the flights with each destination's mean distance, and splits by time as in `flights`."""
    return flights.frame().with_columns(
        pl.col("distance").mean().over("dest").round(1).alias("dest_distance"), _split()
    )


def _split() -> pl.Expr:
    date = pl.col("date")
    late = pl.when(date < TEST).then(pl.lit("valid")).otherwise(pl.lit("test"))
    return pl.when(date < VALID).then(pl.lit("train")).otherwise(late).alias("split")


def _hold_out(table: pl.LazyFrame, count: int, seed: int, fold: int) -> pl.LazyFrame:
    """Test on the held-out destinations alone, train and validate on the others alone."""
    chosen = pl.col("dest").is_in(held_out(table, count, seed, fold)[:count])
    return table.filter(chosen == (pl.col("split") == "test"))


def held_out(table: pl.LazyFrame, count: int, seed: int, fold: int) -> list[str]:
    """Return the frequent destinations in an order in which the first `count` are those of the fold.

    Raises:
        ConfigError: if there are not so many, or no such fold.
    """
    frequent = (
        table.group_by("dest").len().filter(pl.col("len") >= RARE).select("dest").sort("dest").collect()
    )["dest"].to_list()
    if not 0 < count < len(frequent):
        raise ConfigError(
            f"{count} destinations cannot be held out of {len(frequent)} with at least {RARE} flights.",
            f"Hold out between 1 and {len(frequent) - 1}.",
        )
    folds = len(frequent) // count
    if not 0 <= fold < folds:
        raise ConfigError(f"There is no fold {fold} of {count} destinations.", f"Use 0 to {folds - 1}.")
    order = torch.randperm(len(frequent), generator=stream(seed, "held-out destinations")).tolist()
    order = order[fold * count :] + order[: fold * count]
    return [frequent[i] for i in order]
