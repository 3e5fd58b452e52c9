"""Table: labels, features, fitting on the training rows only, both shapes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from sharewise.data import ColumnSplit, Features, FractionSplit, Schema, Table, TimeSplit
from sharewise.errors import DataError
from sharewise.tasks import Task

ROWS = 400


def flights(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    delay = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(10, 30, rows))
    return pl.DataFrame(
        {
            "day": pl.date_range(pl.date(2013, 1, 1), pl.date(2013, 12, 31), eager=True).sample(
                rows, with_replacement=True, seed=seed
            ),
            "carrier": rng.choice(["AA", "UA", "B6"], rows, p=[0.6, 0.3, 0.1]),
            "dest": rng.choice(["BOS", "LAX", "SFO", "ORD"], rows),
            "distance": rng.normal(1000, 300, rows),
            "wind": np.where(rng.random(rows) < 0.2, np.nan, rng.gamma(2, 5, rows)),
            "delay": delay,
            "sort": rng.choice(["short", "long"], rows),
        }
    ).with_columns(pl.col("delay").fill_nan(None), pl.col("wind").fill_nan(None))


TASKS = [
    Task("late", "binary", "delay > 15"),
    Task("delay", "regression"),
    Task("sort", "multiclass"),
    Task("hours", "count", "CASE WHEN delay > 60 THEN FLOOR(delay / 60) ELSE 0 END"),
]


def encoded(batch: object) -> list[torch.Tensor]:
    parts = [*batch.inputs.values(), batch.targets, batch.mask]  # type: ignore[attr-defined]
    return [t for t in parts if t is not None]


def test_labels_are_columns_or_expressions_and_never_features() -> None:
    table = Table(flights(), TASKS)
    assert set(table.schema.columns) == {"day", "carrier", "dest", "distance", "wind"}
    late, delay = table.train.targets[:, 0], table.train.targets[:, 1]
    task = table.tasks["delay"]
    minutes = delay * task.scale + task.mean
    seen = table.train.mask[:, 1]
    assert torch.equal(late[seen] > 0.5, minutes[seen] > 15)
    assert not table.train.mask[:, 0].all()
    assert torch.equal(table.train.mask[:, 0], seen)
    assert table.tasks["sort"].classes == ("long", "short")


def test_inputs_are_encoded_as_the_schema_says() -> None:
    frame = flights()
    table = Table(frame, TASKS, split=ColumnSplit("part")) if "part" in frame.columns else Table(frame, TASKS)
    numeric = table.train.inputs["numeric"]
    carrier = table.train.inputs["categorical"][:, 0]
    assert table.schema.inputs.cardinalities == (4, 5)
    assert carrier.min() >= 1
    assert torch.bincount(carrier).argmax() == 1  # the most frequent carrier comes first
    assert numeric.shape[1] == len(table.schema.inputs.bins) == 4  # wind has an indicator of missing values
    torch.testing.assert_close(numeric[:, 1].mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    missing = numeric[:, 3] == 1
    assert missing.any()
    assert (numeric[missing, 2] == 0).all()
    assert all(np.all(np.diff(edges) > 0) for edges in table.schema.inputs.bins)


def test_unseen_categories_are_unknown_and_missing_ones_a_value() -> None:
    table = Table(flights(), TASKS)
    rows = flights(4, seed=1).with_columns(pl.Series("carrier", ["AA", "ZZ", None, "UA"]))
    ids = table.schema.encode(rows)["categorical"][:, 0]
    assert ids.tolist() == [1, 0, 0, 2]
    holes = flights().with_columns(
        pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise("carrier").alias("carrier")
    )
    again = Table(holes, TASKS).schema.encode(rows)["categorical"][:, 0]
    assert again[1] == 0
    assert again[2] > 0


def test_the_schema_survives_json_and_encodes_the_same() -> None:
    frame = flights()
    table = Table(frame, TASKS)
    again = Schema.from_dict(json.loads(json.dumps(table.schema.to_dict())))
    assert again == table.schema
    for key, value in table.schema.encode(frame).items():
        assert torch.equal(value, again.encode(frame)[key])


@pytest.mark.parametrize("column", ["delay", "carrier", "wind", "distance"])
def test_nothing_after_the_cut_changes_a_bit_of_what_is_trained_on(column: str) -> None:
    frame = flights()
    split = TimeSplit("day", "2013-09-01", "2013-11-01")
    later = pl.col("day") >= pl.date(2013, 11, 1)
    new = pl.lit("XX") if column == "carrier" else pl.lit(123.0)
    table, changed = (
        Table(f, TASKS, split=split)
        for f in (frame, frame.with_columns(pl.when(later).then(new).otherwise(column).alias(column)))
    )
    assert table.schema == changed.schema
    assert table.tasks == changed.tasks
    assert all(map(torch.equal, encoded(table.train), encoded(changed.train)))
    assert all(map(torch.equal, encoded(table.valid), encoded(changed.valid)))


def test_disjoint_rows_carry_their_task_and_its_descriptor() -> None:
    frame = flights().with_columns(
        (pl.col("dest").rank("dense") * 10.0).alias("lat"),
        pl.when(pl.col("dest") == "SFO").then(pl.lit("test")).otherwise(pl.lit("train")).alias("part"),
    )
    table = Table(frame, TASKS[:1], split=ColumnSplit("part"), task_column="dest", descriptor_columns=["lat"])
    assert table.tasks.names == ("BOS", "LAX", "ORD")
    assert table.train.task is not None
    own = torch.tensor([t.attributes for t in table.tasks])
    torch.testing.assert_close(table.train.descriptor, own[table.train.task])
    torch.testing.assert_close(own.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    assert len(table.test) == 0
    assert len(table.unseen) == frame.filter(pl.col("dest") == "SFO").height
    assert "dest" not in table.schema.columns
    without = Table(frame, TASKS[:1], split=ColumnSplit("part"), task_column="dest")
    assert len(without.test) == len(without.unseen) == 0
    assert "left out" in without.notes[-1]


def test_weights_and_clusters_follow_their_rows() -> None:
    frame = flights().with_columns(pl.col("distance").abs().alias("w"))
    table = Table(frame, TASKS, weight="w", cluster="day", features=Features(drop=("wind",)))
    assert table.train.weight is not None
    assert "w" not in table.schema.columns
    clusters = table.clusters("test")
    assert clusters is not None
    assert len(clusters) == len(table.test)
    assert (
        table.digest()
        == Table(frame, TASKS, weight="w", cluster="day", features=Features(drop=("wind",))).digest()
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".ndjson"])
def test_files_and_globs_read_as_the_frame_does(tmp_path: Path, suffix: str) -> None:
    frame = flights().with_columns(pl.col("day").cast(pl.String))
    write = {".csv": "write_csv", ".parquet": "write_parquet", ".ndjson": "write_ndjson"}[suffix]
    for i, part in enumerate((frame[:100], frame[100:])):
        getattr(part, write)(tmp_path / f"{i}{suffix}")
    features = Features(drop=("day",))
    read = Table(str(tmp_path / f"*{suffix}"), TASKS, features=features)
    direct = Table(frame, TASKS, features=features)
    assert all(map(torch.equal, encoded(read.train), encoded(direct.train)))


BAD = {
    "no rows": lambda f: Table(f[:0], TASKS),
    "unknown label column": lambda f: Table(f, [Task("late", "binary", "dely > 15")]),
    "broken sql": lambda f: Table(f, [Task("late", "binary", "delay >>> 15 (")]),
    "sql of wrong types": lambda f: Table(f, [Task("late", "regression", "carrier * delay")]),
    "text as number": lambda f: Table(f, [Task("carrier", "regression")]),
    "not 0 or 1": lambda f: Table(f, [Task("delay", "binary")]),
    "negative count": lambda f: Table(f, [Task("delay", "count")]),
    "one class": lambda f: Table(f, [Task("late", "binary", "delay > 1e9")]),
    "one class of many": lambda f: Table(f.with_columns(sort=pl.lit("a")), [Task("sort", "multiclass")]),
    "no labels": lambda f: Table(
        f.with_columns(delay=pl.lit(None, pl.Float64)), [Task("delay", "regression")]
    ),
    "infinite label": lambda f: Table(
        f.with_columns(delay=pl.lit(float("inf"))), [Task("delay", "regression")]
    ),
    "all test": lambda f: Table(f, TASKS, split=FractionSplit(0, 1)),
    "negative share": lambda f: Table(f, TASKS, split=FractionSplit(-0.1, 0.2)),
    "wrong date": lambda f: Table(f, TASKS, split=TimeSplit("day", "soon", "later")),
    "no split column": lambda f: Table(f, TASKS, split=TimeSplit("dy", "2013-09-01", "2013-11-01")),
    "wrong split values": lambda f: Table(f, TASKS, split=ColumnSplit("carrier")),
    "wrong task column": lambda f: Table(f, TASKS[:1], task_column="destination"),
    "two labels for disjoint": lambda f: Table(f, TASKS, task_column="dest"),
    "feature that is a label": lambda f: Table(f, TASKS, features=Features(keep=("delay", "wind"))),
    "unknown feature": lambda f: Table(f, TASKS, features=Features(drop=("winds",))),
    "unknown feature kind": lambda f: Table(f, TASKS, features=Features(kinds={"wind": "number"})),
    "no features": lambda f: Table(f.select("delay"), TASKS[:1]),
    "constant features": lambda f: Table(f.select("delay", x=pl.lit(1)), TASKS[:1]),
    "negative weights": lambda f: Table(f, TASKS, weight="delay"),
    "missing file": lambda f: Table("nowhere.csv", TASKS),
    "unknown format": lambda f: Table("table.xlsx", TASKS),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_what_cannot_be_used_is_told_in_two_sentences(case: str) -> None:
    with pytest.raises(DataError) as caught:
        BAD[case](flights())
    assert caught.value.problem.endswith((".", "'"))
    assert len(caught.value.remedy) > 5


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,a\n1,2,3\n4,5,6\n")
    with pytest.raises(DataError, match="two columns called 'a'"):
        Table(str(tmp_path / "t.csv"), [Task("b", "regression")])


def test_infinite_features_count_as_missing_and_constant_ones_are_noted() -> None:
    frame = flights().with_columns(
        pl.when(pl.int_range(pl.len()) < 50).then(float("inf")).otherwise("distance").alias("distance"),
        constant=pl.lit(3.0),
    )
    table = Table(frame, TASKS)
    assert table.train.inputs["numeric"].isfinite().all()
    assert "constant" in table.schema.notes[0]
