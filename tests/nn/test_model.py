"""MultiTaskModel, its options and its cost."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from sharewise.errors import ConfigError
from sharewise.nn import PRESETS, STRUCTURES, Cost, ModelOptions, MultiTaskModel
from sharewise.tasks import InputSpec, Task, TaskSet
from sharewise.testing.structures import mixed_tasks
from sharewise.testing.toys import ROWS, SMALL, SPEC, make_inputs, make_tasks

WRONG: list[dict[str, Any]] = [
    {"sharing": "mmeo"},
    {"match_to": "nothing"},
    {"match": "time"},
    {"hidden": ()},
    {"hidden": (8, 0)},
    {"tower": (-1,)},
    {"dropout": 1.0},
    {"dropout": float("nan")},
    {"expert_dropout": -0.1},
    {"experts": 0},
    {"importance": -1.0},
    {"soft": float("nan")},
    {"importance": float("inf")},
    {"soft_to": "median"},
    {"multiply": "add"},
    {"head": "none"},
    {"descriptor": "name"},
    {"numeric": "splines"},
    {"members": 0},
    {"stitch": 1.5},
    {"condition_at": (2,)},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_wrong_options_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        ModelOptions(**wrong)
    assert error.value.remedy


def test_the_nearest_structure_is_offered() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'mmoe'"):
        ModelOptions(sharing="mmeo")


def test_options_are_documented() -> None:
    text = f"{ModelOptions.__doc__} {ModelOptions.__mro__[1].__doc__}"
    assert [field.name for field in fields(ModelOptions) if field.name not in text] == []


def test_lists_become_tuples() -> None:
    assert ModelOptions(hidden=[8, 4]).hidden == (8, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_name_what_they_are(name: str) -> None:
    assert len(STRUCTURES[name].__doc__ or "") > 60


def test_a_count_of_parameters_and_multiplications() -> None:
    tasks, spec = make_tasks("binary", 2), InputSpec(bins=((0.0, 1.0),) * 100)
    model = MultiTaskModel(tasks, spec, PRESETS["mmoe_kdd18"])
    experts, gates, towers = 100 * 8 * 16, 100 * 2 * 8, 2 * (16 * 8 + 8)
    biases = 8 * 16 + 2 * 8 + 2 * 8 + 2
    assert model.cost().parameters == experts + gates + towers + biases
    assert experts + gates + towers <= model.cost().multiplications <= experts + gates + towers + 2 * 8 * 16
    assert model.training


def test_cost_counts_every_member_and_task() -> None:
    spec = InputSpec(bins=((0.0, 1.0),) * 10)
    options = ModelOptions(sharing="shared_bottom", hidden=(5,))
    one = MultiTaskModel(make_tasks("binary", 1), spec, options).cost()
    assert one == Cost(10 * 5 + 5 + 5 + 1, 10 * 5 + 5)
    alone = replace(options, sharing="independent")
    assert MultiTaskModel(make_tasks("binary", 3), spec, alone).cost().multiplications == 3 * 55


def test_the_matched_shared_bottom_of_the_paper() -> None:
    spec = InputSpec(bins=((0.0, 1.0),) * 100)
    options = replace(PRESETS["shared_bottom_kdd18"], tower=(8,))
    model = MultiTaskModel(make_tasks("regression", 2), spec, options)
    target = MultiTaskModel(make_tasks("regression", 2), spec, PRESETS["mmoe_kdd18"]).cost().parameters
    assert abs(model.cost().parameters - target) <= 0.005 * target
    assert 110 <= model.options.hidden[0] <= 130  # 113 in the paper, whose gates and towers have no biases
    assert model.options.match is None
    rebuilt = MultiTaskModel(make_tasks("regression", 2), spec, model.options)
    inputs = {"numeric": torch.randn(4, 100)}
    assert torch.equal(model(inputs), rebuilt(inputs))


def test_descriptors_without_a_task_need_one_kind() -> None:
    options = replace(SMALL, sharing="concat", descriptor="attributes")
    model = MultiTaskModel(mixed_tasks(), SPEC, options)
    with pytest.raises(ConfigError, match="several kinds"):
        model(make_inputs(), descriptor=torch.zeros(ROWS, 2))
    task = torch.full((ROWS,), 1)  # says only that the kind is multiclass
    assert model(make_inputs(), task, torch.zeros(ROWS, 2)).shape == (ROWS, 3)


def test_structures_without_descriptors_ignore_them() -> None:
    model = MultiTaskModel(make_tasks("binary"), SPEC, SMALL)
    task = torch.zeros(ROWS, dtype=torch.int64)
    assert torch.equal(model(make_inputs(), task, torch.ones(ROWS, 2)), model(make_inputs(), task))


def test_own_descriptors_and_texts() -> None:
    tasks, task = make_tasks("binary"), torch.arange(ROWS) % 3
    z = torch.randn(3, 4)
    own = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="multiply", descriptor="text"), descriptors=z)
    torch.testing.assert_close(own(make_inputs(), task), own(make_inputs(), task, z[task]))
    text = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="concat", descriptor="text"))
    assert text.descriptors is not None
    assert text.descriptors.shape == (3, 64)


@pytest.mark.parametrize("head", ["per_task", "per_kind"])
@pytest.mark.parametrize("sharing", ["concat", "mmoe", "shared_bottom"])
def test_heads_per_task_or_per_kind(head: str, sharing: str) -> None:
    tasks = mixed_tasks()
    model = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing=sharing, head=head, members=2))
    count = sum(group.head.copies for group in model.heads.groups)
    assert count == 2 * (len(tasks) if head == "per_task" else len(tasks.groups))
    assert model(make_inputs()).shape == (2, ROWS, tasks.columns)


def test_decay_is_for_matrices_only() -> None:
    model = MultiTaskModel(mixed_tasks(), SPEC, replace(SMALL, sharing="cross_stitch", members=2))
    names = {id(p): name for name, p in model.named_parameters()}
    decayed = {names[id(p)] for g in model.parameter_groups() if g["decay"] for p in g["params"]}
    assert decayed
    assert all(name.endswith("weight") for name in decayed)
    assert not any("table" in name or "stitch" in name or "members" in name for name in decayed)


def test_gates_do_not_touch_the_state() -> None:
    model = MultiTaskModel(
        mixed_tasks(), SPEC, replace(SMALL, importance=0.1, expert_dropout=0.5, dropout=0.5)
    )
    model(make_inputs())
    before = model.penalty().detach().clone()
    first = model.gates(make_inputs())
    assert torch.equal(first, model.gates(make_inputs()))
    assert torch.equal(model.penalty().detach(), before)
    assert model.penalty().requires_grad
    assert model.training


def test_one_task_of_each_structure() -> None:
    for name in STRUCTURES:
        model = MultiTaskModel(TaskSet([Task("only")]), SPEC, replace(SMALL, sharing=name, experts=1))
        task = torch.zeros(ROWS, dtype=torch.int64)
        assert model(make_inputs()).shape == (ROWS, 1)
        torch.testing.assert_close(model(make_inputs()), model(make_inputs(), task))


def test_batches_of_one_row_and_of_none() -> None:
    for name in STRUCTURES:
        model = MultiTaskModel(mixed_tasks(), SPEC, replace(SMALL, sharing=name))
        for rows in (0, 1):
            inputs = make_inputs(rows)
            assert model(inputs).shape == (rows, model.tasks.columns), name
            assert model(inputs, torch.zeros(rows, dtype=torch.int64)).shape == (rows, 3), name


def test_a_cost_that_cannot_be_matched_is_refused() -> None:
    tasks, inputs = TaskSet([Task(str(i)) for i in range(6)]), InputSpec(cardinalities=(2000,))
    options = ModelOptions(sharing="independent", match="parameters", match_to="mmoe", hidden=(16,))
    with pytest.raises(ConfigError, match=r"cannot have the .* parameters of 'mmoe'"):
        MultiTaskModel(tasks, inputs, options)


def test_small_and_large_mixtures_are_counted_alike() -> None:
    """Experts, gates and mixtures by hand, whichever way they are computed."""
    tasks, inputs = TaskSet([Task("a"), Task("b")]), InputSpec(bins=((-1.0, 1.0),) * 10)
    for width in (16, 17):
        options = ModelOptions(sharing="mmoe", hidden=(width,), experts=8, numeric="linear")
        found = MultiTaskModel(tasks, inputs, options).cost().multiplications
        assert found == 10 * 8 * width + 10 * 8 * 2 + 2 * 8 * width + 2 * width
