"""The world, hour by hour: people come, lists are shown, feedback is drawn, counters move on.

Every hour draws from streams of its own, so a world of more hours begins with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import numpy as np
import polars as pl

from sharewise.ranking.world.behaviour import Feedback, chances, draw_feedback
from sharewise.ranking.world.draws import generator
from sharewise.ranking.world.frames import Asking, Happened, log_frame, truth_frame
from sharewise.ranking.world.options import WorldOptions
from sharewise.ranking.world.requests import make_requests, requests_in
from sharewise.ranking.world.slates import Slates, make_slates
from sharewise.ranking.world.users import Users
from sharewise.ranking.world.videos import Videos


class Tally(NamedTuple):
    """Sums over impressions; they add up."""

    impressions: int = 0
    clicks: int = 0
    watched: float = 0.0
    ratings: int = 0
    rated: float = 0.0

    def plus(self, other: Tally) -> Tally:
        """Return the sums of both."""
        return Tally(
            self.impressions + other.impressions,
            self.clicks + other.clicks,
            self.watched + other.watched,
            self.ratings + other.ratings,
            self.rated + other.rated,
        )

    @classmethod
    def of(cls, feedback: Feedback) -> Tally:
        """Count an hour's feedback."""
        watched, rating = feedback.watched[feedback.clicked], feedback.rating[feedback.clicked]
        rating = rating[~np.isnan(rating)]
        return cls(
            feedback.clicked.size,
            len(watched),
            float(watched.sum(dtype=np.float64)),
            len(rating),
            float(rating.sum(dtype=np.float64)),
        )


class Hour(NamedTuple):
    """What an hour left.

    Attributes:
        name: of its files: the moment at which it began, such as ``2026-01-01T00``.
        tally: sums over it.
        log: the rows that the platform keeps, with the columns `COLUMNS` and `FEATURES`; None if unwanted.
        truth: row by row what was expected of them, with the columns `TRUTH`; None if unwanted.
        happened: all of it.
    """

    name: str
    tally: Tally
    log: pl.DataFrame | None
    truth: pl.DataFrame | None
    happened: Happened


#: Requests -> lists.
Lists = Callable[[np.random.Generator, Asking], Slates]


class World:
    """A video platform with its users; `step` simulates the next hour.

    Args:
        options: see `WorldOptions`.

    Example:
        >>> world = World(WorldOptions(users=200, videos=100, requests_per_hour=50, hours=2))
        >>> [hour.name for hour in world.hours()]
        ['2026-01-01T00', '2026-01-01T01']
    """

    def __init__(self, options: WorldOptions) -> None:
        self.options = options
        self.users = Users(options)
        self.videos = Videos(options)
        self.hour = 0
        self.requests = 0

    def hours(self) -> Iterator[Hour]:
        """Simulate the hours that are left."""
        while self.hour < self.options.hours:
            yield self.step()

    def step(self, frames: bool = True, lists: Lists | None = None) -> Hour:
        """Simulate an hour; without its frames, which are half of the work, only the world moves on.

        Args:
            frames: whether the hour's log and truth are wanted.
            lists: makes the lists in place of the production system.
        """
        if self.hour:
            self.users.arrive(self.hour)
            self.videos.arrive(self.hour)
            self.users.drift(self.hour)
        result = self._show(frames, lists)
        self.hour += 1
        return result

    def _show(self, frames: bool, lists: Lists | None) -> Hour:
        options, hour, users, videos = self.options, self.hour, self.users, self.videos
        began = self.began(hour)
        rng = generator(options.seed, "lists", hour)
        requests = make_requests(rng, users, videos, requests_in(options, began.hour))
        since = round(began.replace(tzinfo=timezone.utc).timestamp()) * 1_000_000
        if lists is None:
            slates = make_slates(rng, requests, videos, options)
        else:
            slates = lists(rng, Asking(hour, since, self.requests, requests))
        truth = chances(requests, slates, users, videos, hour)
        feedback = draw_feedback(rng, truth, videos.seconds[slates.items], options)
        happened = Happened(hour, since, self.requests, requests, slates, truth, feedback)
        log = log_frame(happened, users, videos) if frames else None
        expected = truth_frame(happened, videos) if frames else None
        self._count(happened)
        return Hour(hour_name(began), Tally.of(feedback), log, expected, happened)

    def _count(self, happened: Happened) -> None:
        """Let the platform learn what has happened, once its log is written."""
        users, videos = self.users, self.videos
        requests, slates, feedback = happened.requests, happened.slates, happened.feedback
        numbers, topics = videos.number[slates.items], videos.topic[slates.items]
        users.remember(requests.user, numbers, topics, feedback.clicked)
        videos.count(
            slates.items,
            {"clicks": feedback.clicked, "likes": feedback.liked, "dismissals": feedback.dismissed},
        )
        self.requests += len(requests.user)

    def began(self, hour: int) -> datetime:
        """Return when an hour began."""
        return self.options.first + timedelta(hours=hour)


def hour_name(began: datetime) -> str:
    """Return the name of an hour's files, without ending; names sort as the hours do."""
    return f"{began:%Y-%m-%dT%H}"
