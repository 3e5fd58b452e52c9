"""Service: requests -> lists, feedback -> log, versions swapped, experiments watched; without HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sharewise.errors import ConfigError, DataError
from sharewise.ranking.experiment.plan import ExperimentPlan
from sharewise.ranking.log import FEEDBACK
from sharewise.ranking.service.feature_store import FeatureStore
from sharewise.ranking.service.features import Features
from sharewise.ranking.service.feedback_log import FeedbackLog
from sharewise.ranking.service.lineup import Lineup, check_lineup, make_lineup
from sharewise.ranking.service.version import Version, load_version
from sharewise.ranking.service.versions import Change, Versions
from sharewise.ranking.service.watching import Watching

Plans = Callable[[], Sequence[ExperimentPlan]]


class Service:
    """Answers requests by the current version, and writes what comes of it.

    Args:
        ranker, candidates: folders of the first version.
        log: takes lists and feedback.
        models: the folder whose sub-folders may become versions, or answer in an experiment; None for none.
        threads: of one request's ranking.
        plans: gives the experiments; is asked again when they are to change.
        features: of items and users, beside what candidates remember.
        export: whether runs are exported, which takes seconds and makes them answer faster.

    Attributes:
        versions: what answers, and what did before.
        log: as given.
        watching: what the log says of the experiments.

    Raises:
        ConfigError: if experiments name what there is not.
        CheckpointError: if a model is damaged, or answers canary requests badly.
    """

    def __init__(
        self,
        ranker: Path,
        candidates: Path,
        log: FeedbackLog,
        models: Path | None = None,
        threads: int = 1,
        plans: Plans = tuple,
        features: FeatureStore | None = None,
        export: bool = True,
    ) -> None:
        self.log, self._models, self._threads, self._plans = log, models, threads, plans
        self._features, self._export = Features(features), export
        first = self._lineup(load_version(ranker, candidates, threads, export))
        self.versions: Versions[Lineup] = Versions(first, check_lineup)
        self.watching = Watching(log.folder)

    def recommend(self, user: Any, query: Any, context: Mapping[str, Any], count: int) -> dict[str, Any]:
        """Return a list as JSON values: request, model, arms, and an item a place.

        Raises:
            DataError: if the request says what it cannot.
        """
        version, arms = self.versions.current.answering(user)
        shown = version.recommend(user, query, context, count)
        request = self.log.serve(shown, version.own, version.digest, arms)
        return {"request": request, "model": version.digest, "arms": arms, "items": shown.items}

    def preview(
        self, user: Any, query: Any, context: Mapping[str, Any], count: int, arm: str = ""
    ) -> dict[str, Any]:
        """Return the list that a user would get, or would in an arm; it is not shown, so no log has it.

        Args:
            user, query, context, count: as in `recommend`.
            arm: "experiment=arm"; "" for the user's own.

        Raises:
            DataError: if the request says what it cannot.
            ConfigError: if there is no such arm.
        """
        lineup = self.versions.current
        version, arms = lineup.answering(user)
        if arm:
            version, arms = lineup.of_arm(*arm.partition("=")[::2]), arm
        shown = version.recommend(user, query, context, count)
        return {"model": version.digest, "arms": arms, "items": shown.items}

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

    def put_features(self, key: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Let items or users have these features from now on; they outlive the process.

        Raises:
            DataError: if there is no store, or a row says what it cannot; nothing was written.
        """
        return {"known": self._features.put(key, rows, self.versions.current.prepared)}

    def swap(self, ranker: str | None, candidates: str | None) -> dict[str, Any]:
        """Let other folders of the models' folder answer; what is not named stays.

        Raises:
            ConfigError: if there is no such folder, or another change is going on.
            CheckpointError: if the version is bad; the old one serves on.
        """
        named = {"ranker": ranker, "candidates": candidates}
        chosen = {part: name for part, name in named.items() if name is not None}
        if not chosen:
            raise ConfigError("The request names no model.", "Name a ranker, candidates, or both.")
        folders = self._folders(self.versions.current.base, chosen)
        return self._said(self.versions.swap(lambda: self._lineup(self._loaded(folders))))

    def restart_experiments(self) -> dict[str, Any]:
        """Read the experiments anew: those that are there now run from now on.

        Raises:
            ConfigError: if one cannot run, or another change is going on; those that ran go on.
            CheckpointError: if a model of an arm is bad; the same holds.
        """
        return self._said(self.versions.swap(lambda: self._lineup(self.versions.current.base)))

    def back(self) -> dict[str, Any]:
        """Let what answered before answer again, its experiments too."""
        return self._said(self.versions.back())

    def watch(self) -> None:
        """Write partitions of hours that are over, look at the experiments, and follow the features."""
        self.log.collect()
        lineup = self.versions.current
        self._features.follow(lineup.prepared)
        self.watching.advance(lineup.plans, lineup.base.own)

    def health(self) -> dict[str, Any]:
        """Return what answers, what it asks of requests, and what the log holds."""
        lineup = self.versions.current
        version, asking = lineup.base, lineup.asking
        return {
            "status": "ok",
            **self._said(lineup),
            "engine": version.engine,
            "objectives": version.objectives,
            "context": {"must": list(asking.must), "may": list(asking.may)},
            "open_hours": self.log.state(),
            "swaps": self.versions.swaps,
            "refused": self.versions.refused,
        }

    def changes(self) -> list[dict[str, Any]]:
        """Return the last changes of what answers, the newest first."""
        return [self._changed(change) for change in reversed(list(self.versions.changes))]

    def _changed(self, change: Change[Lineup]) -> dict[str, Any]:
        said = {} if change.version is None else self._said(change.version)
        return {"time": change.time, "refused": change.refused, **said}

    def _said(self, lineup: Lineup) -> dict[str, Any]:
        folders = {part: path.name for part, path in lineup.base.folders.items()}
        names = [plan.name for plan in lineup.plans]
        return {"model": lineup.base.digest, **folders, "experiments": names}

    def _lineup(self, base: Version) -> Lineup:
        def load(ranker: str, candidates: str) -> Version:
            named = {"ranker": ranker, "candidates": candidates}
            return self._loaded(self._folders(base, {part: name for part, name in named.items() if name}))

        lineup = make_lineup(base, list(self._plans()), load)
        self._features.follow(lineup.prepared)
        return lineup

    def _loaded(self, folders: Mapping[str, Path]) -> Version:
        return load_version(folders["ranker"], folders["candidates"], self._threads, self._export)

    def _folders(self, base: Version, named: Mapping[str, str]) -> dict[str, Path]:
        """Return the folders of a version; those of the base where no name is given."""
        return {**base.folders, **{part: self._found(name) for part, name in named.items()}}

    def _found(self, name: str) -> Path:
        """Return the folder of a model; nothing outside of the models' folder."""
        if self._models is None:
            raise ConfigError("This service changes no models.", "Start it with --models.")
        known = sorted(path.name for path in self._models.iterdir() if path.is_dir())
        if name not in known:
            raise ConfigError(f"There is no model '{name:.60}'.", f"Known: {', '.join(known)}.")
        return self._models / name
