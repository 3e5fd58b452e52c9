"""What no episodes can be drawn from is refused, with what there is and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
import torch
from episode_stubs import NUMBER, labelled, rows_of_tasks

from sharewise.data import ColumnSplit, FractionSplit, GroupSplit
from sharewise.data.episodes import (
    Condition,
    EpisodeSource,
    LabelledExamples,
    Shots,
    Sinusoids,
    TaskRows,
    TaskTable,
    read_tasks,
)
from sharewise.data.episodes.table import pool
from sharewise.errors import ConfigError, DataError, SharewiseError
from sharewise.streams import stream
from sharewise.tasks import Regression, Task

ROWS = torch.arange(6.0).unsqueeze(1)
LABELS = torch.tensor([0, 0, 0, 1, 1, 1])
Error = type[SharewiseError]


@pytest.mark.parametrize(
    ("source", "condition", "error", "words"),
    [
        (labelled([3, 3]), Condition(1, 1), ConfigError, "need 'ways'"),
        (labelled([3, 3]), Condition(1, 1, 3), DataError, r"3 classes of 1 shots.*only 2 of 2"),
        (labelled([3, 9, 9]), Condition(2, 2, 3), DataError, r"only 2 of 3 classes have 4 examples"),
        (labelled([3, 9, 9]), Condition((1, 5), 5, 2), DataError, "only 0 of 3 classes have 10"),
        (labelled([3] * 4, [0, 0, 1, 1], 0.5), Condition(1, 1, 3), DataError, "largest group has 2 with 2"),
        (rows_of_tasks([3, 5]), Condition(1, 1, 2), ConfigError, "label of their own"),
        (rows_of_tasks([3, 5]), Condition(5, 1), DataError, r"no task has 6 rows.*largest task has 5"),
        (Sinusoids(), Condition(1, 1, 5), ConfigError, "no classes to draw"),
    ],
)
def test_conditions_that_a_source_cannot_meet(
    source: EpisodeSource, condition: Condition, error: Error, words: str
) -> None:
    with pytest.raises(error, match=words):
        source.check(condition)
    with pytest.raises(error, match=words):
        source.sample(condition, 2, stream(0, "x"))
    with pytest.raises(error, match=words):
        next(source.batches(condition, 2, 0, "x"))


def examples(**changes: Any) -> LabelledExamples:
    values: dict[str, Any] = {
        "inputs": NUMBER,
        "values": {"numeric": ROWS},
        "labels": LABELS,
        "names": ["a", "b"],
    }
    return LabelledExamples(**{**values, **changes})


def tasks(**changes: Any) -> TaskRows:
    values: dict[str, Any] = {
        "inputs": NUMBER,
        "values": {"numeric": ROWS},
        "targets": torch.zeros(6),
        "task": LABELS,
        "names": ["a", "b"],
        "kind": Regression(),
    }
    return TaskRows(**{**values, **changes})


NOT_FINITE = {"numeric": torch.tensor([[0.0], [1.0], [float("nan")], [3.0], [4.0], [5.0]])}


@pytest.mark.parametrize(
    ("make", "changes", "words"),
    [
        (examples, {"names": ["a"], "labels": LABELS * 0}, "There are 1 classes"),
        (examples, {"names": ["a", "b", "c"]}, "The class 'c' has no examples"),
        (examples, {"values": NOT_FINITE}, "'numeric' hold values that are not finite"),
        (examples, {"within": 0.5}, "there are none"),
        (examples, {"within": 1.5, "groups": torch.tensor([0, 1])}, "share of tasks within a group is 1.5"),
        (examples, {"labels": LABELS - 1}, "labels from -1 to 0"),
        (examples, {"labels": LABELS + 1}, "labels from 1 to 2"),
        (examples, {"labels": LABELS[:4]}, "4 labels, but 6 rows of 'numeric'"),
        (examples, {"values": {}}, "no inputs"),
        (examples, {"groups": torch.tensor([0])}, "1 groups are named for 2 classes"),
        (tasks, {"targets": torch.zeros(0)}, "no rows"),
        (tasks, {"targets": torch.tensor([0, 0, 0, 0, 0, torch.inf])}, "Targets hold values"),
        (tasks, {"values": NOT_FINITE}, "'numeric' hold values that are not finite"),
        (tasks, {"task": LABELS + 1}, "tasks from 1 to 2"),
        (tasks, {"targets": torch.zeros(5)}, "5 targets"),
    ],
)
def test_data_that_episodes_cannot_be_drawn_from(
    make: Callable[..., EpisodeSource], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(SharewiseError, match=words):
        make(**changes)


def test_noise_that_cannot_be() -> None:
    for noise in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="noise"):
            Sinusoids(noise)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (({"x": torch.zeros(2, 3, 1)}, torch.zeros(3)), r"shape \[tasks, rows\]; found \[3\]"),
        (({"x": torch.zeros(2, 4, 1)}, torch.zeros(2, 3)), r"'x' have the shape \[2, 4, 1\]"),
        (({"x": torch.zeros(2, 3, 1)}, torch.zeros(2, 3), torch.ones(2, 1)), r"mask has the shape \[2, 1\]"),
    ],
)
def test_shots_of_shapes_that_do_not_fit(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Shots(*arguments)


TABLE = pl.DataFrame(
    {
        "city": [f"c{i // 4}" for i in range(80)],
        "part": ["train" if i < 60 else "test" for i in range(80)],
        "time": list(range(80, 0, -1)),
        "x": [i % 7 for i in range(80)],
        "y": [float(i % 5) for i in range(80)],
    }
)
LABEL = Task("y", "regression", "y")


def test_a_table_s_tasks_are_apart_and_in_order() -> None:
    found = read_tasks(TABLE, LABEL, "city", order="time")
    assert found.valid is not None
    assert found.test is not None
    names = [set(part.names) for part in (found.train, found.valid, found.test)]
    assert [len(part) for part in names] == [16, 2, 2]
    assert len(set.union(*names)) == 20
    assert found.train.ordered
    assert {"city", "y", "time"} & set(found.schema.columns) == set()
    # What is fitted, is fitted on the training tasks alone.
    train = TABLE.filter(pl.col("city").is_in(list(names[0])))["y"]
    assert found.task.mean == pytest.approx(train.mean())
    assert found.train.targets.mean() == pytest.approx(0, abs=1e-6)


def test_rows_without_a_task_or_a_label_are_left_out() -> None:
    city = pl.when(pl.col("x") == 0).then(None).otherwise(pl.col("city")).alias("city")
    label = pl.when(pl.col("x") == 1).then(None).otherwise(pl.col("y")).alias("y")
    found = read_tasks(TABLE.with_columns(city, label), LABEL, "city", split=ColumnSplit("part"))
    assert found.valid is None
    assert found.test is not None
    assert len(found.train.targets) + len(found.test.targets) == TABLE.filter(pl.col("x") > 1).height


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task_column": "town"}, "no column 'town'"),
        ({"split": FractionSplit()}, "is in several splits"),
        ({"split": GroupSplit("town")}, "no column 'town' to split by"),
        ({"order": "when"}, "no column 'when'"),
        ({"task": Task("z", "regression", "z")}, "'z'"),
        ({"source": TABLE.with_columns(pl.lit(None, pl.Float64).alias("y"))}, "y"),
        ({"source": TABLE.drop("x", "part", "time")}, "No feature column is left"),
        ({"source": TABLE.with_columns(pl.lit(None, pl.String).alias("city"))}, "has a task and a label"),
    ],
)
def test_tables_that_episodes_cannot_be_drawn_from(changes: dict[str, Any], words: str) -> None:
    values = {"source": TABLE, "task": LABEL, "task_column": "city", **changes}
    with pytest.raises(DataError, match=words):
        read_tasks(**values)


def _sorted_numbers(found: TaskTable) -> torch.Tensor:
    parts = [part.values["numeric"] for part in (found.train, found.valid, found.test) if part is not None]
    return torch.cat(parts).sort(0).values


def test_new_rows_are_read_as_in_training() -> None:
    found = read_tasks(TABLE, LABEL, "city", order="time")
    again = pool(TABLE, found.schema, found.task, "city", ordered=True)
    assert len(again.names) == 20
    assert again.inputs == found.train.inputs
    assert torch.equal(again.values["numeric"].sort(0).values, _sorted_numbers(found))
    gaps = TABLE.with_columns(pl.when(pl.col("city") == "c3").then(None).otherwise("city").alias("city"))
    assert len(pool(gaps, found.schema, found.task, "city").targets) == 76
    with pytest.raises(DataError, match="no column 'town'"):
        pool(TABLE, found.schema, found.task, "town")
    empty = TABLE.with_columns(pl.lit(None, pl.Float64).alias("y"))
    with pytest.raises(DataError, match="No row has a task and a label"):
        pool(empty, found.schema, found.task, "city")
