"""Meta-learning configurations: what is left open is decided and written out, and reads back equal."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sharewise.config import MetaConfig, load_meta_config, parse_meta_config, prepare_meta, to_toml
from sharewise.data.episodes import Condition
from sharewise.errors import ConfigError
from sharewise.meta import LEARNERS, options_of
from sharewise.train.meta_options import MetaOptions

SINUSOID = '[data]\nsource = "sinusoid"\n'


def prepared(text: str) -> MetaConfig:
    return prepare_meta(parse_meta_config(text)).config


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        parse_meta_config(text)
    return str(error.value)


@pytest.mark.parametrize("name", LEARNERS)
def test_what_is_decided_is_written_out_and_stays(name: str) -> None:
    kind_fits = not LEARNERS[name].kinds or "regression" in LEARNERS[name].kinds
    config = prepared(f'{SINUSOID}[learner]\nname = "{name}"\n')
    assert config.learner.options == options_of(name)
    assert config.data.options == {"noise": 0.0}
    assert config.episodes.shots == 10
    again = parse_meta_config(to_toml(config))
    assert again == config
    assert prepare_meta(again).config == config
    if kind_fits:
        assert config.learner.build(prepare_meta(config).spec).spec.kind.name == "regression"


def test_given_values_arrive() -> None:
    config = prepared(
        SINUSOID
        + "[episodes]\nshots = [2, 7]\nqueries = 4\n"
        + '[learner]\nname = "maml"\nsteps = 3\nrate = 1\nnet = { hidden = [5] }\n'
        + '[train]\nclip = "none"\niterations = 7\n'
        + "[evaluate]\nepisodes = 12\nshots = [4]\n"
    )
    assert prepare_meta(config).condition == Condition((2, 7), 4, None)
    learner = config.learner.build(prepare_meta(config).spec)
    assert (learner.steps, learner.rate, learner.net.depth) == (3, 1, 2)
    assert config.train == MetaOptions(iterations=7)
    plan = config.evaluate.plan()
    assert (plan.episodes, plan.shots) == (12, (4,))


def test_what_episodes_leave_out_is_as_usual_for_the_data() -> None:
    found = prepare_meta(parse_meta_config(SINUSOID + "[episodes]\nshots = 3\n"))
    assert found.condition == Condition(3, found.episodes.condition.queries, None)


@pytest.mark.parametrize(
    "name, others",
    [("maml", ("scratch", "pooled", "fine_tuned")), ("scratch", ("pooled", "fine_tuned"))],
)
def test_baselines_are_all_that_can_learn_the_labels(name: str, others: tuple[str, ...]) -> None:
    config = prepared(f'{SINUSOID}[learner]\nname = "{name}"\n')
    assert config.evaluate.baselines == others  # no centroid: these labels are numbers
    assert tuple(prepare_meta(config).baselines()) == others


def test_tables(tmp_path: Path) -> None:
    rows = [(f"t{task}", i, float(i * task % 7), 100 + 10 * (i % 4)) for task in range(20) for i in range(9)]
    pl.DataFrame(rows, schema=["task", "when", "x", "y"], orient="row").write_csv(tmp_path / "rows.csv")
    (tmp_path / "run.toml").write_text(
        '[data]\nsource = "rows.csv"\ntask_column = "task"\norder = "when"\nfeatures.keep = ["x"]\n'
        '[task]\nname = "label"\nkind = "regression"\nlabel = "y + 1"\n[episodes]\nshots = 4\n'
    )
    found = prepare_meta(load_meta_config(tmp_path / "run.toml"))
    table = found.episodes.table
    assert table is not None
    assert table.schema.columns == ("x",)
    assert found.episodes.train.ordered
    assert (found.mean, found.scale) == (table.task.mean, table.task.scale)
    assert 100 < found.mean < 131
    assert found.config.evaluate.shots == (1, 5)  # ten are more than there are rows
    assert Path(found.config.data.source).is_absolute()
    assert parse_meta_config(to_toml(found.config)) == found.config


def test_every_problem_is_told_at_once() -> None:
    said = refused(
        '[data]\nsource = "sinusoid"\nsplt = 3\n[task]\nname = "a"\nkind = "binry"\n'
        '[learner]\nname = "maml"\nstep = 5\nrate = "a"\n[episodes]\nways = true\n'
        "[train]\niteration = 3\n[evaluate]\nsteps = [-1]\n[evalute]\n"
    )
    assert "7 problems" in said
    for name in ("'split'", "'binary'", "'steps'", "rate = 'a'", "ways in [episodes]", "'iterations'"):
        assert name in said
    for name in ("[-1]", "'evaluate'"):
        assert name in said


@pytest.mark.parametrize(
    "line, hint",
    [
        ("net.hiden = [3]", "'hidden'"),
        ("net.hidden = 3", "a list"),
        ("net = 3", "a table"),
        ("nme = 'maml'", "'name'"),
        ("second_order = 1", "true or false"),
        ("steps = true", "a whole number"),
    ],
)
def test_keys_of_the_learner(line: str, hint: str) -> None:
    assert hint in refused(f"{SINUSOID}[learner]\n{line}\n")
