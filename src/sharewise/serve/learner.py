"""A trained meta-learner with all that it needs to learn from a few new examples; loaded without pickle.

``learner.json`` beside a run's weights says which learner it is, what its episodes looked like, and how rows
of a table or images become its inputs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sharewise.data import Schema
from sharewise.data.episodes import Condition
from sharewise.errors import DataError
from sharewise.meta import Learner, NetOptions, Spec, make_learner
from sharewise.serve.learner_images import AdaptedImages, ImageReading, adapt_images
from sharewise.serve.learner_rows import AdaptedRows, RowReading, adapt_rows
from sharewise.serve.reading import check_format, read_part
from sharewise.tasks import InputSpec, Task
from sharewise.tasks.kinds import kind_from_dict
from sharewise.train import Run

LEARNER = "learner.json"
#: Of ``learner.json`` and of what learners make of their weights; a reader refuses any other.
LEARNER_FORMAT = 2


@dataclass(frozen=True)
class LearnerArtifact:
    """A trained meta-learner.

    Attributes:
        learner: in evaluation mode.
        name: of `sharewise list`.
        options: of its own.
        net: what its network is made of.
        condition: of the episodes that it was trained on.
        rows: how rows of a table become inputs; None where it was not trained on a table.
        images: how images become inputs; None where it was not trained on images.

    Example:
        >>> artifact = load_learner("runs/airports")
        >>> artifact.adapt(pl.read_csv("twenty_flights.csv")).predict(pl.read_csv("tomorrow.csv"))
    """

    learner: Learner
    name: str
    options: dict[str, Any]
    net: NetOptions
    condition: Condition
    rows: RowReading | None = None
    images: ImageReading | None = None

    def adapt(self, support: pl.DataFrame, steps: int | None = None) -> AdaptedRows:
        """Learn from rows with labels; several tasks at once where the task column tells them apart.

        Args:
            support: the columns that the learner reads, those that the label is made of, and the task column;
                without that column all rows are one task.
            steps: of adaptation, for learners that take steps; by default as many as in training.

        Raises:
            DataError: if the learner does not read tables, a column or label is missing, a label is of a
                class never seen in training, or there are no rows.
            ConfigError: if the learner takes no such steps.
        """
        if self.rows is None:
            raise DataError("This learner does not read tables.", self._instead())
        return adapt_rows(self.learner, self.rows, support, steps)

    def adapt_folder(self, folder: str | Path, steps: int | None = None) -> AdaptedImages:
        """Learn from a folder of images with a sub-folder a class, whose names may be any.

        Raises:
            DataError: if the learner does not read images, one cannot be read, or the classes are not as many
                as it can tell apart.
            ConfigError: if the learner takes no such steps.
        """
        if self.images is None:
            raise DataError("This learner does not read images.", self._instead())
        return adapt_images(self.learner, self.images, Path(folder), steps)

    def _instead(self) -> str:
        if self.rows:
            return "Give a CSV or Parquet file with the columns that it was trained on."
        if self.images:
            return "Give a folder with a sub-folder of images for every class."
        return "It was trained on generated tasks; use it from Python, or train one on data of your own."


def save_learner(run: Run, artifact: LearnerArtifact) -> None:
    """Write into a run what `load_learner` needs beside the weights; the run is to be sealed afterwards."""
    spec = artifact.learner.spec
    rows, images = artifact.rows, artifact.images
    values = {
        "format": LEARNER_FORMAT,
        "name": artifact.name,
        "options": artifact.options,
        "net": asdict(artifact.net),
        "spec": {
            "inputs": asdict(spec.inputs),
            "kind": spec.kind.to_dict(),
            "ways": spec.ways,
            "classes": spec.classes,
        },
        "condition": artifact.condition.to_dict(),
        "rows": rows
        and {"task": rows.task.to_dict(), "schema": rows.schema.to_dict(), "column": rows.column},
        "images": images and asdict(images),
    }
    run.write_json(LEARNER, values)


def load_learner(folder: str | Path) -> LearnerArtifact:
    """Load the trained learner of a run's folder.

    Raises:
        CheckpointError: if the folder holds no finished run of a learner, or one that is damaged or of
            another version.
    """
    run = Run.open(folder)
    values = run.read_json(LEARNER)
    check_format(run, LEARNER, values, LEARNER_FORMAT)
    artifact = read_part(run, lambda: _artifact(values))
    read_part(run, lambda: run.load_weights(artifact.learner))
    artifact.learner.set_progress(1.0)
    artifact.learner.eval()
    return artifact


def _artifact(values: dict[str, Any]) -> LearnerArtifact:
    net = NetOptions(**_tuples(values["net"]))
    options, images = values["options"], values["images"]
    learner = make_learner(values["name"], _spec(values["spec"]), net=net, **options)
    return LearnerArtifact(
        learner=learner,
        name=values["name"],
        options=options,
        net=net,
        condition=Condition(**values["condition"]),
        rows=None if values["rows"] is None else _rows(values["rows"]),
        images=None if images is None else ImageReading(**images),
    )


def _spec(values: dict[str, Any]) -> Spec:
    inputs = InputSpec(**_tuples(values["inputs"]))
    return Spec(inputs, kind_from_dict(values["kind"]), values["ways"], values["classes"])


def _rows(values: dict[str, Any]) -> RowReading:
    return RowReading(Task.from_dict(values["task"]), Schema.from_dict(values["schema"]), values["column"])


def _tuples(values: Any) -> Any:
    """Turn JSON's lists into the tuples that options are made of."""
    if isinstance(values, dict):
        return {key: _tuples(value) for key, value in values.items()}
    return tuple(_tuples(value) for value in values) if isinstance(values, list) else values
