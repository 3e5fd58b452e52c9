"""Parameters that lie in one tensor."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sharewise.train.flat import ALIGNED, flatten_parameters, step_flat

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=NEEDS_GPU)]


def parameters(device: str) -> list[nn.Parameter]:
    sizes = ((), (64, 1, 3, 3), (64,), (64,), (5, 3))
    return [nn.Parameter(torch.randn(size, device=device)) for size in sizes]


def test_values_and_gradients_are_views_and_what_lies_between_stays_zero() -> None:
    own = parameters("cpu")
    before = [p.detach().clone() for p in own]
    flat = flatten_parameters(own)
    for parameter, value in zip(own, before, strict=True):
        torch.testing.assert_close(parameter.detach(), value, rtol=0, atol=0)
    optimizer = torch.optim.AdamW([flat], 0.1, weight_decay=0.1)
    sum(p.square().sum() for p in own).backward()
    optimizer.step()
    for parameter, value in zip(own, before, strict=True):
        assert not torch.equal(parameter, value)
    inside = sum(p.numel() for p in own)
    assert flat.numel() > inside
    assert int((flat != 0).sum()) == inside


def test_parameters_begin_where_wide_reads_may() -> None:
    own = parameters("cpu")
    flatten_parameters(own)
    assert all(p.storage_offset() % ALIGNED == 0 for p in own)


@pytest.mark.parametrize("device", DEVICES)
def test_normalisation_reads_parameters_that_follow_a_single_number(device: str) -> None:
    own = parameters(device)
    flatten_parameters(own)
    x = torch.randn(80, 1, 28, 28, device=device)
    x = F.conv2d(x, own[1].to(memory_format=torch.channels_last), padding=1)
    found = F.batch_norm(x, None, None, own[2], own[3], training=True)
    found.square().sum().backward()
    assert found.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in own)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "make",
    [
        lambda groups: torch.optim.AdamW(groups, 0.1, fused=True),
        lambda groups: torch.optim.AdamW(groups, 0.1, amsgrad=True, fused=True),
        lambda groups: torch.optim.SGD(groups, 0.1, momentum=0.9),
    ],
    ids=["adamw", "amsgrad", "sgd"],
)
def test_a_step_is_the_optimizers(
    make: Callable[[list[dict[str, object]]], torch.optim.Optimizer], device: str
) -> None:
    torch.manual_seed(0)
    first = parameters(device)
    second = [nn.Parameter(p.detach().clone()) for p in first]
    made = []
    for own in (first, second):
        flats = [flatten_parameters(own[:2]), flatten_parameters(own[2:])]
        groups = [{"params": [flat], "weight_decay": i * 0.1} for i, flat in enumerate(flats)]
        made.append((flats, make(groups)))
    for step in range(5):
        for flats, optimizer in made:
            for flat in flats:
                flat.grad = torch.full_like(flat, 0.3 - step)
            optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
        made[0][1].step()
        step_flat(made[1][1])
    for theirs, ours in zip(made[0][0], made[1][0], strict=True):
        assert torch.equal(theirs, ours)
    assert made[0][1].state_dict()["param_groups"] == made[1][1].state_dict()["param_groups"]
    for key, value in made[0][1].state_dict()["state"].items():
        assert all(torch.equal(v, made[1][1].state_dict()["state"][key][n]) for n, v in value.items())
