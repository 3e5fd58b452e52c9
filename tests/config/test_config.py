"""Configurations: read, checked as a whole, written back equal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharewise.config import RunConfig, config_digest, from_document, load_config, parse_config, to_toml
from sharewise.errors import ConfigError
from sharewise.nn import ModelOptions
from sharewise.train import TrainOptions

FULL = """
[data]
source = "flights"
split  = { by = "time", column = "time_hour", valid = 2013-10-01, test = "2013-11-01" }
features.drop = ["dep_time"]

[[tasks]]
name  = "late"
label = "arr_delay > 15"

[[tasks]]
name = "delay"
kind = { name = "regression", noise = "laplace" }

[model]
sharing = "mmoe"

[train]
batch_size = 256
patience = "none"

[balance]
method = "fixed"
weights = { late = 2.0 }

[study]
structures = ["shared_bottom", { sharing = "mmoe", hidden = [8] }]
learning_rates = [1e-3, 3e-3]
"""


def problems(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, source="run.toml")
    return str(caught.value)


def test_reads_every_table() -> None:
    config = parse_config(FULL)
    assert config.data.split is not None
    assert config.data.split.by == "time"
    assert config.data.features is not None
    assert config.data.features.drop == ("dep_time",)
    assert [task.build().name for task in config.tasks] == ["late", "delay"]
    assert config.tasks[1].build().kind.to_dict() == {"name": "regression", "noise": "laplace"}
    assert config.train.batch_size == 256
    assert config.train.patience is None
    assert [s.sharing for s in config.study.structures] == ["shared_bottom", "mmoe"]
    assert config.study.structures[1].hidden == (8,)


def test_defaults_are_those_of_the_objects() -> None:
    config = parse_config('[data]\nsource = "flights"')
    assert config.model == ModelOptions()
    assert config.train == TrainOptions()


def test_writes_what_reads_back_equal() -> None:
    config = parse_config(FULL)
    again = parse_config(to_toml(config))
    assert again == config
    assert config_digest(again) == config_digest(config)


def test_digest_ignores_the_order_of_keys_and_sees_every_value() -> None:
    one = from_document({"data": {"source": "flights"}, "train": {"seed": 1, "epochs": 2}})
    two = from_document({"train": {"epochs": 2, "seed": 1}, "data": {"source": "flights"}})
    three = from_document({"train": {"epochs": 2, "seed": 2}, "data": {"source": "flights"}})
    assert config_digest(one) == config_digest(two) != config_digest(three)


def test_structures_take_what_they_leave_out_from_the_model() -> None:
    config = parse_config('data.source = "flights"\nmodel.dropout = 0.5\nstudy.structures = ["add"]')
    assert config.study.structures[0].dropout == 0.5


def test_all_problems_at_once() -> None:
    text = problems(
        """
        [data]
        sorce = "flights"
        split = { by = "tme", column = "x" }
        [[tasks]]
        name = "a"
        kind = "binry"
        [[tasks]]
        name = "b"
        wieght = 1.0
        [model]
        sharing = "mmoo"
        [train]
        seeds = 3
        batch_size = "many"
        """
    )
    for hint in (
        "run.toml has 8 problems",
        "'source'",
        "'time'",
        "'binary'",
        "'weight'",
        "'mmoe'",
        "[study]",
    ):
        assert hint in text, f"{hint} in {text}"
    assert "batch_size in [train] is 'many'. Use a whole number." in text
    assert "[[tasks]] #2" in text


@pytest.mark.parametrize(
    "text, hint",
    [
        ("[data\nsource = 1", "line 1"),
        ('[data]\nsource = "a"\nsource = "b"', "line 3"),
        ("", "[data] is missing"),
        ("data = 3", "[data] is 3. Use a table."),
        ("[data]\nsource = 3", "source in [data] is 3. Use a text."),
        ('data.source = "f"\ntasks = 3', "[tasks] is 3. Use a list."),
        ('data.source = "f"\n[modle]', "Did you mean 'model'?"),
        ('data.source = "f"\ntrain.learning_rate = nan', "learning_rate in [train] is"),
        ('data.source = "f"\ntrain.epochs = 0', "epochs"),
        ('data.source = "f"\ntrain.accumulate = 99999999999999999999', "64 bits"),
        ('data.source = "f"\ntrain.epochs = true', "Use a whole number."),
        ('data.source = "f"\nstudy.seeds = 0', "seeds in [study] is 0"),
        ('data.source = "f"\nstudy.structures = ["mmoo"]', "Did you mean 'mmoe'?"),
        ('data.source = "f"\nbalance.method = "equl"', "Did you mean 'equal'?"),
        ('data.source = "f"\nbalance.weights = [1.0]', "takes no 'weights'"),
        ('data.source = "f"\nbalance.engine = "gost"', "Did you mean 'ghost'?"),
        ('data.source = "f"\nbalance.every = 0', "every in [balance] is 0"),
        ('data.source = "f"\nbalance.precision = "fp8"', "precision in [balance]"),
        ('data.source = "f"\ndata.split = {column = "x"}', "by"),
        ('data.source = "f"\ndata.split = {by = "time", column = "x", valid = 1}', "test"),
        ('data.source = "f"\ntasks = [{name = "a"}, {name = "a"}]', "Two tasks are called 'a'"),
        ('data.source = "f"\ntasks = [{name = "a", weight = inf}]', "weight"),
        ('data.source = "f"\ntasks = [{name = "a", kind = {name = "count", noise = "x"}}]', "kind"),
    ],
)
def test_says_what_and_where(text: str, hint: str) -> None:
    assert hint in problems(text)


def test_relative_sources_are_taken_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('data.source = "rows/*.csv"')
    assert load_config(tmp_path / "run.toml").data.source == str(tmp_path / "rows/*.csv")
    (tmp_path / "run.toml").write_text('data.source = "flights"')
    assert load_config(tmp_path / "run.toml").data.source == "flights"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError):
        load_config(path)
    with pytest.raises(ConfigError):
        load_config(tmp_path)


scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=5)
values = st.recursive(
    scalars.filter(lambda v: v is not None),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    ["data", "tasks", "model", "train", "balance", "study", "source", "split", "by", "name", "sharing", "x"]
)
documents = st.dictionaries(names, values | st.dictionaries(names, values, max_size=3), max_size=4)


@given(documents)
def test_any_document_is_a_configuration_or_a_clear_error(document: dict[str, object]) -> None:
    try:
        assert isinstance(from_document(document), RunConfig)
    except ConfigError as error:
        assert str(error).strip()  # noqa: PT017 - either outcome is right


@given(st.text(max_size=60))
def test_any_text_is_a_configuration_or_a_clear_error(text: str) -> None:
    try:
        parse_config(text)
    except ConfigError as error:
        assert str(error).strip()  # noqa: PT017 - either outcome is right
