"""What a request may say beside user and query, of which types, and what the log would lack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from sharewise.errors import ConfigError, DataError, nearest
from sharewise.ranking.candidates.annotate import SIMILARITY
from sharewise.ranking.candidates.columns import LogColumns
from sharewise.ranking.log import COLUMNS, FEEDBACK, SERVED
from sharewise.ranking.schema import LogSchema

#: Columns that the service itself fills.
OWN = ("time", "request", "user", "query", "item", "position", "source", *SERVED, SIMILARITY)
TYPES: dict[str, pl.DataType] = {"text": pl.String(), "number": pl.Int64()}
#: Of hashed columns, whose texts and whole numbers are told apart by their values alone.
EITHER = pl.Null()
WORDS = {
    pl.String: "a text",
    pl.Int64: "a whole number",
    pl.Float64: "a number",
    pl.Null: "a text or a whole number",
}
#: The largest whole number that a column holds.
LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Asking:
    """Columns of a request.

    Attributes:
        user, item: types of ids.
        must: the type of every column that a request must say.
        may: of those that it may say; left out they are what the log last said, or missing.
        blank: those of them that are missing if left out: what tells places apart and is no feature.
        labels: columns of the log that only feedback can say, beside the usual ones.
        ignored: columns that others, who answer beside this one, read.
    """

    user: pl.DataType
    item: pl.DataType
    must: dict[str, pl.DataType]
    may: dict[str, pl.DataType]
    blank: tuple[str, ...]
    labels: tuple[str, ...]
    ignored: frozenset[str] = frozenset()

    @staticmethod
    def of(schema: LogSchema, columns: LogColumns, remembered: Mapping[str, pl.DataType]) -> Asking:
        """Return what requests say to a ranker of this schema, beside candidates that remember columns.

        Raises:
            ConfigError: if a log of what is served would lack a column that candidates are learnt from.
        """
        types = {
            **{name: TYPES[kept] for name, kept in schema.vocabulary.items()},
            **dict.fromkeys(schema.counts, pl.Int64()),
            **dict.fromkeys(schema.numbers, pl.Float64()),
            **dict.fromkeys(schema.hashed, EITHER),
        }
        known = {*OWN, *FEEDBACK, *remembered}
        may = {name: types[name] for name in schema.features if name in remembered}
        blank = tuple(
            name
            for name in ("device",)
            if name in schema.others and name not in {*schema.features, *remembered}
        )
        may |= dict.fromkeys(blank, pl.String())
        must = {name: types[name] for name in schema.features if name not in {*known, *may}}
        labels = tuple(name for name in schema.others if name not in {*known, *may, *must})
        for name in columns.needed:
            if name not in {*known, *must, *may, *labels, *COLUMNS}:
                raise ConfigError(
                    f"Candidates are learnt from '{name}', which a log of what is served would lack.",
                    f"Let the candidates' run remember it: remember_item = ['{name}'].",
                )
        return Asking(TYPES[columns.user], TYPES[columns.item], must, may, blank, labels)

    @property
    def types(self) -> dict[str, str]:
        """Types of what requests say, as the log has them; those that their values decide are left out."""
        every = {"user": self.user, "query": self.item, **self.must, **self.may}
        return {name: str(dtype) for name, dtype in every.items() if dtype != EITHER}

    def values(self, user: Any, query: Any, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a request says, each value in the type of its column.

        Raises:
            DataError: if a column is missing or unknown, or a value of another type.
        """
        known = {**self.must, **self.may}
        context = {name: value for name, value in context.items() if name not in self.ignored}
        for name in context:
            if name not in known:
                raise DataError(
                    f"The context's '{name}' is unknown.", nearest(name, tuple(known) or ("none",))
                )
        for name in self.must:
            if name not in context:
                raise DataError(
                    f"The context lacks '{name}', which the ranker reads.", f"Say it, or null: '{name}'."
                )
        values = {"user": (user, self.user), "query": (query, self.item)}
        values |= {name: (value, known[name]) for name, value in context.items()}
        values |= {name: (None, known[name]) for name in self.blank if name not in context}
        return {name: _one(name, *value) for name, value in values.items()}


def _one(name: str, value: Any, given: pl.DataType) -> Any:
    """Return a value in the type of its column."""
    dtype = given
    if dtype == EITHER:
        dtype = pl.String() if isinstance(value, str) else pl.Int64()
    if isinstance(value, bool):
        value = str(value).lower() if dtype == pl.String else int(value)
    right = (
        value is None
        or (dtype == pl.String and isinstance(value, str))
        or (dtype == pl.Int64 and isinstance(value, int) and -LARGEST <= value <= LARGEST)
        or (dtype == pl.Float64 and isinstance(value, int | float) and abs(value) < 1e300)
    )
    if not right:
        raise DataError(f"'{name}' is {value!r:.60}.", f"Give {WORDS[type(given)]} or null.")
    return float(value) if dtype == pl.Float64 and value is not None else value
