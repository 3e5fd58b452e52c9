"""A partition's bytes -> its rows, under the log's names, or a reason why they cannot be had."""

from __future__ import annotations

import io
from collections.abc import Iterator

import polars as pl

from sharewise.errors import DataError
from sharewise.ranking.log import COLUMNS
from sharewise.ranking.schema import LogSchema

#: What no log can hold: column -> (a test for it, in words).
WRONG = {
    "position": (pl.col("position") < 1, "positions below 1"),
    "watched": ((pl.col("watched") < 0) | pl.col("watched").is_infinite(), "times below 0 or infinite"),
    "rating": (pl.col("rating").is_infinite(), "infinite ratings"),
}
_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


def column_types(content: bytes) -> dict[str, pl.DataType]:
    """Return the types of a Parquet file's columns.

    Raises:
        DataError: if it is none, or is not whole.
    """
    try:
        return dict(pl.read_parquet_schema(io.BytesIO(content)))
    except _BROKEN as error:
        raise DataError(f"It is no whole Parquet file: {_first(error)}.", "Write it anew.") from error


def read_pieces(content: bytes, schema: LogSchema, most: int, start: int = 0) -> Iterator[pl.DataFrame]:
    """Yield the rows in pieces of at most so many, with the columns that are needed; at least one piece.

    Args:
        content: of the file.
        schema: of the log.
        most: rows of a piece.
        start: the first row of the first piece.

    Raises:
        DataError: if the file is not whole, lacks a column, or holds what no log can hold.
    """
    types = column_types(content)
    own = {name: schema.own.get(name, name) for name in schema.needed}
    for name, stored in own.items():
        if stored not in types:
            raise DataError(f"It has no column '{stored}'.", f"Write it with its '{name}'.")
    names = {stored: name for name, stored in own.items()}
    frame = _slice(content, names, start, most)
    yield frame
    while len(frame) == most:
        start += most
        frame = _slice(content, names, start, most)
        if len(frame):
            yield frame


def _slice(content: bytes, names: dict[str, str], start: int, rows: int) -> pl.DataFrame:
    try:
        lazy = pl.scan_parquet(io.BytesIO(content)).select(list(names)).slice(start, rows)
        frame: pl.DataFrame = lazy.collect().rename(names)
    except _BROKEN as error:
        raise DataError(f"It cannot be read: {_first(error)}.", "Write it anew.") from error
    _check(frame)
    return frame.with_columns(_truths(frame))


def _truths(frame: pl.DataFrame) -> list[pl.Series]:
    """Return the columns of truth values that are written as numbers."""
    found = []
    for name, (kind, _) in COLUMNS.items():
        if kind == pl.Boolean and name in frame.columns and frame.schema[name].is_numeric():
            column = frame[name]
            if not column.drop_nulls().is_in([0, 1]).all():
                raise DataError(f"Its column '{name}' holds other numbers than 0 and 1.", "Mend the column.")
            found.append(column.cast(pl.Boolean))
    return found


def _check(frame: pl.DataFrame) -> None:
    for name, (wrong, words) in WRONG.items():
        if name not in frame.columns:
            continue
        if not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Null):
            raise DataError(f"Its column '{name}' holds {frame.schema[name]}.", "Write it as numbers.")
        if frame.schema[name].is_numeric() and frame.select(wrong.any()).item():
            raise DataError(f"Its column '{name}' holds {words}.", "Mend the column.")


def _first(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
