"""Drop-out masks that do not depend on how rows are spread."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sharewise.nn import Dropout, RowShard, row_shard
from sharewise.nn.dropout import batch_average, keep_mask
from sharewise.streams import stream


@given(cut=st.integers(1, 11), members=st.integers(1, 3), copies=st.integers(0, 2))
def test_parts_have_the_masks_of_the_whole(cut: int, members: int, copies: int) -> None:
    rows, drop = 12, Dropout(0.5)
    x = torch.ones(*((copies,) if copies else ()), rows * members, 4)

    def masked(start: int, count: int) -> torch.Tensor:
        with row_shard(RowShard(start, count, rows, stream(0, "d"))):
            return drop(x[..., start * members : (start + count) * members, :])

    parts = torch.cat([masked(0, cut), masked(cut, rows - cut)], -2)
    assert torch.equal(parts, masked(0, rows))


def test_values_are_dropped_and_the_rest_scaled() -> None:
    torch.manual_seed(0)
    y = Dropout(0.25)(torch.ones(100, 100))
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs(float(y.mean()) - 1) < 0.02


@given(keep=st.floats(0.1, 0.9), rows=st.integers(997, 1003))
def test_masks_keep_as_often_as_asked(keep: float, rows: int) -> None:
    with row_shard(RowShard(0, rows, rows, stream(0, "often", rows))):
        mask = keep_mask(torch.ones(rows, 21), keep)
    assert mask.shape == (rows, 21)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    expected = (keep * (1 - keep) / mask.numel()) ** 0.5
    assert abs(mask.mean().item() - keep) < 6 * expected + 1e-5
    by_column = mask.mean(0)  # four neighbours come from one word: none of them may be another's copy
    assert by_column.std().item() < 2 * (keep * (1 - keep) / rows) ** 0.5
    pairs = torch.corrcoef(mask.T)
    assert (pairs - torch.eye(21)).abs().max().item() < 8 / rows**0.5


def test_nothing_is_dropped_in_evaluation_or_at_rate_0() -> None:
    x = torch.randn(3, 4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_a_generator_makes_masks_repeat() -> None:
    def mask() -> torch.Tensor:
        with row_shard(RowShard(0, 6, 6, stream(0, "step", 3))):
            return keep_mask(torch.ones(6, 5), 0.5)

    assert torch.equal(mask(), mask())


def test_averages_go_over_processes_only_inside() -> None:
    x = torch.tensor([1.0])
    assert batch_average(x) is x
    with row_shard(RowShard(0, 1, 2, average=lambda value: value / 2)):
        assert batch_average(x).item() == 0.5
    assert batch_average(x) is x
