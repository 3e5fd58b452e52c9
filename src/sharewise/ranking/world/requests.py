"""Who asks for a list, when, where, and while watching what."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sharewise.ranking.world.devices import DEVICES
from sharewise.ranking.world.draws import Floats, Whole
from sharewise.ranking.world.options import WorldOptions
from sharewise.ranking.world.users import Users
from sharewise.ranking.world.videos import Videos

#: Requests that come while nothing is watched, and those while what was watched last is.
AT_HOME, NEXT = 0.2, 0.6
#: How much closer a taste comes to the topic of what is being watched.
PULL = 0.8
#: Swing of the number of requests over a day, and the hour at which it passes its mean, rising.
SWING, RISING = 0.5, 12
HOUR = 3_600_000_000


class Requests(NamedTuple):
    """An hour's requests, in the order of time; all fields are `[requests]`, but for the context.

    Attributes:
        moment: microseconds since the hour's beginning.
        user: slots.
        device: indices of `DEVICES`.
        query: slot of the video being watched; -1 if none is.
        context: `[requests, topics]`, what the user likes there and then; not seen.
    """

    moment: Whole
    user: Whole
    device: Whole
    query: Whole
    context: Floats


def requests_in(options: WorldOptions, hour_of_day: int) -> int:
    """Return how many requests come in an hour of the day."""
    share = 1 + SWING * math.sin(2 * math.pi * (hour_of_day - RISING) / 24)
    return max(round(options.requests_per_hour * share), 1)


def make_requests(rng: np.random.Generator, users: Users, videos: Videos, count: int) -> Requests:
    """Draw an hour's requests."""
    user = users.come(rng, count)
    query = _queries(rng, users, videos, user)
    return Requests(
        moment=np.sort(rng.integers(HOUR, size=count)),
        user=user,
        device=rng.choice(len(DEVICES), size=count, p=[device.share for device in DEVICES]),
        query=query,
        context=_context(users, videos, user, query),
    )


def _queries(rng: np.random.Generator, users: Users, videos: Videos, user: Whole) -> Whole:
    """What was watched last, or something that a link from elsewhere led to, or nothing."""
    case = rng.random(len(user))
    led_to = rng.integers(len(videos.number), size=len(user))
    last = videos.slot(users.last[user])
    return np.where(case < AT_HOME, -1, np.where(case < AT_HOME + NEXT, last, led_to))


def _context(users: Users, videos: Videos, user: Whole, query: Whole) -> Floats:
    context = users.taste[user]
    context += users.trend
    asked = np.nonzero(query >= 0)[0]
    context[asked, videos.topic[query[asked]]] += np.float32(PULL)
    return context
