"""Schema: vocabularies and scalings fitted once, then one fast and equal encoding of any rows."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data_stubs import mixed, same, tensors
from hypothesis import given
from hypothesis import strategies as st

from sharewise.data import ColumnSplit, Features, Schema, Table
from sharewise.data.features import Scaling, Vocabulary
from sharewise.data.schema import fit_inputs
from sharewise.errors import DataError
from sharewise.tasks import Task

TASKS = [Task("y", "regression")]
NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64) | st.none()


def fit(frame: pl.DataFrame, **options: Any) -> Schema:
    return fit_inputs(frame, frame.columns, Features(**options))


@given(st.integers(0, 50), st.integers(1, 40), st.integers(1, 4))
def test_encoding_the_training_rows_gives_the_training_tensors(seed: int, bins: int, least: int) -> None:
    frame = mixed(120, seed)
    table = Table(frame, TASKS, split=ColumnSplit("part"), features=Features(bins=bins, min_count=least))
    schema = Schema.from_dict(json.loads(json.dumps(table.schema.to_dict(), allow_nan=False)))
    assert schema == table.schema
    for name, batch in (("train", table.train), ("valid", table.valid), ("test", table.test)):
        encoded = schema.encode(frame.filter(pl.col("part") == name))
        assert encoded.keys() == batch.inputs.keys()
        assert all(torch.equal(encoded[key], batch.inputs[key]) for key in encoded)


@given(st.integers(0, 50), st.data())
def test_rows_are_encoded_one_by_one_as_together(seed: int, data: st.DataObject) -> None:
    frame = mixed(80, seed)
    schema = fit(frame.drop("key", "part"))
    row = data.draw(st.integers(0, 79))
    whole, alone = schema.encode(frame), schema.encode(frame[row])
    assert all(torch.equal(whole[key][row : row + 1], alone[key]) for key in whole)
    assert all(len(value) == 0 for value in schema.encode(frame[:0]).values())


@given(st.lists(NUMBERS, min_size=1, max_size=60), st.lists(NUMBERS, min_size=1), st.integers(1, 20))
def test_numbers_of_any_size_become_finite(train: list[Any], later: list[Any], bins: int) -> None:
    scaling = Scaling.fit(pl.Series("x", train, dtype=pl.Float64), bins)
    distinct = {v for v in train if v is not None and np.isfinite(v)}
    if scaling is None:
        return
    assert len(distinct) > 1
    assert 2 <= len(scaling.edges) <= bins + 1
    assert all(np.isfinite(scaling.edges))
    assert all(np.diff(scaling.edges) > 0)
    for values in (train, later):
        columns = scaling.encode(pl.Series("x", values, dtype=pl.Float64))
        assert all(np.isfinite(column).all() for column in columns)
        assert len(columns) == len(scaling.bins)
    assert scaling.indicator == (len([v for v in train if v is not None and np.isfinite(v)]) < len(train))


@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=2), st.randoms())
def test_vocabularies_are_sorted_by_frequency_and_do_not_depend_on_the_order(
    values: list[str | None], random: Any
) -> None:
    shuffled = random.sample(values, len(values))
    one, two = (Vocabulary.fit(pl.Series("c", v, dtype=pl.String), 1) for v in (values, shuffled))
    assert one == two
    expected = sorted(set(values), key=lambda v: (-values.count(v), v is None, v or ""))
    assert one.values == tuple(expected)
    ids = one.encode(pl.Series("c", [*values, "unseen"], dtype=pl.String))
    assert ids.tolist() == [expected.index(v) + 1 for v in values] + [0]


def test_rare_values_are_unknown() -> None:
    column = pl.Series("c", ["a"] * 5 + ["b"] * 2 + ["c"])
    assert Vocabulary.fit(column, 2).values == ("a", "b")
    # One frequent value among rare ones still tells something.
    assert fit(pl.DataFrame({"c": ["a"] * 5 + ["b", "d"]}), min_count=2).columns == ("c",)
    with pytest.raises(DataError, match="does not vary"):
        fit(pl.DataFrame({"c": ["a", "b", "d"]}), min_count=2)


def test_large_ids_stay_apart() -> None:
    ids = [2**60 + i for i in range(5)]
    schema = fit(pl.DataFrame({"id": ids}), kinds={"id": "categorical"})
    found = schema.encode(pl.DataFrame({"id": ids}))["categorical"]
    assert found.dtype == torch.int64
    assert found[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_a_category_is_the_same_as_an_integer_and_as_a_float() -> None:
    schema = fit(pl.DataFrame({"c": [1, 2, 2, 3, 3, 3]}), kinds={"c": "categorical"})
    found = schema.encode(pl.DataFrame({"c": [3.0, 2.0, float("nan"), 2.5, None]}))["categorical"]
    assert found[:, 0].tolist() == [1, 2, 0, 0, 0]


@pytest.mark.parametrize(
    "values",
    [
        [date(2020, 1, 1), date(2020, 1, 3)],
        [datetime(2020, 1, 1), datetime(2020, 1, 3)],
        [timedelta(hours=1), timedelta(hours=3)],
        [time(1), time(3)],
    ],
)
def test_times_are_numeric_and_their_unit_does_not_matter(values: list[Any]) -> None:
    schema = fit(pl.DataFrame({"t": values}))
    expected = torch.tensor([[-1.0], [1.0]])
    torch.testing.assert_close(schema.encode(pl.DataFrame({"t": values}))["numeric"], expected)
    if isinstance(values[0], datetime | timedelta):
        for unit in ("ns", "us", "ms"):
            column = pl.Series("t", values).dt.cast_time_unit(unit)  # type: ignore[arg-type]
            torch.testing.assert_close(schema.encode(column.to_frame())["numeric"], expected)


def test_kinds_are_inferred_and_can_be_overridden() -> None:
    frame = mixed()
    plain = fit(frame.drop("key", "part", "y"))
    assert {v.column for v in plain.vocabularies} == {"color", "member", "sort"}
    assert {s.column for s in plain.scalings} == {"x", "size", "when"}
    other = fit(frame.select("size", "x"), kinds={"size": "categorical"})
    assert [v.column for v in other.vocabularies] == ["size"]
    numbers = fit(pl.DataFrame({"n": ["1", "2", "?"]}), kinds={"n": "numeric"})
    assert numbers.scalings[0].indicator


@pytest.mark.parametrize(
    "frame, kinds",
    [
        (pl.DataFrame({"c": [[1], [2]]}), {}),
        (pl.DataFrame({"c": [{"a": 1}, {"a": 2}]}), {}),
        (pl.DataFrame({"c": [b"a", b"b"]}), {}),
        (pl.DataFrame({"c": ["a", "b"]}), {"c": "numeric"}),
        (pl.DataFrame({"c": [None, None]}), {}),
        (pl.DataFrame({"c": [float("nan"), float("inf")]}), {}),
    ],
)
def test_columns_that_cannot_be_inputs_are_named(frame: pl.DataFrame, kinds: dict[str, str]) -> None:
    with pytest.raises(DataError, match="'c'"):
        fit(frame, kinds=kinds)


def test_a_missing_column_is_named_with_the_nearest() -> None:
    schema = fit(mixed().select("size", "x"))
    with pytest.raises(DataError, match=r"'size'.*Did you mean 'sizes'"):
        schema.encode(mixed().select("x", sizes="size"))


def test_infinite_features_are_noted_and_missing() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, float("inf")]})
    schema = fit(frame)
    assert schema.notes == ("column 'x': 1 infinite values in training count as missing",)
    assert schema.encode(frame)["numeric"][2].tolist() == [0.0, 1.0]


def test_the_same_table_gives_the_same_digest_and_other_bits_another() -> None:
    first, second = (Table(mixed(), TASKS, split=ColumnSplit("part")) for _ in range(2))
    assert same(first.test, second.test)
    assert first.digest() == second.digest()
    changed = mixed().with_columns(pl.when(pl.col("key") == 0).then(0).otherwise("size").alias("size"))
    assert Table(changed, TASKS, split=ColumnSplit("part")).digest() != first.digest()
    dtypes = {name: value.dtype for name, value in tensors(first.train).items()}
    assert dtypes == {
        "categorical": torch.int64,
        "numeric": torch.float32,
        "targets": torch.float32,
        "mask": torch.bool,
    }
