"""EpisodeSet: tasks to train on, to choose by and to test, with what is known about them."""

from __future__ import annotations

from dataclasses import dataclass

from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.source import EpisodeSource
from sharewise.data.episodes.table import TaskTable


@dataclass(frozen=True)
class EpisodeSet:
    """Tasks in three splits: no task, and no class that tasks are made of, is in two.

    Attributes:
        name: the name it was asked for by.
        train: the tasks to learn from.
        valid: those to choose by; None where there are none.
        test: those to judge by; None where there are none.
        condition: that its episodes are usually asked in.
        description: what a task and a row are, where they come from, and what is left out and why.
        source: the address of the data's home.
        licence: under which terms the data may be used.
        table: where the episodes come from a table: its encoding, by which new rows can be read.
    """

    name: str
    train: EpisodeSource
    valid: EpisodeSource | None
    test: EpisodeSource | None
    condition: Condition
    description: str
    source: str
    licence: str
    table: TaskTable | None = None
