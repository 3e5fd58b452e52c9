"""`sharewise meta adapt`: a few examples and a trained learner become predictions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from rich.console import Console

from sharewise.cli.folders import check_sealed
from sharewise.data import read_frame
from sharewise.data.episodes import Condition, differences
from sharewise.errors import DataError
from sharewise.serve import LearnerArtifact, check_path, load_learner, write_predictions


def run_meta_adapt(run: Path, support: str, query: str, out: Path, steps: int | None = None) -> None:
    """Learn from the support examples, predict for the query and write that as a file."""
    check_path(out)
    check_sealed(out)
    artifact = load_learner(run)
    predict = _from_folders if artifact.images else _from_tables
    predictions, tested = predict(artifact, support, query, steps)
    write_predictions(predictions, out)
    console = Console()
    for what in differences(artifact.condition, tested):
        console.print(f"Note: {what}. Learners do best on what they were trained for.", markup=False)
    console.print(f"{len(predictions):,} rows of predictions are in {out}", markup=False)


def _from_tables(
    artifact: LearnerArtifact, support: str, query: str, steps: int | None
) -> tuple[pl.DataFrame, Condition]:
    trained = artifact.condition
    with _naming(support):
        adapted = artifact.adapt(read_frame(support), steps)
    with _naming(query):
        found = adapted.predict(read_frame(query))
    return found, _tested(adapted.shots, trained.ways, trained.queries)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Say of which of the two tables an error is."""
    try:
        yield
    except DataError as error:
        if path in error.problem:
            raise
        raise DataError(f"In '{path}': {error.problem}", error.remedy) from error


def _from_folders(
    artifact: LearnerArtifact, support: str, query: str, steps: int | None
) -> tuple[pl.DataFrame, Condition]:
    adapted = artifact.adapt_folder(support, steps)
    tested = _tested(adapted.shots, len(adapted.classes), artifact.condition.queries)
    return adapted.predict(query), tested


def _tested(shots: tuple[int, ...], ways: int | tuple[int, int] | None, queries: int) -> Condition:
    return Condition((min(shots), max(shots)), queries, ways)
