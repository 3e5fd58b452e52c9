"""A journal becomes a partition: impressions with what came of them, a row each, as `rank train` reads them.

What came for one impression several times, as when a sender repeats what was not answered in time, is one
row: of every column the last value that was given.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import polars as pl

from sharewise.ranking.log import COLUMNS, FEEDBACK
from sharewise.ranking.service.hour import FEEDBACK as GIVEN
from sharewise.ranking.service.hour import SERVED

KEY = ("request", "item")
#: Feedback that is false where nothing else was said; the rest is missing then.
FALSE = ("clicked", "liked", "dismissed")
PLAIN: dict[str, pl.DataType] = {
    str(one): one for one in (pl.String(), pl.Int64(), pl.Float64(), pl.Boolean())
}


def make_partition(records: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return the rows of a journal's records: every impression that feedback came for, in the order of time.

    Args:
        records: lists and feedback, in the order in which they came.
    """
    served: list[Mapping[str, Any]] = []
    given: list[Mapping[str, Any]] = []
    for record in records:
        (served if SERVED in record else given).append(record)
    events = _events(given)
    asked = set(events["request"].to_list())
    lists = [record for record in served if record[SERVED] in asked]
    if not lists:
        return pl.DataFrame()
    shown = _shown(lists)
    joined = shown.join(events, on=KEY, how="inner", maintain_order="left", suffix=" given")
    position = pl.col("position")
    if "position given" in joined.columns:
        position = pl.coalesce("position given", "position").alias("position")
    time = pl.from_epoch("request", "us").alias("time")
    told = [pl.col(name).fill_null(False) for name in FALSE]
    frame = joined.with_columns(position, time, *told).drop("position given", strict=False)
    ordered = frame.select([*(n for n in COLUMNS if n in frame.columns), *_further(frame)])
    return ordered.sort("time", "request", "position", maintain_order=True).rename(_own(lists))


def to_parquet(frame: pl.DataFrame) -> bytes:
    """Return a partition as the content of a file."""
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def _events(given: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return feedback, one row an impression."""
    requests = list(chain.from_iterable([r[GIVEN]] * len(r["events"]) for r in given))
    events = list(chain.from_iterable(r["events"] for r in given))
    names = dict.fromkeys(["item", "position", *FEEDBACK, *chain.from_iterable(events)])
    columns = {name: [event.get(name) for event in events] for name in names}
    types = {name: COLUMNS[name][0] for name in ("position", *FEEDBACK)}
    frame = pl.DataFrame([_column(name, values, types.get(name)) for name, values in columns.items()])
    frame = frame.with_columns(request=pl.Series(requests, dtype=pl.Int64))
    last = pl.all().drop_nulls().last()
    return frame.group_by(KEY, maintain_order=True).agg(last)


def _shown(lists: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return the items of lists with their features."""
    lengths = [len(record["each"]["item"]) for record in lists]
    types: dict[str, pl.DataType] = {}
    for record in lists:
        types |= {name: PLAIN[dtype] for name, dtype in record["types"].items()}
    names = dict.fromkeys(chain.from_iterable(chain(r["each"], r["once"]) for r in lists))
    columns = []
    for name in names:
        parts = (
            record["each"][name] if name in record["each"] else [record["once"].get(name)] * length
            for record, length in zip(lists, lengths, strict=True)
        )
        columns.append(_column(name, list(chain.from_iterable(parts)), types.get(name)))
    request = chain.from_iterable([r[SERVED]] * n for r, n in zip(lists, lengths, strict=True))
    position = chain.from_iterable(range(1, n + 1) for n in lengths)
    own = {"request": list(request), "position": list(position)}
    return pl.DataFrame(columns).with_columns(**{n: pl.Series(v, dtype=pl.Int64) for n, v in own.items()})


def _column(name: str, values: list[Any], dtype: pl.DataType | None) -> pl.Series:
    """Return a column, of the type that holds all of its values if none is known."""
    if dtype is None:
        kinds = {type(value) for value in values} - {type(None)}
        order = ((str, pl.String()), (float, pl.Float64()), (int, pl.Int64()), (bool, pl.Boolean()))
        dtype = next((one for kind, one in order if kind in kinds), pl.Null())
    return pl.Series(name, values, dtype=dtype, strict=False)


def _further(frame: pl.DataFrame) -> list[str]:
    return [name for name in frame.columns if name not in COLUMNS]


def _own(lists: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the log's own names."""
    own: dict[str, str] = {}
    for record in lists:
        own |= record.get("own", {})
    return own
