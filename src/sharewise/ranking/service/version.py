"""Version: a ranker and candidates, loaded; one version answers a request from its start to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from sharewise import files
from sharewise.errors import ConfigError
from sharewise.export.folder import DESCRIPTION
from sharewise.export.onnx_file import check_exporter
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.candidates.artifact import load_candidates
from sharewise.ranking.candidates.proposer import KEYS
from sharewise.ranking.candidates.retriever import Retriever
from sharewise.ranking.export import ExportedRanker, Predictor, export_ranker, load_exported_ranker
from sharewise.ranking.prepared import Prepared, Shown
from sharewise.ranking.service.context import Asking
from sharewise.train.run import Run

#: Digits of a manifest's digest that name a version.
DIGITS = 12


@dataclass(frozen=True)
class Version:
    """What answers requests.

    Attributes:
        ranker: predicts.
        retriever: proposes.
        folders: of both, by what they are.
        digest: names their contents.
        engine: what runs the network, "onnxruntime" or "torch".
        asking: what a request may say.
        prepared: what the ranker reads of what candidates remember.
        history: records of the ranker's training, one a partition; empty for an export.
    """

    ranker: Predictor
    retriever: Retriever
    folders: dict[str, Path]
    digest: str
    engine: str
    asking: Asking
    prepared: Prepared
    history: tuple[dict[str, Any], ...] = ()

    def recommend(
        self, user: Any = None, query: Any = None, context: Mapping[str, Any] | None = None, count: int = 10
    ) -> Shown:
        """Return the best items for one request.

        Args:
            user, query: ids; None for a stranger, and for nothing that is being watched.
            context: values of further columns, such as the device.
            count: items at most.

        Raises:
            DataError: if ids or values are of another type than the log's, or a column is missing or unknown.
        """
        asked = self.asking.values(user, query, context or {})
        shown = self.prepared.list_best(self.ranker, asked, count)
        return replace(shown, types={**shown.types, **self.asking.types})

    @property
    def objectives(self) -> list[str]:
        """What is predicted of an item."""
        return list(self.ranker.plan.tasks.names)

    @property
    def own(self) -> dict[str, str]:
        """The log's own name of each column that has another one there."""
        return {**self.ranker.encoding.schema.own, **self.retriever.proposer.columns.own}


def load_version(ranker: Path, candidates: Path, threads: int = 1, export: bool = True) -> Version:
    """Load a ranker, exported or as a run, and candidates.

    An export loads in a moment. A run is exported first, which takes seconds, if the packages for it are
    installed; else torch runs it.

    Args:
        ranker, candidates: folders.
        threads: for one request's ranking.
        export: whether a run is exported.

    Raises:
        CheckpointError: if a folder does not hold what it should, whole.
        ConfigError: if ranker and candidates do not fit each other, or an export is to be run without ONNX
            Runtime.
    """
    predictor = _load_predictor(ranker, threads, export)
    retriever = load_candidates(candidates)
    digests = [files.verify(folder).digest[:DIGITS] for folder in (ranker, candidates)]
    folders = {"ranker": ranker, "candidates": candidates}
    engine = predictor.engine.name if isinstance(predictor, ExportedRanker) else "torch"
    asking = Asking.of(predictor.encoding.schema, retriever.proposer.columns, _remembered(retriever))
    history = () if _exported(ranker) else tuple(Run.open(ranker).history())
    prepared = Prepared(predictor.encoding, retriever)
    return Version(predictor, retriever, folders, "-".join(digests), engine, asking, prepared, history)


def _load_predictor(folder: Path, threads: int, export: bool) -> Predictor:
    if _exported(folder):
        return load_exported_ranker(folder, threads)
    ranker = load_ranker(folder)
    if not export:
        return ranker
    try:
        check_exporter()
    except ConfigError:
        return ranker
    return ExportedRanker(export_ranker(ranker), threads)


def _exported(folder: Path) -> bool:
    return (folder / DESCRIPTION).is_file()


def _remembered(retriever: Retriever) -> dict[str, pl.DataType]:
    none = pl.Series([], dtype=pl.Int64).to_numpy()
    found: dict[str, pl.DataType] = {}
    for key in KEYS:
        found.update(retriever.proposer.remembered(key, none).schema)
    return found
