"""Saved learners: what they predict is what the learner in memory does, for one task or many at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from sharewise.data.episodes import Condition, TaskTable, read_folder, read_tasks
from sharewise.errors import CheckpointError, ConfigError, DataError
from sharewise.meta import LEARNERS, NetOptions, Spec, make_learner, options_of
from sharewise.serve import LearnerArtifact, load_learner, save_learner
from sharewise.serve.learner_images import ImageReading
from sharewise.serve.learner_rows import RowReading
from sharewise.tasks import Task
from sharewise.train import Run

CONDITION = Condition(4, 4)
NET = NetOptions(hidden=(8,))


def rows(tasks: int = 20, each: int = 10) -> pl.DataFrame:
    random = np.random.Generator(np.random.PCG64(1))
    task = np.repeat(np.arange(tasks), each)
    x = random.normal(size=tasks * each)
    y = 50 + 20 * random.normal(size=tasks)[task] * x
    level = np.where(y < 40, "low", np.where(y > 60, "top", "mid"))
    colour = np.where(x > 0, "red", "blue")
    return pl.DataFrame({"task": [f"t{t}" for t in task], "x": x, "colour": colour, "y": y, "level": level})


def table_of(kind: str) -> TaskTable:
    label = {"regression": "y", "binary": "y > 50", "multiclass": "level"}[kind]
    return read_tasks(rows().select("task", "x", "colour", "y", "level"), Task("z", kind, label), "task")


def artifact_of(name: str, kind: str) -> LearnerArtifact:
    table = table_of(kind)
    learner = make_learner(name, Spec.of(table.train, CONDITION), seed=3, net=NET).eval()
    reading = RowReading(table.task, table.schema, "task")
    return LearnerArtifact(learner, name, options_of(name), NET, CONDITION, rows=reading)


def support_and_query() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two tasks, of 3 and 6 examples; their query rows alternate."""
    one = rows().filter(pl.col("task") == "t2")
    other = rows().filter(pl.col("task") == "t5")
    support = pl.concat([other.head(6), one.head(3)])
    query = pl.concat([one.tail(3), other.tail(2)]).with_row_index().sort(pl.col("index") * 3 % 5)
    return support, query.drop("index")


def each_kind() -> list[tuple[str, str]]:
    kinds = ("regression", "binary", "multiclass")
    return [(n, k) for n, cls in LEARNERS.items() for k in kinds if not cls.kinds or k in cls.kinds]


def all_classes(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose labels are of every class in every task."""
    number = pl.int_range(pl.len()).over("task") % 3
    return frame.with_columns(
        y=pl.when(number == 0).then(20.0).when(number == 1).then(80.0).otherwise(50.5),
        level=number.replace_strict({0: "low", 1: "top", 2: "mid"}, return_dtype=pl.String),
    )


@pytest.mark.parametrize("name, kind", each_kind())
def test_saved_and_several_at_once_is_as_in_memory_and_one_by_one(
    name: str, kind: str, tmp_path: Path
) -> None:
    artifact = artifact_of(name, kind)
    support, query = support_and_query()
    support = all_classes(support)
    run = Run.create(tmp_path)
    run.write_weights(artifact.learner)
    save_learner(run, artifact)
    run.seal()
    loaded = load_learner(tmp_path)
    assert loaded.condition == CONDITION
    assert loaded.options == options_of(name)
    together = loaded.adapt(support).predict(query)
    assert together["task"].to_list() == query["task"].to_list()
    for task in ("t2", "t5"):
        own = pl.col("task") == task
        # Without the task column all rows are one task; padding of the shorter one changed nothing.
        alone = artifact.adapt(support.filter(own).drop("task")).predict(query.filter(own).drop("task"))
        assert alone.columns == [column for column in together.columns if column != "task"]
        for column in alone.columns:
            expected, found = alone[column], together.filter(own)[column]
            if expected.dtype.is_numeric():
                assert found.to_list() == pytest.approx(expected.to_list(), rel=2e-4, abs=2e-4)
            else:
                assert found.to_list() == expected.to_list()


def test_predictions_are_in_the_unit_of_the_label() -> None:
    artifact = artifact_of("alpaca", "regression")
    support, query = support_and_query()
    found = artifact.adapt(support).predict(query)
    assert artifact.rows is not None
    task, learner = artifact.rows.task, artifact.learner
    pool = artifact.adapt(support.filter(pl.col("task") == "t2"))
    inputs = artifact.rows.schema.encode(query.filter(pl.col("task") == "t2"))
    with torch.no_grad():
        forecast = pool.predictor({key: value.unsqueeze(0) for key, value in inputs.items()})
    mean = forecast.outputs[0, :, 0] * task.scale + task.mean
    own = found.filter(pl.col("task") == "t2")
    assert own["prediction"].to_list() == pytest.approx(mean.tolist(), rel=1e-4)
    assert forecast.variance is not None
    reach = 1.6448536 * task.scale * forecast.variance[0].sqrt()
    assert (own["high"] - own["low"]).to_list() == pytest.approx((2 * reach).tolist(), rel=1e-4)
    assert not learner.training


def test_probabilities_add_up_and_name_their_classes() -> None:
    support, query = support_and_query()
    found = artifact_of("maml", "multiclass").adapt(all_classes(support)).predict(query)
    shares = found.select("prediction=low", "prediction=mid", "prediction=top")
    assert shares.sum_horizontal().to_list() == pytest.approx([1.0] * query.height, rel=1e-5)
    likeliest = [max(row, key=row.get).removeprefix("prediction=") for row in shares.iter_rows(named=True)]
    assert found["prediction"].to_list() == likeliest


def test_no_steps_leave_the_first_model() -> None:
    artifact = artifact_of("maml", "regression")
    support, query = support_and_query()
    unmoved = artifact.adapt(support, steps=0).predict(query)
    other = artifact.adapt(support.with_columns(y=-pl.col("y")), steps=0).predict(query)
    assert unmoved.equals(other)
    assert not unmoved.equals(artifact.adapt(support, steps=5).predict(query))


def test_a_query_row_does_not_see_the_others() -> None:
    artifact = artifact_of("anp", "regression")
    support, query = support_and_query()
    adapted = artifact.adapt(support)
    assert adapted.predict(query.head(1))["prediction"][0] == pytest.approx(
        adapted.predict(query)["prediction"][0], rel=1e-5
    )


def test_one_named_task_needs_no_name_in_the_query() -> None:
    artifact = artifact_of("alpaca", "regression")
    support, query = support_and_query()
    own = pl.col("task") == "t2"
    named = artifact.adapt(support.filter(own)).predict(query.filter(own))
    unnamed = artifact.adapt(support.filter(own)).predict(query.filter(own).drop("task"))
    assert named["prediction"].equals(unnamed["prediction"])


def test_what_was_never_seen_is_told() -> None:
    artifact = artifact_of("maml", "multiclass")
    support, query = support_and_query()
    with pytest.raises(DataError, match="'huge'"):
        artifact.adapt(support.with_columns(level=pl.lit("huge")))
    with pytest.raises(DataError, match="'t9'"):
        artifact.adapt(support).predict(query.with_columns(task=pl.lit("t9")))
    with pytest.raises(DataError, match="does not read images"):
        artifact.adapt_folder("somewhere")
    with pytest.raises(ConfigError, match="-1 steps"):
        artifact.adapt(support, steps=-1)


def test_a_run_of_something_else(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    run.write_json("model.json", {})
    run.seal()
    with pytest.raises(CheckpointError, match="has no learner"):
        load_learner(tmp_path)


def draw(folder: Path, names: tuple[str, ...], each: int = 3, light: bool = False) -> None:
    for number, name in enumerate(names):
        pattern = np.random.Generator(np.random.PCG64(number)).integers(0, 100, (8, 8))
        for i in range(each):
            (folder / name).mkdir(parents=True, exist_ok=True)
            drawn = pattern + 5 * i
            Image.fromarray((255 - drawn if light else drawn).astype(np.uint8)).save(
                folder / name / f"{i}.png"
            )


def image_artifact(folder: Path, name: str, dark: bool = False) -> LearnerArtifact:
    draw(folder, tuple("abcdefghij"))
    found = read_folder(folder, size=8)
    net, condition = NetOptions(channels=(4, 4)), Condition(1, 2, 2)
    learner = make_learner(name, Spec.of(found.train, condition), net=net).eval()
    return LearnerArtifact(
        learner, name, options_of(name), net, condition, images=ImageReading(8, False, dark)
    )


def flat(folder: Path, names: tuple[str, ...]) -> Path:
    """Return a folder with one image of each class."""
    (folder / "query").mkdir()
    for name in names:
        (folder / name / "2.png").rename(folder / "query" / f"{name}.png")
    return folder / "query"


@pytest.mark.parametrize("name", ["protonet", "maml", "centroid", "matching", "r2d2"])
def test_images(name: str, tmp_path: Path) -> None:
    artifact = image_artifact(tmp_path / "train", name)
    ways = ("new", "other")
    draw(tmp_path / "support", ways)
    query = flat(tmp_path / "support", ways)
    query = query.rename(tmp_path / "query")
    run = Run.create(tmp_path / "run")
    run.write_weights(artifact.learner)
    save_learner(run, artifact)
    run.seal()
    found = load_learner(tmp_path / "run").adapt_folder(tmp_path / "support").predict(query)
    assert found.columns == ["file", "prediction", "prediction=new", "prediction=other"]
    assert found["file"].to_list() == ["new.png", "other.png"]
    shares = found.select("prediction=new", "prediction=other")
    assert shares.sum_horizontal().to_list() == pytest.approx([1.0, 1.0], rel=1e-5)
    if name == "centroid":
        assert found["prediction"].to_list() == ["new", "other"]
    expected = artifact.adapt_folder(tmp_path / "support").predict(query)
    assert found.equals(expected)


def test_fewer_classes_than_the_head_has(tmp_path: Path) -> None:
    draw(tmp_path / "train", tuple("abcdefghijklmno"))
    found = read_folder(tmp_path / "train", size=8)
    net, condition = NetOptions(channels=(4, 4)), Condition(1, 2, 3)
    learner = make_learner("maml", Spec.of(found.train, condition), net=net).eval()
    artifact = LearnerArtifact(learner, "maml", options_of("maml"), net, condition, images=ImageReading(8))
    draw(tmp_path / "support", ("new", "other"))
    shares = artifact.adapt_folder(tmp_path / "support").predict(flat(tmp_path / "support", ("new",)))
    assert shares.columns == ["file", "prediction", "prediction=new", "prediction=other"]
    assert shares["prediction=new"][0] + shares["prediction=other"][0] == pytest.approx(1.0)


def test_dark_on_light_is_turned_round_where_training_was_light_on_dark(tmp_path: Path) -> None:
    artifact = image_artifact(tmp_path / "train", "centroid", dark=True)
    ways = ("new", "other")
    for light in (False, True):
        draw(tmp_path / f"support{light}", ways, light=light)
    dark, light = (
        artifact.adapt_folder(tmp_path / f"support{light}").predict(tmp_path / f"support{light}" / "other")
        for light in (False, True)
    )
    assert dark["prediction"].to_list() == light["prediction"].to_list() == ["other"] * 3
    assert light["prediction=other"].to_list() == pytest.approx(dark["prediction=other"].to_list(), abs=1e-5)
