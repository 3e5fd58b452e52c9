"""Flights by destination: a new airport, and a few flights that went there.

Time-honest in three ways. Inputs are what was known before the flight (see `sharewise.data.catalog.flights`).
Training destinations are seen until September alone, those to choose by in October, those to test by in
November and December: nothing that is learned from lies after what is judged. And the support's flights are
before the query's in time.
"""

from __future__ import annotations

import polars as pl

from sharewise.data.catalog import destinations, flights
from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.episode_set import EpisodeSet
from sharewise.data.episodes.table import read_tasks
from sharewise.data.schema import Features
from sharewise.data.splits import ColumnSplit
from sharewise.errors import ConfigError


def load(
    label: str = "late_arrival",
    test: int = 20,
    valid: int = 10,
    seed: int = 0,
    fold: int = 0,
    ordered: bool = True,
) -> EpisodeSet:
    """The flights from New York City in 2013, a task a destination, tested on destinations never seen.

    Args:
        label: which of the tasks of `flights` is learnt for every destination.
        test: destinations to test by, of those with at least 500 flights.
        valid: destinations to choose by, of the others of these.
        seed: draws the order in which destinations are held out.
        fold: which of the disjoint groups of `test` destinations in that order.
        ordered: the support's flights are scheduled before the query's; otherwise all are drawn alike.
    """
    task = destinations.find_task(label)
    table = destinations.frame()
    order = destinations.held_out(table, test, seed, fold)
    if not 1 <= valid < len(order) - test:
        raise ConfigError(
            f"{valid} destinations cannot be kept to choose by: {test} of {len(order)} are to test by.",
            f"Keep between 1 and {len(order) - test - 1}.",
        )
    found = read_tasks(
        _apart(table, order[:test], order[test : test + valid]),
        task,
        "dest",
        split=ColumnSplit("split"),
        features=_features(),
        order="scheduled" if ordered else None,
    )
    return EpisodeSet(
        name="flights-by-destination",
        train=found.train,
        valid=found.valid,
        test=found.test,
        condition=Condition(shots=20, queries=30),
        description=f"A task is a destination, a row a flight there: {task.text}. Inputs are what was known "
        "before departure, and where the destination lies. Destinations are apart in the splits, and so are "
        "the months.",
        source=flights.SOURCE,
        licence=flights.LICENCE,
        table=found,
    )


def _features() -> Features:
    """What is known of the flight; of the destination its place instead of its name."""
    base = flights.features(without=("dest", "distance", *flights.DESTINATION))
    numbers = dict.fromkeys(destinations.DESCRIPTOR, "numeric")
    return Features(keep=(*base.keep, *numbers), kinds={**base.kinds, **numbers})


def _apart(table: pl.LazyFrame, test: list[str], valid: list[str]) -> pl.LazyFrame:
    """Keep of every destination the rows of its split's months alone."""
    held = pl.when(pl.col("dest").is_in(test)).then(pl.lit("test"))
    own = held.when(pl.col("dest").is_in(valid)).then(pl.lit("valid")).otherwise(pl.lit("train"))
    return table.filter(own == pl.col("split"))
