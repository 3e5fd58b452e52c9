"""Which columns of a log candidates are made of: settled by the first partition, held to by all others."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from sharewise.data.growing import value_type
from sharewise.data.labels import label_columns
from sharewise.errors import ConfigError, DataError, nearest
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.schema import LogSchema, renamed
from sharewise.tasks import Task

#: Columns that every log must have, and those that it may have.
MUST, MAY = ("time", "user", "item"), ("request", "query")


@dataclass(frozen=True)
class LogColumns:
    """A log's columns.

    Attributes:
        needed: those that are read, by the log's names.
        own: the file's name of each that has another one there.
        user, item: how ids are kept, "number" or "text".
    """

    needed: tuple[str, ...]
    own: dict[str, str]
    user: str
    item: str

    @property
    def schema(self) -> LogSchema:
        """The same, as what reads partitions takes it."""
        return LogSchema({}, {}, (), (), self.needed, self.own)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> LogColumns:
        """Inverse of `to_dict`."""
        return LogColumns(**{**values, "needed": tuple(values["needed"])})


def wanted_task(plan: CandidatePlan) -> Task:
    """Return what says that an impression was wanted, as a task."""
    return Task("relevant", "binary", plan.candidates.relevant)


def settle_columns(types: dict[str, pl.DataType], plan: CandidatePlan) -> LogColumns:
    """Return the columns of a log from the types of its first partition, by the file's names.

    Raises:
        ConfigError: if a column is missing that the plan names or that every log has, or what is relevant
            cannot be read.
    """
    types, own = renamed(types, plan.log.columns)
    known, chosen = list(types), plan.candidates
    for name in MUST:
        if name not in known:
            raise ConfigError(
                f"The log has no column '{name}', which candidates need.",
                f"Name it in columns of [log]: columns = {{ {name} = '...' }}.",
            )
    remembered = (*chosen.remember_item, *chosen.remember_query, *chosen.remember_user)
    for name in (*plan.topics.columns, *remembered):
        if name not in known:
            raise ConfigError(f"The log has no column '{name}'.", nearest(name, tuple(known)))
    if chosen.remember_query and "query" not in known:
        raise ConfigError("The log has no queries to remember columns of.", "Leave remember_query out.")
    there = [name for name in MAY if name in known]
    try:
        relevant = label_columns(wanted_task(plan), known)
    except DataError as error:  # what cannot be read is the plan's mistake, not the partition's
        raise ConfigError(error.problem, error.remedy) from error
    needed = dict.fromkeys([*MUST, *there, *relevant, *plan.topics.columns, *remembered])
    kinds = {name: _ids(name, types[name]) for name in ("user", "item")}
    return LogColumns(tuple(needed), own, **kinds)


def _ids(name: str, dtype: pl.DataType) -> str:
    kept = value_type(dtype)
    if kept is None:
        raise ConfigError(
            f"The log's column '{name}' is of type {dtype}, which is no id.", "Use whole numbers or texts."
        )
    return kept
