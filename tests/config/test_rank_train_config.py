"""A ranker's configuration: what it becomes, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sharewise.config import to_toml
from sharewise.config.rank_train import parse_rank_config
from sharewise.errors import ConfigError
from sharewise.ranking.plan import MODEL, RankPlan

FULL = """
bias = "feature"

[log]
source = "log"
columns = { user = "uid", item = "video" }
hashed = { query = 1000 }

[[tasks]]
name = "click"
label = "clicked"

[[tasks]]
name = "stars"
kind = "regression"
label = "rating"

[model]
experts = 2

[blend]
kind = "sum"
weights = { click = 1.0, stars = 0.2 }

[balance]
method = "uncertainty"

[train]
batch_size = 512

[follow]
idle = 5.0
"""


def test_the_least_is_the_default_plan() -> None:
    assert parse_rank_config('[log]\nsource = "log"').plan() == RankPlan(
        balance={"method": "equal", "engine": "ghost", "every": 1, "precision": "auto"}
    )


def test_all_of_it_becomes_a_plan(tmp_path: Path) -> None:
    config = parse_rank_config(FULL, folder=tmp_path)
    plan = config.plan()
    assert config.log.source == str(tmp_path / "log")
    assert plan.bias.kind == "feature"
    assert plan.tasks.names == ("click", "stars")
    assert plan.model.experts == 2
    assert plan.model.hidden == MODEL.hidden
    assert plan.balance["method"] == "uncertainty"
    assert plan.log.columns == {"user": "uid", "item": "video"}
    assert parse_rank_config(to_toml(config)) == config
    assert RankPlan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize(
    "text,words",
    [
        ("[log]\nsoruce = 'log'", ("soruce", "[log]", "source")),
        ("[log]\nsource = 'log'\n[bais]\nkind = 'tower'", ("bais", "bias")),
        ("bias = 'towr'\n[log]\nsource = 'log'", ("towr", "tower")),
        ("[log]\nsource = 'log'\ncolumns = { uesr = 'uid' }", ("uesr", "user")),
        ("[log]\nsource = 'log'\n[train]\nbatchsize = 3", ("batchsize", "batch_size")),
        ("[log]\nsource = 'log'\n[train]\nbatch_size = 0", ("batch_size", "0")),
        ("[log]\nsource = 'log'\n[blend]\nweights = { clik = 1.0 }", ("clik", "click")),
        ("[log]\nsource = 'log'\n[model]\nsharing = 'mmoee'", ("mmoee", "mmoe")),
        ("[log]\nsource = 'log'\n[measure]\nk = 0", ("k", "0")),
        ("[log]\nsource = 'log'\n[[tasks]]\nname = 'a'\nkind = 'multiclass'", ("multiclass", "binary")),
        ("[log]\nsource = 'log'\n[balance]\nmethod = 'equall'", ("equall", "equal")),
        ("[log]\nsource = 'log'\n[follow]\npoll = -1.0", ("poll",)),
        ("[log]\nsource = 'log'\nhashed = { user = 0 }", ("user", "0")),
    ],
)
def test_mistakes_name_key_place_and_the_nearest(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rank_config(text)
    for word in words:
        assert word in str(caught.value)
