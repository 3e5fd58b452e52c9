"""Service: requests -> lists, feedback -> log, versions swapped; in Python, without HTTP."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharewise.errors import ConfigError, DataError
from sharewise.ranking.log import FEEDBACK
from sharewise.ranking.service.feedback_log import FeedbackLog
from sharewise.ranking.service.version import Version, load_version
from sharewise.ranking.service.versions import Versions


class Service:
    """Answers requests by the current version, and writes what comes of it.

    Args:
        ranker, candidates: folders of the first version.
        log: takes lists and feedback.
        models: the folder whose sub-folders may become versions; None for no changes.
        threads: of one request's ranking.

    Attributes:
        versions: the current one and the one before.
        log: as given.
    """

    def __init__(
        self, ranker: Path, candidates: Path, log: FeedbackLog, models: Path | None = None, threads: int = 1
    ) -> None:
        self.log, self._models, self._threads = log, models, threads
        self.versions = Versions(load_version(ranker, candidates, threads))

    def recommend(self, user: Any, query: Any, context: Mapping[str, Any], count: int) -> dict[str, Any]:
        """Return a list as JSON values: request, model, and an item a place.

        Raises:
            DataError: if the request says what it cannot.
        """
        version = self.versions.current
        listed = version.recommend(user, query, context, count)
        request = self.log.serve(listed, version.own, version.digest)
        items = [_item(row, version) for row in listed.lists.iter_rows(named=True)]
        return {"request": request, "model": version.digest, "items": items}

    def feedback(self, request: int, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Add what came of a list's items; it is on the disk when this returns.

        Raises:
            DataError: if the list is unknown or too old, or an event says what it cannot.
        """
        labels = self.versions.current.asking.labels
        for event in events:
            for name in event:
                if name not in {"item", "position", *FEEDBACK, *labels}:
                    known = ", ".join((*FEEDBACK, *labels))
                    raise DataError(f"Feedback of '{name}' is unknown.", f"Known: {known}.")
        self.log.take(request, events)
        return {"request": request, "events": len(events)}

    def swap(self, ranker: str | None, candidates: str | None) -> dict[str, Any]:
        """Let other folders of the models' folder answer; what is not named stays.

        Raises:
            ConfigError: if there is no such folder, or another change is going on.
            CheckpointError: if the version is bad; the old one serves on.
        """
        named = {"ranker": ranker, "candidates": candidates}
        chosen = {part: self._found(name) for part, name in named.items() if name is not None}
        if not chosen:
            raise ConfigError("The request names no model.", "Name a ranker, candidates, or both.")
        folders = {**self.versions.current.folders, **chosen}
        version = self.versions.swap(
            lambda: load_version(folders["ranker"], folders["candidates"], self._threads)
        )
        return self._said(version)

    def back(self) -> dict[str, Any]:
        """Let the version before the current one answer again."""
        return self._said(self.versions.back())

    def health(self) -> dict[str, Any]:
        """Return what answers, what it asks of requests, and what the log holds."""
        version = self.versions.current
        return {
            "status": "ok",
            **self._said(version),
            "engine": version.engine,
            "objectives": version.objectives,
            "context": {"must": list(version.asking.must), "may": list(version.asking.may)},
            "open_hours": self.log.state(),
            "swaps": self.versions.swaps,
            "refused": self.versions.refused,
        }

    def _said(self, version: Version) -> dict[str, Any]:
        return {"model": version.digest, **{part: path.name for part, path in version.folders.items()}}

    def _found(self, name: str) -> Path:
        """Return the folder of a model; nothing outside of the models' folder."""
        if self._models is None:
            raise ConfigError("This service changes no models.", "Start it with --models.")
        known = sorted(path.name for path in self._models.iterdir() if path.is_dir())
        if name not in known:
            raise ConfigError(f"There is no model '{name:.60}'.", f"Known: {', '.join(known)}.")
        return self._models / name


def _item(row: Mapping[str, Any], version: Version) -> dict[str, Any]:
    predictions = {name: _finite(row[name]) for name in version.objectives}
    return {
        "item": row["item"],
        "position": row["rank"],
        "score": _finite(row["score"]),
        "predictions": predictions,
        "sources": row["sources"],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
