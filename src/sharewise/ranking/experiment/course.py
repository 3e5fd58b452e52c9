"""Course: an experiment followed through the partitions of a log, with a look after each that tells of it."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import polars as pl

from sharewise.errors import ConfigError, DataError, nearest
from sharewise.ranking.experiment.plan import ExperimentPlan
from sharewise.ranking.experiment.sums import ARMS, UserSums
from sharewise.ranking.experiment.watch import Look, Watch
from sharewise.ranking.partitions import Entry, Ledger, list_partitions, pending
from sharewise.ranking.reading import column_types
from sharewise.ranking.schema import renamed

_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


class Course:
    """What a log says of an experiment, partition by partition.

    Args:
        plan: of the experiment.
        source: a folder of partitions, or a glob, as `rank train` reads them.
        columns: the log's own name of each column that has another one there.

    Attributes:
        looks: so far, in the order of time.
        ledger: which partitions were read, and which set aside and why.
    """

    def __init__(
        self, plan: ExperimentPlan, source: str | os.PathLike[str], columns: Mapping[str, str] | None = None
    ) -> None:
        self.plan, self._source, self._columns = plan, source, dict(columns or {})
        self.looks: list[Look] = []
        self.ledger = Ledger()
        self._sums, self._watch = UserSums(plan), Watch(plan)

    def advance(self) -> list[Look]:
        """Read what is new in the log, and return the looks that it gave.

        Raises:
            DataError: if there is no such log.
            ConfigError: if an outcome cannot be computed from a partition, or a column is not there.
        """
        found = []
        for partition, content, digest in pending(list_partitions(self._source), self.ledger):
            reason = self.ledger.refusal(partition.name, digest)
            rows = pl.DataFrame()
            if not reason:
                try:
                    rows = self._read(content)
                except DataError as error:
                    reason = str(error)
            entry = Entry(partition.name, partition.size, digest, len(rows), reason)
            (self.ledger.aside if reason else self.ledger.done).append(entry)
            if not reason:
                self._sums.see(rows)
                if self._sums.began is not None:
                    found.append(self._watch.look(self._sums, partition.name.removesuffix(".parquet")))
        self.looks = [*self.looks, *found]
        return found

    def evidence(self) -> dict[str, Any]:
        """Return what a page shows of the experiment, as plain values."""
        looks = self.looks
        return {
            "plan": self.plan.to_dict(),
            "same": self.plan.same,
            "looks": [look.to_dict() for look in looks],
            "set_aside": [{"name": entry.name, "reason": entry.reason} for entry in self.ledger.aside],
        }

    def _read(self, content: bytes) -> pl.DataFrame:
        """Return a partition's rows in the order of time, with the columns that are needed."""
        types, own = renamed(column_types(content), self._columns)
        wanted = _wanted(self.plan, list(types))
        try:
            frame = pl.read_parquet(io.BytesIO(content), columns=[own.get(name, name) for name in wanted])
        except _BROKEN as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise DataError(f"It cannot be read: {reason.rstrip('.')}.", "Write it anew.") from error
        return frame.rename({own.get(name, name): name for name in wanted}).sort("time", maintain_order=True)


def _wanted(plan: ExperimentPlan, known: list[str]) -> list[str]:
    for name in ("user", "time"):
        if name not in known:
            raise DataError(f"It has no column '{name}'.", nearest(name, tuple(known)))
    wanted = dict.fromkeys(["user", "time"])
    for outcome in plan.outcomes:
        for name in (*_read_by(outcome.name, outcome.value), *_read_by(outcome.name, outcome.per or "1")):
            if name not in known:
                raise ConfigError(
                    f"Outcome '{outcome.name}' reads '{name}', which the log does not have.",
                    nearest(name, tuple(known)),
                )
            wanted[name] = None
    return [*wanted, *([ARMS] if ARMS in known and ARMS not in wanted else [])]


def _read_by(name: str, sql: str) -> list[str]:
    try:
        return list(pl.sql_expr(sql).meta.root_names())
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ConfigError(
            f"Outcome '{name}' is no SQL: {reason}.", "Use SQL over the log's columns."
        ) from error
