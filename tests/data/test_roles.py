"""What each column is for: tasks, descriptors, weights, clusters; and the summary of it all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data_stubs import mixed

from sharewise.data import BatchSource, ColumnSplit, Features, Table, TimeSplit
from sharewise.errors import ConfigError, DataError
from sharewise.tasks import Custom, Task, describe

PART = ColumnSplit("part")
HIGH = Task("high", "binary", "y > 10")


def disjoint(**changes: pl.Expr) -> pl.DataFrame:
    """Three colours to train on, "violet" only later, one row in ten of no colour."""
    late = (pl.col("part") != "train") & (pl.col("key") % 4 == 0)
    color = pl.when(late).then(pl.lit("violet")).otherwise("color")
    frame = mixed().with_columns(color=color).with_columns(size=pl.col("color").str.len_chars() * 10)
    return frame.with_columns(**changes)


def test_rows_without_a_task_are_left_out_and_unseen_ones_are_kept_if_described() -> None:
    frame = disjoint()
    plain = Table(frame, [HIGH], split=PART, task_column="color")
    described = Table(frame, [HIGH], split=PART, task_column="color", descriptor_columns=["size"])
    assert plain.tasks.names == described.tasks.names == ("blue", "green", "red")
    named = frame.filter(pl.col("color").is_not_null())
    assert len(plain.train) == len(described.train) == named.filter(pl.col("part") == "train").height
    violet = named.filter(pl.col("part") == "test", pl.col("color") == "violet").height
    assert len(described.unseen) == violet > 0
    assert len(plain.unseen) == 0
    assert f"kept apart: {violet}" in " ".join(described.notes)
    assert (
        len(plain.test)
        == len(described.test)
        == named.filter(pl.col("part") == "test", pl.col("color") != "violet").height
    )
    assert "left out" in plain.notes[-1]
    assert plain.schema.notes == ()
    assert described.unseen.descriptor is not None
    # violet is the longest name: its descriptor lies beyond those of the training tasks
    attributes = [task.attributes[0] for task in described.tasks]
    assert described.unseen.descriptor.max() > max(attributes)
    known = described.train
    assert known.task is not None
    torch.testing.assert_close(known.descriptor, torch.tensor(attributes)[known.task][:, None])


def test_a_task_without_a_training_label_is_none() -> None:
    unlabelled = (pl.col("color") == "green") & (pl.col("part") == "train")
    frame = disjoint(y=pl.when(unlabelled).then(None).otherwise("y"))
    table = Table(frame, [HIGH], split=PART, task_column="color")
    assert table.tasks.names == ("blue", "red")
    assert table.train.task is not None
    assert set(table.train.task.tolist()) == {0, 1}


def test_label_scales_are_common_to_all_tasks_of_a_task_column() -> None:
    table = Table(disjoint(), [Task("y", "regression")], split=PART, task_column="color")
    assert len({(task.mean, task.scale) for task in table.tasks}) == 1
    seen = mixed().filter(pl.col("part") == "train")["y"].drop_nulls().to_numpy()
    assert table.tasks[0].mean == pytest.approx(seen.mean())
    assert table.tasks[0].scale == pytest.approx(seen.std())


def test_columns_with_another_use_are_inputs_only_if_kept_by_name() -> None:
    options: dict[str, Any] = {
        "split": PART,
        "task_column": "color",
        "descriptor_columns": ["size"],
        "weight": "key",
    }
    plain = Table(disjoint(), [HIGH], cluster="when", **options)
    assert set(plain.schema.columns) == {"x", "member", "sort"}
    kept = Table(disjoint(), [HIGH], features=Features(keep=("x", "size", "color", "x")), **options)
    assert sorted(kept.schema.columns) == ["color", "size", "x"]


def test_clusters_number_rows_and_those_without_stand_together() -> None:
    table = Table(mixed(), [HIGH], split=PART, cluster="color")
    colors = mixed().filter(pl.col("part") == "test")["color"]
    found = table.clusters("test")
    assert found is not None
    assert found.dtype == np.int64
    pairs = set(zip(colors.to_list(), found.tolist(), strict=True))
    assert len(pairs) == 4
    assert {n for _, n in pairs} == {0, 1, 2, 3}


def test_the_summary_is_plain_and_says_what_the_labels_are() -> None:
    frame = mixed()
    tasks = [HIGH, Task("y", "regression"), Task("sort", "multiclass")]
    table = Table(frame, tasks, split=TimeSplit("when", "2020-03-01", "2020-03-20"))
    summary = json.loads(json.dumps(table.summary(), allow_nan=False))
    train = frame.filter(pl.col("when") < pl.datetime(2020, 3, 1))
    assert summary["rows"]["train"] == train.height
    assert summary["tasks"][0]["mean"] == pytest.approx((train["y"] > 10).mean())
    assert summary["tasks"][1]["mean"] == pytest.approx(train["y"].mean(), abs=1e-5)
    assert summary["tasks"][1]["sd"] == pytest.approx(train["y"].std(ddof=0), abs=1e-5)
    assert summary["tasks"][1]["observed"]["train"] == train["y"].count()
    assert sum(summary["tasks"][2]["shares"]) == pytest.approx(1)
    assert summary["times"]["train"][1] < "2020-03-01" <= summary["times"]["valid"][0]


def test_ten_thousand_tasks_are_summarised_at_once() -> None:
    rows = 40_000
    frame = pl.DataFrame(
        {
            "reader": np.arange(rows) % 10_000,
            "x": np.arange(rows) * 0.1,
            "spam": np.arange(rows) // 10_000 % 2,
        }
    ).with_columns(
        part=pl.when(pl.int_range(pl.len()) < 30_000).then(pl.lit("train")).otherwise(pl.lit("test"))
    )
    table = Table(frame, [Task("spam")], split=PART, task_column="reader")
    assert len(table.tasks) == 10_000
    assert table.summary()["tasks"][0]["observed"] == {"train": 3, "valid": 0, "test": 1}
    picked, draws = next(iter(BatchSource(table.train, 64, 0, "uniform", tasks_per_batch=16).epoch(0)))
    assert table.train.task is not None
    assert draws == 16
    assert len(table.train.task[picked].unique()) <= 16


def test_unlabelled_rows_are_never_drawn_by_task() -> None:
    table = Table(disjoint(), [Task("y", "regression")], split=PART, task_column="color")
    assert not table.train.mask.all()
    for rows, _ in BatchSource(table.train, 32, 0, "uniform", tasks_per_batch=2).epoch(0):
        assert table.train.mask[rows].all()


def test_only_the_needed_columns_of_a_file_are_read(tmp_path: Path) -> None:
    """A lazy source is asked for its columns; one that cannot be computed and is not used does no harm."""
    mixed().write_parquet(tmp_path / "t.parquet")
    harmful = pl.scan_parquet(tmp_path / "t.parquet").with_columns(bad=pl.col("color").cast(pl.Int64))
    table = Table(harmful, [HIGH], split=PART, features=Features(drop=("bad",)))
    assert "bad" not in table.schema.columns
    with pytest.raises(DataError, match="cannot be read"):
        Table(harmful, [HIGH], split=PART)


def test_fitted_tasks_are_not_fitted_again() -> None:
    first = Table(mixed(), [Task("y", "regression"), Task("sort", "multiclass")], split=PART)
    again = Table(mixed(seed=1), list(first.tasks), split=PART)
    assert again.tasks == first.tasks


REFUSED = {
    "descriptors of no task": ({"tasks": [HIGH], "descriptor_columns": ["size"]}, "no task column"),
    "descriptors that are text": (
        {"tasks": [HIGH], "task_column": "sort", "descriptor_columns": ["color"]},
        "holds text such as",
    ),
    "tasks that have no name": ({"tasks": [HIGH], "task_column": "nothing"}, "task column 'nothing'"),
    "weights that are text": ({"tasks": [HIGH], "weight": "color"}, "weight column 'color'"),
    "weights below zero": ({"tasks": [HIGH], "weight": "minus"}, "holds -"),
    "weights of zero": ({"tasks": [HIGH], "weight": "zero"}, "0 in every training row"),
    "weights beyond float32": ({"tasks": [HIGH], "weight": "huge"}, r"holds .*e\+30"),
    "clusters that are lists": ({"tasks": [HIGH], "cluster": "lists"}, "cluster column"),
    "a label that is a list": ({"tasks": [Task("lists", "regression")]}, "type List"),
    "classes that are lists": ({"tasks": [Task("lists", "multiclass")]}, "type List"),
    "other classes": ({"tasks": [Task("sort", "multiclass", classes=("A", "B"))]}, "has a class"),
    "labels beyond float64": ({"tasks": [Task("huge", "regression", "huge * huge")]}, "infinite"),
    "labels too large": ({"tasks": [Task("huge", "regression", "huge * key")]}, "too large"),
    "infinite labels of a user's kind": ({"tasks": [Task("inf", Custom())]}, "infinite"),
    "a nearly known column": ({"tasks": [Task("t", "binary", "sise > 1")]}, "Did you mean 'size'"),
    "a nearly known label": ({"tasks": [Task("t", "binary", "sise")]}, "Did you mean 'size'"),
    "types that do not fit": ({"tasks": [Task("t", "regression", "color + lists")]}, "cannot be computed"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_does_not_fit_is_refused(case: str) -> None:
    frame = mixed().with_columns(
        nothing=pl.lit(None, pl.String),
        minus=-pl.col("size") - 1,
        zero=pl.lit(0),
        huge=pl.lit(1e300) * (pl.col("key") + 1),
        inf=pl.lit(float("inf")),
        lists=pl.concat_list("key", "size"),
    )
    arguments, message = REFUSED[case]
    drop = Features(drop=("lists", "nothing"))
    with pytest.raises(DataError, match=message) as caught:
        Table(frame, split=PART, features=drop, **arguments)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_constant_regression_label_has_scale_one() -> None:
    table = Table(mixed().with_columns(c=pl.lit(0.1)), [Task("c", "regression")], split=PART)
    assert (table.tasks[0].mean, table.tasks[0].scale) == (0.1, 1.0)
    assert not table.train.targets.any()


def test_classes_are_in_their_own_order_and_unseen_ones_are_missing() -> None:
    later = pl.when(pl.col("part") == "test").then(99).otherwise(pl.col("size") % 12)
    table = Table(mixed().with_columns(later.alias("c")), [Task("c", "multiclass")], split=PART)
    assert table.tasks[0].classes == tuple(map(str, range(12)))
    assert table.train.mask.all()
    assert not table.test.mask.any()


def test_texts_of_tasks_are_read_off_their_rows() -> None:
    frame = disjoint().with_columns(pl.format("readers of {} things", pl.col("color")).alias("words"))
    table = Table(frame, [HIGH], split=PART, task_column="color", descriptor_text="words")
    assert [task.text for task in table.tasks] == [f"readers of {c} things" for c in table.tasks.names]
    assert "words" not in table.schema.columns
    z = describe(table.tasks, "text")
    assert z is not None
    assert len({tuple(row) for row in z.tolist()}) == len(table.tasks)


def test_equal_texts_describe_nothing() -> None:
    template = replace(HIGH, text="the same for all")
    table = Table(disjoint(), [template], split=PART, task_column="color")
    with pytest.raises(ConfigError, match="All tasks have the same text"):
        describe(table.tasks, "text")


BASE = Features(keep=("a", "b", "c"), kinds={"a": "categorical", "b": "numeric"}, bins=7)


def test_choices_over_a_source_s_own() -> None:
    merged = Features(drop=("b",), min_count=3).over(BASE)
    expected = Features(keep=("a", "c"), drop=("b",), kinds={"a": "categorical"}, bins=7, min_count=3)
    assert merged == expected
    assert Features(bins=16).over(BASE) == replace(BASE, bins=16)
    assert Features(keep=("c",)).over(BASE).keep == ("c",)
    assert Features().over(BASE) == BASE
    assert Features(drop=("x",)).over(Features(drop=("y",))) == Features(drop=("x", "y"))


@pytest.mark.parametrize(
    "own, message",
    [
        (Features(keep=("a", "later")), "'later', which is no input"),
        (Features(kinds={"later": "numeric"}), "'later', which is no input"),
        (Features(drop=("a", "b", "c")), "drop every input"),
    ],
)
def test_a_source_s_inputs_are_never_widened(own: Features, message: str) -> None:
    with pytest.raises(DataError, match=message):
        own.over(BASE)
