"""BatchSource: every row once, tasks drawn alike whatever their sizes, and the same rows after a stop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from sharewise.data import SCHEMES, Batch, BatchSource
from sharewise.errors import ConfigError

SIZES = (5, 50, 500, 2_000)


def disjoint() -> Batch:
    task = torch.repeat_interleave(torch.arange(len(SIZES)), torch.tensor(SIZES))
    task = task[torch.randperm(len(task), generator=torch.Generator().manual_seed(0))]
    return Batch({}, torch.zeros(len(task)), torch.ones(len(task), dtype=torch.bool), task)


def joint(rows: int) -> Batch:
    return Batch({}, torch.zeros(rows, 2), torch.ones(rows, 2, dtype=torch.bool))


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 100))
def test_shuffle_takes_every_row_once_an_epoch(rows: int, size: int, seed: int) -> None:
    source = BatchSource(joint(rows), size, seed)
    batches = [picked for picked, _ in source.epoch(0)]
    assert len(batches) == len(source)
    assert sorted(torch.cat(batches).tolist()) == list(range(rows))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_epoch_goes_on_where_it_stopped_and_differs_from_the_next(scheme: str) -> None:
    source = BatchSource(disjoint(), 64, 3, scheme)
    whole = [picked for picked, _ in source.epoch(1)]
    rest = [picked for picked, _ in source.epoch(1, start=7)]
    assert all(map(torch.equal, whole[7:], rest))
    other = [picked for picked, _ in source.epoch(2)]
    assert not all(map(torch.equal, whole, other))


def drawn_tasks(scheme: str, **options: float) -> torch.Tensor:
    data = disjoint()
    source = BatchSource(data, 8, 0, scheme, tasks_per_batch=4, **options)  # type: ignore[arg-type]
    rows = torch.cat([picked[::2] for epoch in range(4) for picked, _ in source.epoch(epoch)])
    assert data.task is not None
    return torch.bincount(data.task[rows], minlength=len(SIZES))


def test_uniform_sampling_is_uniform_whatever_the_sizes() -> None:
    assert chisquare(drawn_tasks("uniform")).pvalue > 1e-3
    assert len(set(drawn_tasks("round_robin").tolist())) == 1


def test_proportional_and_temperature_sampling_follow_the_sizes() -> None:
    sizes = torch.tensor(SIZES).double()
    for scheme, power, options in (("proportional", 1.0, {}), ("temperature", 0.5, {"temperature": 2.0})):
        counts = drawn_tasks(scheme, **options)
        expected = counts.sum() * sizes**power / (sizes**power).sum()
        assert chisquare(counts, expected).pvalue > 1e-3


def test_rows_of_a_task_are_drawn_alike() -> None:
    data = disjoint()
    source = BatchSource(data, 1024, 1, "uniform")
    rows = torch.cat([picked for epoch in range(60) for picked, _ in source.epoch(epoch)])
    assert data.task is not None
    own = rows[data.task[rows] == 1]
    counts = torch.bincount(own, minlength=len(data))[data.task == 1]
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    "make",
    [
        lambda: BatchSource(joint(9), 4, 0, "uniform"),
        lambda: BatchSource(joint(9), 0, 0),
        lambda: BatchSource(disjoint(), 4, 0, "unifrm"),
        lambda: BatchSource(disjoint(), 4, 0, "temperature", temperature=0),
        lambda: BatchSource(disjoint(), 4, 0, "uniform", tasks_per_batch=0),
    ],
)
def test_impossible_sampling_is_refused(make) -> None:
    with pytest.raises(ConfigError):
        make()
