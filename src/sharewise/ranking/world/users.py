"""The users: what they like, which nobody is told, and what the platform remembers of them."""

from __future__ import annotations

import math

import numpy as np

from sharewise.ranking.world.draws import Flags, Floats, Whole, generator, normal
from sharewise.ranking.world.options import WorldOptions

#: Tastes drift in turns: a sixth of the users every hour.
TURNS = 6
#: What an hour keeps of the trend that moves all tastes, and how large that trend is.
TREND_KEPT, TREND = 0.95, 0.4
#: Hours since most of the first users came, on average.
SETTLED = 500.0


class Users:
    """All users, as arrays over slots; whoever leaves makes room for a new one.

    Attributes:
        number: the id in the log.
        joined: hours from the simulation's beginning; negative before it.
        taste: `[users, topics]`, N(0, 1) each; not seen.
        trend: `[topics]`, what all like more or less at present; not seen.
        eager, generous: what a user adds to the logit of a click and to satisfaction; not seen.
        activity: how often they come, relative to each other.
        last: number of the video watched last; -1 if none was.
        impressions, clicks: how many they have had.
        topic_clicks: `[users, topics]`, by the video's main topic.
    """

    def __init__(self, options: WorldOptions) -> None:
        count, topics = options.users, options.topics
        self.options = options
        self.number: Whole = np.arange(count)
        self.joined: Floats = np.zeros(count, np.float32)
        self.taste: Floats = np.zeros((count, topics), np.float32)
        self.trend: Floats = np.zeros(topics, np.float32)
        self.eager: Floats = np.zeros(count, np.float32)
        self.generous: Floats = np.zeros(count, np.float32)
        self.activity: Floats = np.zeros(count, np.float32)
        self.last: Whole = np.zeros(count, np.int64)
        self.impressions: Whole = np.zeros(count, np.int64)
        self.clicks: Whole = np.zeros(count, np.int64)
        self.topic_clicks = np.zeros((count, topics), np.int32)
        self.newest = count - 1
        rng = generator(options.seed, "users")
        self._join(rng, np.arange(count), -SETTLED * rng.standard_exponential(count, dtype=np.float32))
        self.last[:] = rng.integers(options.videos, size=count)
        self.trend[:] = TREND * normal(rng, topics)

    def arrive(self, hour: int) -> None:
        """Let some users leave, and as many new ones come."""
        rng = generator(self.options.seed, "users", hour)
        slots = rng.choice(self.options.users, self.options.new_users, replace=False)
        self.number[slots] = self.newest + 1 + np.arange(len(slots))
        self.newest += len(slots)
        self._join(rng, slots, np.full(len(slots), hour, np.float32))

    def drift(self, hour: int) -> None:
        """Move the tastes of those whose turn it is, and the trend; their laws stay the same."""
        rng = generator(self.options.seed, "drift", hour)
        kept = (1 - self.options.drift) ** (TURNS / 24)
        turn = self.taste[hour % TURNS :: TURNS]
        turn *= np.float32(kept)
        turn += np.float32(math.sqrt(1 - kept**2)) * normal(rng, *turn.shape)
        self.trend *= np.float32(TREND_KEPT)
        self.trend += np.float32(TREND * math.sqrt(1 - TREND_KEPT**2)) * normal(rng, len(self.trend))

    def come(self, rng: np.random.Generator, count: int) -> Whole:
        """Draw the slots of users who ask for a list, the active ones more often."""
        reached = np.cumsum(self.activity, dtype=np.float64)
        slots: Whole = np.searchsorted(reached, rng.random(count) * reached[-1], side="right")
        return slots

    def remember(self, slots: Whole, items: Whole, topics: Whole, clicked: Flags) -> None:
        """Count an hour's impressions `[requests, slate]` of users `[requests]`."""
        count = self.options.users
        self.impressions += np.bincount(slots, minlength=count) * items.shape[1]
        rows, places = np.nonzero(clicked)
        who = slots[rows]
        self.clicks += np.bincount(who, minlength=count)
        np.add.at(self.topic_clicks, (who, topics[rows, places]), 1)
        self.last[who] = items[rows, places]

    def _join(self, rng: np.random.Generator, slots: Whole, moments: Floats) -> None:
        count = len(slots)
        self.joined[slots] = moments
        self.taste[slots] = normal(rng, count, self.options.topics)
        self.eager[slots] = 0.5 * normal(rng, count)
        self.generous[slots] = 0.4 * normal(rng, count)
        self.activity[slots] = np.exp(normal(rng, count))
        self.last[slots] = -1
        for counter in (self.impressions, self.clicks, self.topic_clicks):
            counter[slots] = 0
