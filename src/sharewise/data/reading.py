"""Reading tables, lazily: CSV, Parquet or JSON lines by path or glob, or a Polars frame."""

from __future__ import annotations

import os
from collections.abc import Callable
from glob import glob
from pathlib import Path

import polars as pl

from sharewise.errors import DataError, nearest

Source = str | os.PathLike[str] | pl.DataFrame | pl.LazyFrame

_EMPTY = ("", "NA", "NaN", "null")


def scan(source: Source) -> pl.LazyFrame:
    """Return the table as a lazy frame; nothing is read but its header.

    Raises:
        DataError: if there is no such file, its format is unknown, or its columns cannot be told apart.
    """
    lazy = source.lazy() if isinstance(source, pl.DataFrame | pl.LazyFrame) else _scan_path(Path(source))
    try:
        columns = lazy.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{_named(source)} cannot be read: {_first_line(error)}.", "Check the file."
        ) from error
    for column in columns:
        original, mark, number = column.rpartition("_duplicated_")
        if mark and original in columns and number.isdigit():
            raise DataError(f"{_named(source)} has two columns called '{original}'.", "Rename one of them.")
    return lazy


def collect(
    lazy: pl.LazyFrame, columns: list[str] | None = None, source: Source | None = None
) -> pl.DataFrame:
    """Read these columns of a lazy frame; `source` is where it came from, for what errors say.

    Raises:
        DataError: if the file turns out to be damaged or of mixed types.
    """
    try:
        return (lazy if columns is None else lazy.select(columns)).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{_named(lazy if source is None else source)} cannot be read: {_first_line(error)}.",
            "Check the file, and that each column is of one type.",
        ) from error


def read_frame(source: Source) -> pl.DataFrame:
    """Read a whole table."""
    return collect(scan(source), source=source)


def _scan_path(path: Path) -> pl.LazyFrame:
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise DataError(
            f"'{path}' has the ending '{suffix}', which is not known as a table.",
            f"Use one of {', '.join(_READERS)}.",
        )
    if not any(mark in str(path) for mark in "*?[") and not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"There is no file '{path}'.", nearest(path.name, siblings) if siblings else "Check the path."
        )
    return _READERS[suffix](path)


#: The types of a CSV's columns are inferred from all of its rows, if it has at most so many bytes.
WHOLE = 2**28


def _scan_csv(path: Path) -> pl.LazyFrame:
    return pl.scan_csv(
        path,
        null_values=list(_EMPTY),
        infer_schema_length=None if _size(path) <= WHOLE else 1_000_000,
        separator="\t" if path.suffix.lower() == ".tsv" else ",",
        try_parse_dates=True,
    )


def _size(path: Path) -> int:
    return sum(Path(found).stat().st_size for found in glob(str(path), recursive=True))


def _named(source: Source) -> str:
    return "The table" if isinstance(source, pl.DataFrame | pl.LazyFrame) else f"'{source}'"


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


_READERS: dict[str, Callable[[Path], pl.LazyFrame]] = {
    ".csv": _scan_csv,
    ".tsv": _scan_csv,
    ".parquet": pl.scan_parquet,
    ".ndjson": pl.scan_ndjson,
    ".jsonl": pl.scan_ndjson,
}
