"""Task, TaskSet and descriptors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sharewise.errors import ConfigError
from sharewise.tasks import Task, TaskSet, describe, encode_text

MIXED = [
    Task("late", "binary"),
    Task("class", "multiclass", classes="abc"),
    Task("delay", "regression", mean=5, scale=2, weight=0.5),
    Task("early", "binary", weight=2),
]


def test_groups_partition_the_tasks_and_their_columns() -> None:
    tasks = TaskSet(MIXED)
    assert sorted(i for g in tasks.groups for i in g.index) == [0, 1, 2, 3]
    assert [(g.index, g.width) for g in tasks.groups] == [((0, 3), 1), ((1,), 3), ((2,), 1)]
    assert [(g.columns.start, g.columns.stop) for g in tasks.groups] == [(0, 2), (2, 5), (5, 6)]
    assert (tasks.columns, tasks.width) == (6, 3)
    torch.testing.assert_close(tasks.weights, torch.tensor([1.0, 1.0, 0.5, 2.0]))


def test_a_task_set_survives_a_round_trip() -> None:
    tasks = TaskSet(MIXED)
    assert TaskSet.from_dict(tasks.to_dict()) == tasks
    assert tasks.replace(weight=[1, 2, 3, 4])["early"].weight == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda: TaskSet([]),
        lambda: TaskSet([Task("a"), Task("a")]),
        lambda: TaskSet([Task("a", weight=0)]),
        lambda: Task(""),
        lambda: Task("a", weight=-1),
        lambda: Task("a", weight=float("nan")),
        lambda: Task("a", scale=0),
        lambda: Task("a", "regresion"),
    ],
)
def test_impossible_tasks_are_refused(make) -> None:
    with pytest.raises(ConfigError):
        make()


@given(st.text(max_size=60))
def test_text_codes_have_unit_length_and_ignore_case_of_ascii_and_space(text: str) -> None:
    code = encode_text(text)
    length = sum(c * c for c in code)
    assert length == pytest.approx(1.0) or length == 0.0
    assert encode_text("  Late   Arrival ") == encode_text("late arrival")


def test_similar_texts_are_nearer_than_others() -> None:
    def similarity(a: str, b: str) -> float:
        return sum(x * y for x, y in zip(encode_text(a), encode_text(b), strict=True))

    assert similarity("arrives late", "departs late") > similarity("arrives late", "watch time") + 0.1


def test_attributes_are_standardised_over_tasks() -> None:
    tasks = TaskSet(Task(str(i), attributes=(i, 7.0)) for i in range(5))
    matrix = describe(tasks, "attributes")
    assert matrix is not None
    torch.testing.assert_close(matrix.mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(matrix[:, 0].std(correction=0), torch.tensor(1.0))
    assert (matrix[:, 1] == 0).all()
    assert describe(tasks) is None


@pytest.mark.parametrize(
    "tasks, descriptor",
    [
        (TaskSet([Task("a"), Task("b", attributes=[1])]), "attributes"),
        (TaskSet([Task("a")]), "attributes"),
        (TaskSet([Task("a")]), "text"),
        (TaskSet([Task("a")]), "indx"),
    ],
)
def test_descriptors_that_are_not_there_are_refused(tasks: TaskSet, descriptor: str) -> None:
    with pytest.raises(ConfigError):
        describe(tasks, descriptor)
