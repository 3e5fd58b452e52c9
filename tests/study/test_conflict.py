"""What studies say of conflicts: pooling, intervals, words."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.stats import ttest_1samp

from sharewise.balance import Conflict
from sharewise.study.conflict import conflict_of
from sharewise.tasks import Task, TaskSet

TASKS = TaskSet([Task("a"), Task("b"), Task("c")])


def looks(count: int, against: float, seed: int = 0) -> tuple[list[dict[str, Any]], torch.Tensor]:
    """Return the log of a run with a record for every five looks, and the agreements of every look."""
    generator = torch.Generator().manual_seed(seed)
    conflict, records, seen = Conflict(3), [], []
    for look in range(count):
        j = torch.randn(3, 8, dtype=torch.float64, generator=generator)
        j[1] = j[1] - against * (j[0] + j[2])
        conflict.see(j @ j.T, torch.ones(3))
        seen.append(j @ j.sum(0) / j.norm(dim=1) / j.sum(0).norm())
        if look % 5 == 4:
            losses = {"a": 1.0 / (look + 1), "b": 1.0, "c": None}
            records.append({"train": losses, "conflict": conflict.record(TASKS.names)})
            conflict.clear()
    return records, torch.stack(seen)


def test_pooled_intervals_are_those_of_all_looks() -> None:
    (first, a), (second, b) = looks(40, 0.0), looks(25, 0.0, 1)
    found = conflict_of([first, second], TASKS)
    assert found is not None
    assert found["looks"] == 65
    every = torch.cat([a, b])
    for i, task in enumerate("abc"):
        expected = ttest_1samp(every[:, i].numpy(), 0.0).confidence_interval(0.95)
        own = found["tasks"][task]
        assert own["mean"] == pytest.approx(float(every[:, i].mean()))
        assert (own["low"], own["high"]) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert own["hurt"] == pytest.approx(float((every[:, i] < 0).double().mean()))
    assert found["worst"] == pytest.approx(float(every.min(1).values.mean()))
    assert found["cosines"][0][0]["mean"] == pytest.approx(1.0)
    assert found["cosines"][0][1] == pytest.approx(found["cosines"][1][0])


def test_words_claim_what_the_intervals_allow() -> None:
    def words(count: int, against: float) -> str:
        found = conflict_of([looks(count, against)[0]], TASKS)
        assert found is not None
        return str(found["words"])

    assert words(200, 3.0).startswith("On average the step went against 'a' and 'c'")
    assert words(200, 0.0) == "On average the step went along with every task."
    assert "it cannot be told" in words(5, 0.8)


def test_learning_speed_is_the_share_of_loss_left() -> None:
    found = conflict_of([looks(20, 0.0)[0]], TASKS)
    assert found is not None
    left = [found["tasks"][task]["left"] for task in "abc"]
    assert left[:2] == pytest.approx([5 / 20, 1.0])
    assert left[2] is None


def test_one_look_gives_no_interval() -> None:
    conflict = Conflict(3)
    conflict.see(torch.eye(3), torch.ones(3))
    found = conflict_of([[{"train": {}, "conflict": conflict.record(TASKS.names)}]], TASKS)
    assert found is not None
    assert math.isnan(found["tasks"]["a"]["low"])
    assert "cannot be told" in found["words"]


def test_runs_that_did_not_look_say_nothing() -> None:
    assert conflict_of([[{"train": {"a": 1.0}}]], TASKS) is None
