"""No leakage: whatever becomes of the rows that judge, nothing that is trained on changes by a bit."""

from __future__ import annotations

import polars as pl
import pytest
from data_stubs import mixed, same
from hypothesis import given
from hypothesis import strategies as st

from sharewise.data import ColumnSplit, FractionSplit, GroupSplit, Split, Table, TimeSplit
from sharewise.errors import DataError
from sharewise.tasks import Task

TASKS = (
    Task("high", "binary", "y > 10"),
    Task("y", "regression"),
    Task("sort", "multiclass"),
    Task("tens", "count", "CAST(FLOOR(size / 10.0) AS INT)"),
)
SPLITS: dict[str, Split] = {
    "fraction": FractionSplit(0.2, 0.2),
    "group": GroupSplit("key", 0.2, 0.2),
    "time": TimeSplit("when", "2020-03-01", "2020-03-20"),
    "column": ColumnSplit("part"),
}
#: What may happen to a row after the fact; none of it may be seen from the training split.
CHANGES = {
    "labels": pl.col("y") * 100,
    "missing labels": pl.lit(None, pl.Float64).alias("y"),
    "new classes": pl.lit("never seen").alias("sort"),
    "new categories": pl.lit("violet").alias("color"),
    "missing features": pl.lit(None, pl.Float64).alias("x"),
    "infinite features": pl.lit(float("inf")).alias("x"),
    "large features": pl.col("size") * 1_000_000,
}


def table(frame: pl.DataFrame, split: Split, **options: object) -> Table:
    return Table(frame, TASKS, split=split, **options)  # type: ignore[arg-type]


@given(st.sampled_from(sorted(SPLITS)), st.sampled_from(sorted(CHANGES)), st.integers(0, 20))
def test_later_rows_change_nothing_that_is_trained_on(split: str, change: str, seed: int) -> None:
    frame = mixed(seed=seed)
    later = SPLITS[split].assign(frame) != "train"
    name = CHANGES[change].meta.output_name()
    changed = frame.with_columns(pl.when(later).then(CHANGES[change]).otherwise(pl.col(name)).alias(name))
    before, after = table(frame, SPLITS[split]), table(changed, SPLITS[split])
    assert before.schema == after.schema
    assert before.schema.to_dict() == after.schema.to_dict()
    assert before.tasks == after.tasks
    assert same(before.train, after.train)
    assert before.digest() != after.digest()


def test_rows_of_new_tasks_change_nothing_that_is_trained_on() -> None:
    frame = mixed().with_columns(pl.col("color").fill_null("red"))
    new = pl.when(pl.col("part") == "test").then(pl.lit("violet")).otherwise("color").alias("color")
    split = ColumnSplit("part")
    before, after = (
        Table(f, TASKS[:1], split=split, task_column="color", descriptor_columns=["size"])
        for f in (frame, frame.with_columns(new, size=pl.col("size")))
    )
    assert before.schema == after.schema
    assert before.tasks == after.tasks
    assert same(before.train, after.train)


@pytest.mark.parametrize(
    "label",
    [
        "y > AVG(y)",
        "ROW_NUMBER() OVER (ORDER BY y)",
        "y - LAG(y) OVER (ORDER BY key)",
        "SUM(y) OVER (PARTITION BY color)",
    ],
)
def test_labels_that_look_at_other_rows_are_refused(label: str) -> None:
    with pytest.raises(DataError, match="other rows"):
        Table(mixed(), [Task("t", "regression", label)], split=ColumnSplit("part"))


@pytest.mark.parametrize("label", ["COLUMNS('y')", "1", "COUNT(*)", "NOW()", "(SELECT 1)"])
def test_labels_that_name_no_column_are_refused(label: str) -> None:
    with pytest.raises(DataError, match=r"reads no column|is neither"):
        Table(mixed(), [Task("t", "regression", label)])


@pytest.mark.parametrize("label", ["y size", "y > 1 key", "y AS z"])
def test_labels_that_name_their_result_are_refused(label: str) -> None:
    with pytest.raises(DataError, match="another name"):
        Table(mixed(), [Task("t", "regression", label)], split=ColumnSplit("part"))


@given(
    st.lists(
        st.sampled_from(["y", "size", "x", "key", "(", ")", ">", "+", "AND", "NOT", "1", "'a'", "IS NULL"])
    )
    | st.text(max_size=12).map(lambda text: [text])
)
def test_a_label_works_or_is_refused_and_its_columns_are_never_inputs(words: list[str]) -> None:
    label = " ".join(words)
    try:
        found = Table(mixed(60), [Task("t", "regression", label)], split=ColumnSplit("part"))
    except DataError:
        return
    used = {column for column in ("y", "size", "x", "key") if column in words}
    assert used
    assert used.isdisjoint(found.schema.columns)
