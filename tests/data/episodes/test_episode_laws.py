"""Laws of episodes, whatever they are drawn from."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest
import torch
from episode_stubs import labelled, numbers, rows_of_tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from sharewise.data.episodes import (
    Condition,
    Episodes,
    EpisodeSource,
    LabelledExamples,
    Shots,
    Sinusoids,
    TaskRows,
)
from sharewise.streams import stream

Make = Callable[[], EpisodeSource]
SOURCES: dict[str, tuple[Make, Condition]] = {
    "labelled": (lambda: labelled([9] * 12), Condition(shots=2, queries=3, ways=4)),
    "labelled, any size": (lambda: labelled([9] * 12), Condition(shots=(1, 4), queries=3, ways=(2, 5))),
    "tasks": (lambda: rows_of_tasks([8, 9, 30]), Condition(shots=3, queries=4)),
    "tasks in order": (lambda: rows_of_tasks([8, 9, 30], ordered=True), Condition(shots=(1, 5), queries=4)),
    "tasks with padding": (lambda: rows_of_tasks([4, 6, 30]), Condition(shots=3, queries=9)),
    "functions": (Sinusoids, Condition(shots=(2, 5), queries=4)),
}


def same(first: Episodes, second: Episodes) -> bool:
    pairs = [(first.support, second.support), (first.query, second.query)]
    return all(
        torch.equal(a, b) for one, other in pairs for a, b in zip(one.tensors(), other.tensors(), strict=True)
    )


def present(shots: Shots, task: int) -> set[int]:
    rows = numbers(shots.inputs["numeric"])[task]
    found = rows if shots.mask is None else rows[shots.mask[task]]
    assert len(set(found.tolist())) == len(found)  # no row twice
    return set(found.tolist())


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    shots=st.integers(1, 8),
    queries=st.integers(1, 12),
    ordered=st.booleans(),
    seed=st.integers(0, 99),
)
def test_rows_of_a_task_are_support_or_query(
    counts: list[int], shots: int, queries: int, ordered: bool, seed: int
) -> None:
    source = rows_of_tasks([*counts, shots + 1], ordered)
    drawn = source.sample(Condition(shots, queries), 7, stream(seed, "law"))
    assert drawn.ways == 0
    for task in range(7):
        support, query = present(drawn.support, task), present(drawn.query, task)
        assert not support & query
        own = {int(source.task[row]) for row in support | query}
        assert len(own) == 1
        size = int(source.counts[own.pop()])
        assert len(support) == shots  # a task takes part only if there is a query left
        assert len(query) == min(queries, size - shots)
        if ordered:
            assert max(support) < min(query)
    weights = drawn.query.weights
    assert torch.allclose(weights.sum(1), torch.ones(7))
    if drawn.query.mask is not None:
        assert not weights[~drawn.query.mask].any()


@given(
    counts=st.lists(st.integers(1, 30), min_size=4, max_size=9),
    ways=st.integers(2, 4),
    shots=st.integers(1, 4),
    queries=st.integers(1, 4),
    within=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
def test_a_task_has_distinct_classes_each_with_as_many_examples(
    counts: list[int], ways: int, shots: int, queries: int, within: float, seed: int
) -> None:
    each = shots + queries
    sizes = [*counts, *([each] * ways)]
    groups = [i % 2 for i in range(len(counts))] + [2] * ways
    source = labelled(sizes, groups, within)
    drawn = source.sample(Condition(shots, queries, ways), 6, stream(seed, "law"))
    assert drawn.ways == ways
    assert drawn.classes is not None
    for part, rows in ((drawn.support, shots), (drawn.query, queries)):
        assert part.mask is None
        assert torch.equal(
            part.targets.sort(1).values, torch.arange(ways).repeat_interleave(rows).expand(6, -1)
        )
        # The label stands for the class that the episode names.
        behind = drawn.classes.gather(1, part.targets.long())
        assert torch.equal(source.labels[numbers(part.inputs["numeric"])], behind)
    for task in range(6):
        assert len(set(drawn.classes[task].tolist())) == ways
        assert not present(drawn.support, task) & present(drawn.query, task)
        if within == 1.0:
            assert len({groups[c] for c in drawn.classes[task].tolist()}) == 1


@pytest.mark.parametrize("name", SOURCES)
def test_no_row_is_in_both_sets(name: str) -> None:
    make, condition = SOURCES[name]
    for drawn in islice(make().batches(condition, 5, 0, "law"), 20):
        for task in range(5):
            support, query = (
                shots.inputs["numeric"][task, :, 0]
                if shots.mask is None
                else shots.inputs["numeric"][task, shots.mask[task], 0]
                for shots in (drawn.support, drawn.query)
            )
            assert len(torch.cat([support, query]).unique()) == len(support) + len(query)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("count", [1, 7, 5000])
def test_a_batch_depends_on_its_number_alone(name: str, count: int) -> None:
    make, condition = SOURCES[name]
    source, far = make(), 3 if count == 5000 else 130
    batches = list(islice(source.batches(condition, count, 1, "train"), far + 1))
    assert not same(batches[0], batches[1]) if count > 1 else True
    for start in {0, 1, far // 2, far}:
        source.sample(condition, 3, stream(9, "something else"))
        assert same(next(source.batches(condition, count, 1, "train", start)), batches[start])
        assert same(next(make().batches(condition, count, 1, "train", start)), batches[start])
    assert not same(next(source.batches(condition, count, 2, "train")), batches[0])
    assert not same(next(source.batches(condition, count, 1, "valid")), batches[0])


@pytest.mark.parametrize("name", SOURCES)
def test_sizes_vary_only_where_they_may(name: str) -> None:
    make, condition = SOURCES[name]
    sizes = {
        (b.ways, b.support.rows // max(b.ways, 1)) for b in islice(make().batches(condition, 2, 0, "x"), 200)
    }
    if condition.fixed:
        assert len(sizes) == 1
    else:
        ways = range(2, 6) if "labelled" in name else [0]
        low, high = condition.shots if isinstance(condition.shots, tuple) else (0, 0)
        assert sizes == {(w, s) for w in ways for s in range(low, high + 1)}


def test_batches_of_one_condition_have_one_shape_and_all_a_mask_or_none() -> None:
    source = rows_of_tasks([4, 6, 30])
    shapes = {
        (b.query.rows, b.query.mask is None) for b in islice(source.batches(Condition(3, 9), 1, 0, "x"), 50)
    }
    assert shapes == {(9, False)}
    small = rows_of_tasks([4, 6])
    assert {b.query.rows for b in islice(small.batches(Condition(3, 9), 1, 0, "x"), 50)} == {3}


def test_all_tasks_are_drawn_alike() -> None:
    source = rows_of_tasks([5, 50, 20, 7, 3])
    drawn = source.sample(Condition(3, 1), 20_000, stream(0, "law"))
    own = torch.bincount(source.task[numbers(drawn.support.inputs["numeric"])[:, 0]], minlength=5)
    assert int(own[4]) == 0  # has no row left to be judged by
    assert chisquare(own[:4].numpy()).pvalue > 1e-3


def test_all_rows_of_a_task_are_drawn_alike() -> None:
    for ordered in (False, True):
        source = rows_of_tasks([12], ordered)
        drawn = source.sample(Condition(2, 3), 12_000, stream(0, "law"))
        rows = torch.cat([numbers(part.inputs["numeric"]) for part in (drawn.support, drawn.query)], 1)
        assert chisquare(torch.bincount(rows.flatten(), minlength=12).numpy()).pvalue > 1e-3


def test_all_classes_and_pairs_of_them_are_drawn_alike() -> None:
    source = labelled([3, 8, 3, 3, 5, 3])
    drawn = source.sample(Condition(1, 2, 2), 30_000, stream(0, "law"))
    assert drawn.classes is not None
    pairs = torch.bincount(drawn.classes[:, 0] * 6 + drawn.classes[:, 1], minlength=36).reshape(6, 6)
    assert not pairs.diagonal().any()
    assert chisquare(pairs[~torch.eye(6, dtype=torch.bool)].numpy()).pvalue > 1e-3


def test_groups_that_are_large_enough_are_drawn_alike() -> None:
    source = labelled([3] * 12, [0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2], within=0.7)
    drawn = source.sample(Condition(1, 2, 3), 20_000, stream(0, "law"))
    assert drawn.classes is not None
    assert source.groups is not None
    groups = source.groups[drawn.classes]
    near = (groups == groups[:, :1]).all(1)
    assert not bool((near & (groups[:, 0] == 0)).any())  # its two classes are too few
    # Three of twelve classes are of one of the large groups by chance as well.
    expected = 0.7 + 0.3 * 2 * (5 * 4 * 3) / (12 * 11 * 10)
    assert float(near.float().mean()) == pytest.approx(
        expected, abs=4 * (expected * (1 - expected) / 20_000) ** 0.5
    )
    assert chisquare(torch.bincount(groups[near, 0], minlength=3)[1:].numpy()).pvalue > 1e-3


def test_tasks_asked_for_by_number_may_have_no_support() -> None:
    source = rows_of_tasks([4, 6, 30])
    drawn = source.episodes(torch.tensor([2, 0]), 0, 5, stream(0, "none"))
    assert drawn.support.rows == 0
    assert drawn.query.mask is not None
    assert drawn.query.mask.sum(1).tolist() == [5, 4]
    assert [int(source.task[next(iter(present(drawn.query, t)))]) for t in (0, 1)] == [2, 0]


def test_bytes_stand_for_numbers_from_0_to_1() -> None:
    plain = labelled([600, 600])
    plain.values["numeric"] = plain.values["numeric"] % 256
    packed = labelled([600, 600])
    packed.values["numeric"] = plain.values["numeric"].to(torch.uint8)
    condition = Condition(300, 300, 2)
    whole, found = (source.sample(condition, 2, stream(0, "bytes")) for source in (plain, packed))
    assert found.support.inputs["numeric"].dtype == torch.float32
    assert torch.allclose(found.query.inputs["numeric"], whole.query.inputs["numeric"] / 255)


def test_digests_differ_where_the_data_does() -> None:
    def change(make: Callable[[], LabelledExamples | TaskRows], name: str) -> str:
        source = make()
        changed = getattr(source, name)
        if isinstance(changed, dict):
            changed["numeric"][3] += 1
        elif isinstance(changed, torch.Tensor):
            changed[2] += 1
        elif name == "names":
            source.names = ("another", *source.names[1:])
        else:
            setattr(source, name, changed + 1)
        return source.digest()

    makers: list[tuple[Callable[[], LabelledExamples | TaskRows], tuple[str, ...]]] = [
        (lambda: labelled([3, 4, 5], [0, 1, 1], 0.5), ("values", "labels", "groups", "names", "within")),
        (lambda: rows_of_tasks([3, 4]), ("values", "targets", "task", "names", "classes", "ordered")),
    ]
    for make, names in makers:
        found = [make().digest(), *(change(make, name) for name in names)]
        assert len(set(found)) == len(found)
        assert make().digest() == found[0]
    assert labelled([3, 4]).digest() != labelled([3, 4], [0, 0]).digest()
    assert Sinusoids().digest() != Sinusoids(0.1).digest()


def test_a_sine_wave_is_one() -> None:
    """A sin(x - b) fits every task's rows exactly, A and b lie in their ranges, noise is as large as said."""
    drawn = Sinusoids().sample(Condition(shots=4, queries=12), 500, stream(0, "waves"))
    x = torch.cat([part.inputs["numeric"] for part in (drawn.support, drawn.query)], 1).double()
    y = torch.cat([drawn.support.targets, drawn.query.targets], 1).double()
    assert float(x.abs().max()) <= 5
    basis = torch.cat([x.sin(), -x.cos()], 2)
    solved = torch.linalg.lstsq(basis, y.unsqueeze(2)).solution
    assert float((basis @ solved - y.unsqueeze(2)).abs().max()) < 1e-4
    height, phase = solved.norm(dim=1).squeeze(1), torch.atan2(solved[:, 1, 0], solved[:, 0, 0])
    assert float(height.min()) >= 0.1 - 1e-4
    assert float(height.max()) <= 5 + 1e-4
    assert float(phase.min()) >= -1e-3
    assert float(phase.max()) <= torch.pi + 1e-3
    noisy = Sinusoids(0.3).sample(Condition(shots=4, queries=12), 500, stream(0, "waves"))
    spread = (noisy.query.targets - drawn.query.targets).std()
    assert float(spread) == pytest.approx(0.3, rel=0.05)


@settings(max_examples=20)
@given(part=st.integers(0, 3))
def test_part_of_the_episodes(part: int) -> None:
    drawn = labelled([9] * 12).sample(Condition(2, 3, 4), 4, stream(0, "take"))
    one = drawn.take(slice(part, part + 1))
    assert len(one) == 1
    assert drawn.classes is not None
    assert one.classes is not None
    assert torch.equal(one.classes[0], drawn.classes[part])
    assert torch.equal(one.query.targets[0], drawn.query.targets[part])
    assert one.support.first(3).rows == 3
