"""Tables that grow, offsets, and heads that keep their predictions."""

from __future__ import annotations

import pytest
import torch

from sharewise.errors import ConfigError
from sharewise.nn import GrowingTable, ModelOptions, MultiTaskModel, Offset, grow
from sharewise.nn.initial import Initial
from sharewise.nn.offset import KEY
from sharewise.tasks import InputSpec, Task, TaskSet
from sharewise.train.growth import fit_state
from sharewise.train.predict import to_predictions

TASKS = TaskSet([Task("click"), Task("watch", "regression"), Task("rating", "regression")])


def make(sharing: str = "mmoe", offset: bool = False, members: int = 1) -> MultiTaskModel:
    options = ModelOptions(sharing=sharing, hidden=(8,), experts=2, embedding=4, members=members)
    added = Offset(TASKS, ("click",), Initial(1)) if offset else None
    return MultiTaskModel(TASKS, InputSpec(growing=2), options, offset=added)


@pytest.mark.parametrize("sharing", ["mmoe", "independent", "shared_bottom"])
def test_old_rows_stay_as_they_are(sharing: str) -> None:
    model = make(sharing)
    ids = torch.tensor([[0, 1], [5, 900]])
    before = model({"growing": ids})
    grow(model, 5000)
    assert torch.equal(model({"growing": ids}), before)
    assert model({"growing": torch.tensor([[4999, 3]])}).isfinite().all()


def test_growth_in_steps_is_growth_at_once() -> None:
    steps, once = GrowingTable(4, None, Initial(3)), GrowingTable(4, None, Initial(3))
    for rows in (1100, 2049, 6000):
        steps.grow(rows)
    once.grow(6000)
    assert steps.capacity == once.capacity == 8192
    assert torch.equal(steps.table, once.table)


def test_a_state_of_a_larger_table_is_loaded() -> None:
    large, small = make(), make()
    grow(large, 3000)
    small.load_state_dict(large.state_dict())
    ids = torch.tensor([[2999, 2]])
    assert torch.equal(small({"growing": ids}), large({"growing": ids}))


@pytest.mark.parametrize("sharing", ["mmoe", "cgc", "ple"])
def test_tables_grow_though_a_penalty_was_kept(sharing: str) -> None:
    """The importance loss of the last pass holds its graph, which expects the table as it was."""
    options = ModelOptions(sharing=sharing, hidden=(8,), experts=2, embedding=4, importance=0.1)
    model = MultiTaskModel(TASKS, InputSpec(growing=2), options)
    ids = torch.tensor([[0, 1], [5, 900]])
    for rows in (1024, 3000, 9000):
        model.grow(rows)
        with model.parted():
            (model({"growing": ids}).sum() + model.penalty()).backward()
        assert model.penalty().requires_grad


def test_the_optimizer_goes_on_with_what_it_knew() -> None:
    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.0)
    model({"growing": torch.tensor([[3, 4]])}).sum().backward()
    optimizer.step()
    table = model.encoder.parts["growing"].rows.table
    before = optimizer.state[table]["exp_avg"].clone()
    grow(model, 2000)
    fit_state(optimizer)
    grown = optimizer.state[table]["exp_avg"]
    assert grown.shape == table.shape
    assert torch.equal(grown[:, :1024], before)
    assert not grown[:, 1024:].any()
    untouched = table[:, 1500].clone()
    optimizer.zero_grad()
    model({"growing": torch.tensor([[3, 1999]])}).sum().backward()
    old = table[:, 1999].clone()
    optimizer.step()
    assert torch.equal(table[:, 1500], untouched)
    assert not torch.equal(table[:, 1999], old)


def test_an_offset_is_added_to_its_tasks_alone_where_it_is_known() -> None:
    model = make(offset=True)
    ids = torch.tensor([[3, 4]] * 3)
    plain = model({"growing": ids})
    added = model({"growing": ids, KEY: torch.tensor([0, 1, 2])}) - plain
    assert not added[0].any()
    assert not added[:, 1:].any()
    assert added[1, 0] != added[2, 0] != 0
    own = {id(p) for p in model.own_parameters()}
    assert all(id(p) in own for p in model.offset.parameters())


def test_an_offset_learns_at_its_own_rate() -> None:
    model = MultiTaskModel(
        TASKS, InputSpec(growing=1), ModelOptions(), offset=Offset(TASKS, ("click",), Initial(0), rate=5.0)
    )
    rates = {id(p): g["lr_factor"] for g in model.parameter_groups() for p in g["params"]}
    assert all(rates[id(p)] == 5.0 for p in model.offset.parameters())


@pytest.mark.parametrize("name", ["watch", "clik"])
def test_an_offset_of_the_wrong_task_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Offset(TASKS, (name,), Initial(0))


@pytest.mark.parametrize("members", [1, 3])
def test_other_scales_change_no_prediction(members: int) -> None:
    model = make(members=members)
    ids = {"growing": torch.tensor([[3, 4], [7, 9]])}
    model.retarget(TASKS.replace(mean=[0.0, 2.0, 3.0], scale=[1.0, 0.5, 1.2]))
    outputs = model(ids)
    before = [to_predictions(o, model.tasks) for o in outputs.reshape(-1, *outputs.shape[-2:])]
    model.retarget(TASKS.replace(mean=[0.0, 4.0, 3.1], scale=[1.0, 2.5, 1.1]))
    outputs = model(ids)
    after = [to_predictions(o, model.tasks) for o in outputs.reshape(-1, *outputs.shape[-2:])]
    torch.testing.assert_close(after, before)


def test_tasks_of_one_head_cannot_be_rescaled() -> None:
    model = MultiTaskModel(TASKS, InputSpec(growing=1), ModelOptions(sharing="add"))
    with pytest.raises(ConfigError, match="head"):
        model.retarget(TASKS.replace(scale=[1.0, 2.0, 3.0]))
