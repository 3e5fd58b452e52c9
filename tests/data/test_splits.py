"""Splits: every row in one part, whole groups together, time in order, and what is impossible."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import polars as pl
import pytest
from data_stubs import mixed
from hypothesis import given
from hypothesis import strategies as st

from sharewise.data import ColumnSplit, FractionSplit, GroupSplit, Split, Table, TimeSplit
from sharewise.errors import DataError
from sharewise.tasks import Task

SHARES = st.floats(0, 0.45)


@given(st.integers(1, 300), SHARES, SHARES, st.integers(0, 9))
def test_fractions_are_kept_to_the_row(rows: int, valid: float, test: float, seed: int) -> None:
    frame = pl.DataFrame({"x": range(rows)})
    part = FractionSplit(valid, test, seed).assign(frame)
    assert (part == "valid").sum() == round(rows * valid)
    assert (part == "test").sum() == round(rows * test)
    assert part.equals(FractionSplit(valid, test, seed).assign(frame))


@given(st.lists(st.integers(0, 12) | st.none(), min_size=20), SHARES, SHARES)
def test_groups_stay_whole_and_do_not_depend_on_the_order(
    groups: list[Any], valid: float, test: float
) -> None:
    frame = pl.DataFrame({"g": groups}, schema={"g": pl.Int64})
    split = GroupSplit("g", valid, test)
    parts = frame.with_columns(part=split.assign(frame)).group_by("g").agg(pl.col("part").n_unique())
    assert (parts["part"] == 1).all()
    assert split.assign(frame.reverse()).reverse().equals(split.assign(frame))


@pytest.mark.parametrize("valid", ["2020-02-15", date(2020, 2, 15), datetime(2020, 2, 15)])
@pytest.mark.parametrize(
    "dtype", [pl.Datetime("us"), pl.Datetime("ns"), pl.Datetime("ms", "Asia/Seoul"), pl.Date, pl.String]
)
def test_time_is_cut_in_order(valid: Any, dtype: Any) -> None:
    times = mixed()["when"].sort()
    expected = [
        "train" if t < datetime(2020, 2, 15) else "valid" if t < datetime(2020, 3, 10) else "test"
        for t in times
    ]
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        column = times.dt.replace_time_zone(dtype.time_zone)
    else:
        column = times.dt.to_string("iso") if dtype == pl.String else times.cast(dtype)
    found = TimeSplit("when", valid, "2020-03-10").assign(column.to_frame())
    assert found.to_list() == expected


def test_times_written_in_different_ways_sort_as_times() -> None:
    texts = ["2020-01-31", "2020-02-01", "2020-02-01 07:59", "2020-02-01T08:00", "2020-02-01 08:00:00.5"]
    split = TimeSplit("t", "2020-02-01", "2020-02-01T08:00")
    found = split.assign(pl.DataFrame({"t": texts}))
    assert found.to_list() == ["train", "valid", "valid", "test", "test"]


def test_a_cut_with_a_zone_is_an_instant() -> None:
    frame = pl.DataFrame({"t": pl.Series([0, 1, 2, 3]) * 3_600_000}).cast(pl.Datetime("ms", "UTC"))
    seoul = frame.with_columns(pl.col("t").dt.convert_time_zone("Asia/Seoul"))
    split = TimeSplit("t", datetime(1970, 1, 1, 1, tzinfo=timezone.utc), "1970-01-01T11:00+09:00")
    assert split.assign(seoul).to_list() == ["train", "valid", "test", "test"]


def test_numbers_are_times_too() -> None:
    frame = pl.DataFrame({"year": [1990, 2000, 2010]})
    assert TimeSplit("year", "1995", "2005").assign(frame).to_list() == ["train", "valid", "test"]


IMPOSSIBLE: dict[str, tuple[Split, str]] = {
    "all test": (FractionSplit(0, 1), "leaves nothing"),
    "more than all": (GroupSplit("key", 0.6, 0.6), "leaves nothing"),
    "not a share": (FractionSplit(float("nan"), 0.1), "leaves nothing"),
    "shares below a row": (FractionSplit(0.0001, 0.2), "valid split has no rows"),
    "fewer groups than parts": (GroupSplit("member", 0.1, 0.1), "valid split has no rows"),
    "before all": (TimeSplit("when", "2000-01-01", "2000-02-01"), "train split has no rows"),
    "after all": (TimeSplit("when", "2020-02-01", "2030-01-01"), "test split has no rows"),
    "backwards": (TimeSplit("when", "2020-03-01", "2020-02-01"), "starts at"),
    "no time": (TimeSplit("when", "soon", "later"), "cannot be compared"),
    "a zone for none": (TimeSplit("when", "2020-02-01T00:00+09:00", "2020-03-01"), "cannot be compared"),
    "text that is no time": (TimeSplit("color", "2020-02-01", "2020-03-01"), "is empty in"),
    "text that does not sort": (TimeSplit("sort", "2020-02-01", "2020-03-01"), "holds the text"),
    "truth as time": (TimeSplit("member", "2020-02-01", "2020-03-01"), "cannot be compared"),
    "gaps in time": (TimeSplit("x", "1", "2"), "is empty in"),
    "unknown parts": (ColumnSplit("sort"), "holds the value"),
    "no such column": (GroupSplit("keys"), "no column 'keys'"),
}


@pytest.mark.parametrize("case", sorted(IMPOSSIBLE))
def test_impossible_splits_are_refused(case: str) -> None:
    split, message = IMPOSSIBLE[case]
    with pytest.raises(DataError, match=message):
        Table(mixed(), [Task("y", "regression")], split=split)


def test_lists_cannot_be_split_by() -> None:
    frame = mixed().with_columns(lists=pl.concat_list("key", "size"))
    for split in (GroupSplit("lists"), ColumnSplit("lists"), TimeSplit("lists", "1", "2")):
        with pytest.raises(DataError, match="lists"):
            Table(frame, [Task("y", "regression")], split=split)


def test_an_empty_part_is_fine_where_it_was_asked_for() -> None:
    for split in (FractionSplit(0, 0.2), GroupSplit("key", 0.2, 0), ColumnSplit("two")):
        frame = mixed().with_columns(two=pl.col("part").replace("valid", "train"))
        table = Table(frame, [Task("y", "regression")], split=split)
        assert min(len(table.valid), len(table.test)) == 0
        assert table.summary()["tasks"][0]["observed"]["train"] > 0
