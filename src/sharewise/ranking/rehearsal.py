"""Rehearsal: an experiment on a simulated platform, from requests to a decision, with nothing left out.

People of a world ask a service for lists, and answer what they are shown; their feedback goes to the
service's own log; rankers, one an arm, and candidates go on learning from that log, and take their
predecessors' places; after every hour the experiment is looked at. So every part acts on the others, as it
does live: a ranker learns from what it has shown, and tastes drift meanwhile.

First the world's own production system fills a log for some hours, from which everything learns. Time is the
world's; the service runs in this process, without HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sharewise import files
from sharewise.errors import ConfigError
from sharewise.ranking.candidates import CandidatePlan, ListOptions, fit_candidates
from sharewise.ranking.experiment import Arm, ExperimentPlan, Look
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.service import FeedbackLog, Service
from sharewise.ranking.service.sqlite_store import SqliteStore
from sharewise.ranking.world import World, WorldOptions
from sharewise.ranking.world.frames import Asking, Happened, item_frame, request_frame
from sharewise.ranking.world.slates import Asked, Slates, slates_of

#: What a platform counts of items by the hour, and what it knows of who asks.
ITEM = ("item_topic", "item_seconds", "item_hours", "item_impressions", "item_clicks", "item_likes")
ITEM_COUNTS = ("item_hours", "item_impressions", "item_clicks", "item_likes", "item_dismissals")
CONTEXT = ("device", "hour_of_day", "user_hours", "user_impressions", "user_clicks", "query_topic")
#: What no request and no memory can say: what a user did by topic, and which of other sources proposed.
DROP = ("user_topic_clicks", "source")
#: Items asked for beyond a list, in place of those that are gone.
SPARE = 10
HOUR = 3_600_000_000


@dataclass(frozen=True)
class RehearsalOptions:
    """How long, and how often what is learnt takes its place.

    Args:
        before: hours of the production system, to learn from.
        hours: of the experiment.
        learn: hours after which rankers and candidates have learnt from what came since.
        candidates: of a request.
        requests: an hour of the experiment, on average; 0 for as many as before.
    """

    before: int = 24
    hours: int = 72
    learn: int = 12
    candidates: int = 100
    requests: int = 0

    def __post_init__(self) -> None:
        for name in ("before", "hours", "learn", "candidates"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Rehearsal option '{name}' is {getattr(self, name)}.", "Use 1 or more.")


class Rehearsal:
    """An experiment on a simulated platform.

    Args:
        world: the platform; its hours are those of the options.
        rankers: a plan an arm, by name; the first is the control.
        folder: takes the log, models and all else; new or empty.
        options: how long.
        outcomes: further arguments of the `ExperimentPlan`.
        heard: is told what is going on.

    Attributes:
        plan: of the experiment.
        service: answers, once the experiment has begun.

    Raises:
        ConfigError: if the folder holds something, or a plan cannot be used.
    """

    def __init__(
        self,
        world: WorldOptions,
        rankers: Mapping[str, RankPlan],
        folder: Path,
        options: RehearsalOptions | None = None,
        outcomes: Mapping[str, Any] | None = None,
        heard: Callable[[str], None] = lambda said: None,
    ) -> None:
        self.options = options or RehearsalOptions()
        hours = self.options.before + self.options.hours
        self.world = World(replace(world, hours=hours))
        self._rankers = {name: _served(plan) for name, plan in rankers.items()}
        arms = tuple(Arm(name, ranker=name) for name in rankers)
        self.plan = ExperimentPlan("rehearsal", arms, **(outcomes or {}))
        self.folder, self._heard = folder, heard
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"'{folder}' is not empty.", "Name a new folder for the rehearsal.")
        self._log, self._models = folder / "log", folder / "models"
        for place in (folder, self._log, self._models):
            files.make_folder(place)
        self._now = 0
        self.service: Service | None = None

    def run(self) -> Iterator[Look]:
        """Live through all hours; yield the looks at the experiment."""
        for _ in range(self.options.before):
            hour = self.world.step()
            if hour.log is None:
                raise AssertionError("the world's log was asked for")
            hour.log.write_parquet(self._log / f"{hour.name}.parquet")
        if self.options.requests:
            self.world.options = replace(self.world.options, requests_per_hour=self.options.requests)
        self._learn()
        self.service = self._open()
        try:
            for hour_number in range(self.options.hours):
                if hour_number and hour_number % self.options.learn == 0:
                    self._learn()
                    self.service.swap(None, "candidates")
                yield from self._live(self.service)
        finally:
            self.service.log.close()

    def _learn(self) -> None:
        """Let candidates and rankers go on learning from the log."""
        fit_candidates(str(self._log), self._candidates(), folder=self._models / "candidates")
        for name, plan in self._rankers.items():
            fit_stream(self._log, plan, folder=self._models / name)
        self._heard(f"hour {self.world.hour}: candidates and {len(self._rankers)} rankers have learnt")

    def _candidates(self) -> CandidatePlan:
        remembered = (*ITEM, "item_dismissals")
        return CandidatePlan(candidates=ListOptions(count=self.options.candidates, remember_item=remembered))

    def _open(self) -> Service:
        log = FeedbackLog(self._log, settle=0.0, now=lambda: self._now)
        control = self._models / self.plan.arm_names[0]
        store = SqliteStore(self.folder / "features.sqlite")
        return Service(
            control,
            self._models / "candidates",
            log,
            self._models,
            plans=lambda: (self.plan,),
            features=store,
            export=False,
        )

    def _live(self, service: Service) -> Iterator[Look]:
        """Live through an hour; yield what it tells of the experiment."""
        requests: list[int] = []

        def lists(rng: np.random.Generator, asking: Asking) -> Slates:
            return self._lists(service, rng, asking, requests)

        self._tell(service)
        happened = self.world.step(frames=False, lists=lists).happened
        self._answer(service, happened, requests)
        self._now = happened.began + HOUR
        before = self._looks(service)
        service.watch()
        yield from self._looks(service)[len(before) :]

    def _looks(self, service: Service) -> list[Look]:
        return service.watching.looks(self.plan.name)

    def _tell(self, service: Service) -> None:
        """Let the service know what the platform has counted of items."""
        frame = item_frame(self.world.hour, self.world.videos).select("item", *ITEM_COUNTS)
        service.put_features("item", frame.to_dicts())

    def _lists(
        self, service: Service, rng: np.random.Generator, asking: Asking, requests: list[int]
    ) -> Slates:
        """Ask the service for the lists of an hour."""
        world, slate = self.world, self.world.options.slate
        asked = request_frame(asking, world.users, world.videos)
        names = tuple(self._candidates().sources)
        numbers = np.full((len(asked), slate), -1, dtype=np.int64)
        sources = np.zeros((len(asked), slate), dtype=np.int64)
        moments = asked["time"].cast(pl.Int64).to_list()
        for place, (row, moment) in enumerate(zip(asked.iter_rows(named=True), moments, strict=True)):
            self._now = moment
            context = {name: row[name] for name in CONTEXT}
            found = service.recommend(row["user"], row["query"], context, slate + SPARE)
            requests.append(found["request"])
            items = [one for one in found["items"] if world.videos.slot(np.array([one["item"]]))[0] >= 0]
            for column, one in enumerate(items[:slate]):
                numbers[place, column] = one["item"]
                sources[place, column] = names.index(one["sources"][0])
        return slates_of(rng, numbers, sources, names, Asked(asking.requests, world.videos))

    def _answer(self, service: Service, happened: Happened, requests: list[int]) -> None:
        """Send what users did with their lists; what the service did not propose is none of its business."""
        slates, feedback, videos = happened.slates, happened.feedback, self.world.videos
        shown = videos.number[slates.items]
        own = slates.sources < len(slates.names) - 1
        for place, request in enumerate(requests):
            events = [
                _event(int(shown[place, column]), place, column, feedback)
                for column in range(shown.shape[1])
                if own[place, column]
            ]
            if events:
                service.feedback(request, events)


def _event(item: int, place: int, column: int, feedback: Any) -> dict[str, Any]:
    event: dict[str, Any] = {"item": item, "position": column + 1}
    for name in ("clicked", "liked", "dismissed"):
        event[name] = bool(getattr(feedback, name)[place, column])
    for name in ("watched", "rating"):
        value = float(getattr(feedback, name)[place, column])
        if not np.isnan(value):
            event[name] = value
    return event


def _served(plan: RankPlan) -> RankPlan:
    """Return the plan without what nobody can say when a list is made."""
    drop = tuple(dict.fromkeys((*plan.log.drop, *DROP)))
    return replace(plan, log=replace(plan.log, drop=drop))
