from __future__ import annotations

import gzip
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sharewise.data import catalog
from sharewise.data.catalog import CatalogEntry, census, movielens, synthetic
from sharewise.errors import ConfigError

Loader = Callable[..., CatalogEntry]


@pytest.mark.parametrize("name", catalog.names())
def test_every_entry_is_whole(name: str, load_or_skip: Loader) -> None:
    entry = load_or_skip(name)
    table = entry.frame.lazy().collect()
    assert entry.name == name
    assert entry.description
    assert entry.source
    assert entry.licence
    assert set(entry.features.keep) <= set(table.columns)
    assert entry.cluster is None or entry.cluster in table.columns
    assert {entry.split.assign(table)[0]} <= {"train", "valid", "test"}
    assert set(entry.split.assign(table).unique()) == {"train", "valid", "test"}
    for task in entry.tasks:
        labels = table.select(pl.sql_expr(task.label).alias("label"))["label"].cast(pl.Float64).drop_nulls()
        assert task.kind.problem(labels.to_numpy()) is None
        assert labels.n_unique() > 1
        assert task.label not in entry.features.keep


@pytest.mark.parametrize("name", catalog.names())
def test_every_entry_says_what_it_is(name: str) -> None:
    assert len(catalog.summarise(name)) > 20


def test_unknown_names_and_options() -> None:
    with pytest.raises(ConfigError, match=r"no data set 'flight'.*'flights'"):
        catalog.load("flight")
    with pytest.raises(ConfigError, match=r"no option 'rowz'.*'rows'"):
        catalog.load("mmoe-synthetic", rowz=10)
    with pytest.raises(ConfigError, match="takes none"):
        catalog.load("flights", rows=10)


def test_census(load_or_skip: Loader) -> None:
    entry = load_or_skip("census-income")
    table = entry.frame.lazy().collect()
    kinds = list(entry.features.kinds.values())
    assert (kinds.count("categorical"), kinds.count("numeric")) == (31, 7)
    assert not {"education", "marital_stat", "instance_weight", "income_50k"} & set(entry.features.keep)
    assert table["split"].value_counts().sort("count")["count"].to_list() == [14_881, 14_881, 70_000]
    rates = {t.name: table.select(pl.sql_expr(t.label).mean()).item() for t in census.GROUPS[1]}
    assert rates["income"] == pytest.approx(0.0620, abs=1e-4)
    assert rates["never_married"] == pytest.approx(0.4325, abs=1e-4)
    assert [task.name for task in load_or_skip("census-income", group=2).tasks] == [
        "college",
        "never_married",
    ]
    with pytest.raises(ConfigError, match="group 3"):
        catalog.load("census-income", group=3)
    with pytest.raises(ConfigError, match="200000 of 99762 rows"):
        catalog.load("census-income", train_rows=200_000)


def test_census_reads_the_original_form(load_or_skip: Loader, tmp_path: Path) -> None:
    load_or_skip("census-income")
    converted = census._table().head(50).cast({pl.Categorical: pl.String})
    text = "\n".join(", ".join(str(value) for value in row) for row in converted.rows())
    (tmp_path / "original.gz").write_bytes(gzip.compress(text.encode()))
    original = census.read_original(tmp_path / "original.gz")
    numbers = ["age", "weeks_worked", "education", "det_ind_code", "income_50k"]
    assert original.columns == list(census.COLUMNS)
    assert_frame_equal(original.select(numbers), converted.select(numbers).cast({"det_ind_code": pl.String}))


def test_movielens_is_in_order_of_time(load_or_skip: Loader) -> None:
    entry = load_or_skip("movielens-100k")
    table = entry.frame.lazy().collect()
    assert table.height == 100_000
    assert table["time"].is_sorted()
    assert (table["user_id"].n_unique(), table["item_id"].n_unique()) == (943, 1682)
    assert table.select(pl.col(movielens.GENRES).max()).row(0) == (1,) * 18


def test_movielens_reads_the_original_form(tmp_path: Path) -> None:
    flags = ["0"] * 19
    flags[1] = flags[5] = "1"
    with zipfile.ZipFile(tmp_path / "ml-100k.zip", "w") as archive:
        archive.writestr("ml-100k/u.data", "7\t1\t4\t881250949\n")
        archive.writestr("ml-100k/u.user", "7|24|M|technician|85711\n")
        film = "|".join(["1", "L'Été (1995)", "01-Jan-1995", "", "http://film", *flags])
        archive.writestr("ml-100k/u.item", f"{film}\n".encode("latin-1"))
    ratings, users, items = movielens.read_original(tmp_path / "ml-100k.zip")
    assert ratings.row(0) == (7, 1, 4, 881250949)
    assert users.row(0, named=True)["occupation"] == "technician"
    assert items.row(0, named=True) == {"item_id": "1", "release_year": "1995", "genres": "Action Comedy"}


@given(p=st.floats(-1, 1), c=st.floats(0.1, 10), seed=st.integers(0, 100))
def test_synthetic_weights_have_cosine_p(p: float, c: float, seed: int) -> None:
    first, second = synthetic.task_weights(p, 20, seed, c)
    assert first.norm().item() == pytest.approx(c)
    assert second.norm().item() == pytest.approx(c)
    assert (first @ second).item() / c**2 == pytest.approx(p, abs=1e-9)


def test_synthetic_labels_are_the_papers() -> None:
    x, y = synthetic.sample(p=0.3, rows=20_000, dim=10, seed=1)
    dot = x.double() @ synthetic.task_weights(0.3, 10, 1).T
    clean = dot + sum(torch.sin(i * dot + (i - 1) ** 2) for i in range(1, 5))
    noise = y.double() - clean
    assert noise.std().item() == pytest.approx(0.1, rel=0.02)
    assert noise.mean().item() == pytest.approx(0.0, abs=3 * 0.1 / math.sqrt(40_000))


def test_synthetic_inputs_are_shared_by_all_p() -> None:
    """So that comparisons over p are paired."""
    near, far = synthetic.sample(0.9, 100, 10, seed=2), synthetic.sample(0.1, 100, 10, seed=2)
    assert torch.equal(near[0], far[0])
    assert torch.equal(near[1][:, 0], far[1][:, 0])
    assert not torch.equal(near[1][:, 1], far[1][:, 1])


def test_equal_tasks_at_p_one() -> None:
    x, y = synthetic.sample(1.0, 1000, 10, seed=3)
    assert (y[:, 0] - y[:, 1]).std().item() == pytest.approx(0.1 * math.sqrt(2), rel=0.1)
    assert x.dtype == y.dtype == torch.float32


@pytest.mark.parametrize("options", [{"p": 1.5}, {"rows": 3}, {"dim": 1}])
def test_synthetic_options_are_checked(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        catalog.load("mmoe-synthetic", **options)
