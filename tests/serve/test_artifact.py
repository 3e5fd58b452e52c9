"""A saved model predicts as the one in memory; files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from sharewise import (
    ColumnSplit,
    DataError,
    Features,
    ModelOptions,
    MultiTaskModel,
    Table,
    Task,
    TrainOptions,
    fit,
    load,
    predict,
)
from sharewise.data import FractionSplit
from sharewise.errors import CheckpointError, ConfigError
from sharewise.serve import Artifact, save, write_predictions
from sharewise.study import compare
from sharewise.train import Run


def frame(rows: int = 90) -> pl.DataFrame:
    number = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            "x": (number * 7 % 13).cast(pl.Float64),
            "who": (number % 3).cast(pl.String),
            "taste": (number % 3).cast(pl.Float64),
            "y": (number * 7 % 13 * 1000 + 5000).cast(pl.Float64),
            "kind": (number % 4).cast(pl.String),
            "part": ["train"] * (rows - 20) + ["valid"] * 10 + ["test"] * 10,
        }
    )


def saved(folder: Path, table: Table, options: ModelOptions) -> MultiTaskModel:
    model = MultiTaskModel(table.tasks, table.schema.inputs, options)
    fit(model, table, TrainOptions(epochs=1, batch_size=16), folder=folder)
    run = Run.create(folder)
    save(run, model, table.schema)
    run.seal()
    return model.cpu()


@pytest.mark.parametrize(
    "options",
    [
        ModelOptions(sharing="mmoe", hidden=(4,), experts=2),
        ModelOptions(sharing="independent", hidden=(8, 4), match="parameters"),
        ModelOptions(sharing="shared_bottom", hidden=(4,), numeric="piecewise", members=2),
    ],
)
def test_loaded_models_predict_the_same(tmp_path: Path, options: ModelOptions) -> None:
    tasks = [Task("y", "regression"), Task("kind", "multiclass"), Task("late", label="y > 9000")]
    table = Table(frame(), tasks, split=ColumnSplit("part"), features=Features(keep=("x", "who")))
    model = saved(tmp_path / "run", table, options)
    artifact = load(tmp_path / "run")
    assert artifact.tasks == table.tasks
    expected = predict(model, table.schema.encode(frame()), table.tasks)
    found = predict(artifact.model, artifact.schema.encode(frame()), artifact.tasks)
    assert torch.equal(found, expected)
    predicted = artifact.predict(frame())
    assert predicted.columns == ["y", "kind", *(f"kind={i}" for i in range(4)), "late"]
    assert predicted["y"].mean() == pytest.approx(11000, rel=0.5)  # in the label's unit
    assert set(predicted["kind"]) <= set("0123")


def test_unseen_categories_and_missing_values_are_predicted_for(tmp_path: Path) -> None:
    table = Table(frame(), [Task("y", "regression")], features=Features(keep=("x", "who")))
    saved(tmp_path / "run", table, ModelOptions(sharing="shared_bottom", hidden=(4,)))
    strange = pl.DataFrame({"x": [None, 1e30, float("inf")], "who": ["never seen", None, "0"]})
    assert load(tmp_path / "run").predict(strange).height == 3


def test_unseen_tasks_need_a_descriptor(tmp_path: Path) -> None:
    new = frame().with_columns(who=pl.lit("somebody"))
    common = {"task_column": "who", "features": Features(keep=("x",))}
    plain = Table(frame(), [Task("y", "regression")], **common)  # type: ignore[arg-type]
    saved(tmp_path / "plain", plain, ModelOptions(sharing="add", hidden=(4,)))
    with pytest.raises(DataError, match="somebody"):
        load(tmp_path / "plain").predict(new)
    told = Table(frame(), [Task("y", "regression")], descriptor_columns=("taste",), **common)  # type: ignore[arg-type]
    saved(tmp_path / "told", told, ModelOptions(sharing="add", hidden=(4,), descriptor="attributes"))
    predicted = load(tmp_path / "told").predict(new)
    assert predicted.columns == ["who", "prediction"]
    assert predicted["prediction"].is_finite().all()


def test_predictions_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    values = pl.DataFrame({"a": [1.0, 2.0]})
    for name in ("p.csv", "p.parquet"):
        write_predictions(values, tmp_path / name)
    assert pl.read_csv(tmp_path / "p.csv").equals(values)
    assert pl.read_parquet(tmp_path / "p.parquet").equals(values)
    with pytest.raises(ConfigError):
        write_predictions(values, tmp_path / "p.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv", "p.parquet"]


def test_what_fit_and_compare_leave_can_be_loaded(tmp_path: Path) -> None:
    table = Table(frame(), [Task("y", "regression")], split=FractionSplit(seed=1))
    model = MultiTaskModel(table.tasks, table.schema.inputs, ModelOptions(hidden=(4,)))
    options = TrainOptions(epochs=1, device="cpu")
    fit(model, table, options, folder=tmp_path / "fit")
    study = compare(table, ["shared_bottom"], train=options, seeds=1, folder=tmp_path / "study")
    for folder, trained in (("fit", model), ("study", study.model)):
        expected = Artifact(trained, table.schema, table.tasks).predict(frame())
        assert load(tmp_path / folder).predict(frame()).equals(expected)


class Own(nn.Module):
    """An encoder of the user's."""

    out_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 3)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return torch.tanh(self.linear(inputs["numeric"][:, :1]))


def test_encoders_and_descriptors_from_outside(tmp_path: Path) -> None:
    table = Table(frame(), [Task("y", "regression", text="a"), Task("z", "regression", label="y", text="b")])
    z = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.5]])
    options = ModelOptions(sharing="concat", descriptor="text", hidden=(4,))
    model = MultiTaskModel(table.tasks, table.schema.inputs, options, encoder=Own(), descriptors=z).eval()
    fit(model, table, TrainOptions(epochs=1, device="cpu"), folder=tmp_path / "own")
    with pytest.raises(CheckpointError, match="encoder of its user"):
        load(tmp_path / "own")
    found = load(tmp_path / "own", encoder=Own())
    assert torch.equal(found.model.descriptors, z)  # type: ignore[arg-type]
    assert found.predict(frame()).equals(Artifact(model, table.schema, table.tasks).predict(frame()))
