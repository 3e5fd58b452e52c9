"""CatalogEntry: a known data set with its tasks, its honest split and its honest inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from sharewise.data.schema import Features
from sharewise.data.splits import FractionSplit, Split
from sharewise.tasks import Task


@dataclass(frozen=True)
class CatalogEntry:
    """All that a `Table` needs to read a data set of the catalog.

    Attributes:
        name: the name it was asked for by.
        frame: the rows, inputs and raw outcomes side by side; the labels are taken from it.
        tasks: the tasks, with labels as SQL expressions over columns of `frame`; for disjoint data one
            task, the template of all.
        description: what a row is, where it comes from, and what the inputs leave out and why.
        source: the address of the data's home.
        licence: under which terms the data may be used.
        split: how rows are put into train, valid and test.
        features: which columns are inputs; outcomes are never among them.
        cluster: the column whose rows belong together when intervals are computed, or None.
        task_column: the column that tells a row's task (disjoint data), or None (joint data).
        descriptor_columns: the columns that describe a row's task, for tasks that were not trained on.
        descriptor_text: the column that describes it in words.
    """

    name: str
    frame: pl.DataFrame | pl.LazyFrame
    tasks: tuple[Task, ...]
    description: str
    source: str
    licence: str
    split: Split = field(default_factory=FractionSplit)
    features: Features = field(default_factory=Features)
    cluster: str | None = None
    task_column: str | None = None
    descriptor_columns: Sequence[str] = ()
    descriptor_text: str | None = None
