"""An hour as tables: the log that a platform would have, and the truth that none has."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from sharewise.ranking.log import COLUMNS, SERVED
from sharewise.ranking.world.behaviour import Chances, Feedback, expected_rating, like_chance
from sharewise.ranking.world.devices import DEVICES
from sharewise.ranking.world.draws import Whole
from sharewise.ranking.world.requests import Requests
from sharewise.ranking.world.slates import Slates
from sharewise.ranking.world.users import Users
from sharewise.ranking.world.videos import Videos

#: Columns beyond `COLUMNS`, as the platform knows them at the beginning of the hour: name -> (type, what).
FEATURES: dict[str, tuple[pl.DataType, str]] = {
    "hour_of_day": (pl.Int32(), "0 to 23, UTC"),
    "user_hours": (pl.Int32(), "hours since the user came"),
    "user_impressions": (pl.Int32(), "impressions the user has had"),
    "user_clicks": (pl.Int32(), "clicks the user has made"),
    "user_topic_clicks": (pl.Int32(), "those on the item's topic"),
    "query_topic": (pl.String(), "main topic of the item being watched; null if none is"),
    "item_topic": (pl.String(), "main topic of the item"),
    "item_seconds": (pl.Float32(), "how long the item lasts"),
    "item_hours": (pl.Int32(), "hours since it was published"),
    "item_impressions": (pl.Float32(), "its impressions of late; an hour leaves 90 % of such counts"),
    "item_clicks": (pl.Float32(), "its clicks of late"),
    "item_likes": (pl.Float32(), "its likes of late"),
    "item_dismissals": (pl.Float32(), "its dismissals of late"),
}
#: Columns of the truth; a row is that of the log in the same place.
TRUTH: dict[str, tuple[pl.DataType, str]] = {
    "request": (pl.Int64(), "as in the log"),
    "item": (pl.Int64(), "as in the log"),
    "position": (pl.Int64(), "as in the log"),
    "examination": (pl.Float32(), "probability that the place is examined"),
    "click": (pl.Float32(), "probability of a click, once examined"),
    "engagement": (pl.Float32(), "expected seconds watched, once examined"),
    "satisfaction": (pl.Float32(), "expected rating, if it is watched and rated"),
    "like": (pl.Float32(), "probability of a like, once clicked"),
    "dismiss": (pl.Float32(), "probability of a dismissal, once examined"),
}


class Coming(Protocol):
    """The requests of an hour; see `Happened`."""

    @property
    def hour(self) -> int: ...
    @property
    def began(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def requests(self) -> Requests: ...


class Asking(NamedTuple):
    """The requests of an hour, before there are lists; see `Happened`."""

    hour: int
    began: int
    first: int
    requests: Requests


class Happened(NamedTuple):
    """All of an hour.

    Attributes:
        hour: from the simulation's beginning.
        began: microseconds since 1970.
        first: number of the first request.
        requests, slates: who asked and was shown what.
        truth: what was to be expected.
        feedback: what came of it.
    """

    hour: int
    began: int
    first: int
    requests: Requests
    slates: Slates
    truth: Chances
    feedback: Feedback


def log_frame(happened: Happened, users: Users, videos: Videos) -> pl.DataFrame:
    """Return the rows of an hour; users and videos as they were at its beginning."""
    requests, slates = happened.requests, happened.slates
    count, slate = slates.items.shape
    shown = request_frame(happened, users, videos)
    shown = shown[np.repeat(np.arange(count, dtype=np.uint32), slate)]
    topics = videos.topic[slates.items]
    known = users.topic_clicks[requests.user[:, None], topics]
    item = item_frame(happened.hour, videos)[slates.items.ravel().astype(np.uint32)]
    impressions = pl.DataFrame(
        {
            "position": np.tile(np.arange(1, slate + 1), count),
            "source": _named(list(slates.names), slates.sources.ravel()),
            "user_topic_clicks": known.ravel(),
            **_feedback_columns(happened.feedback),
        }
    )
    return pl.concat([shown, item, impressions], how="horizontal").select(
        [pl.col(name).cast(kind) for name, (kind, _) in {**COLUMNS, **FEATURES}.items() if name not in SERVED]
    )


def truth_frame(happened: Happened, videos: Videos) -> pl.DataFrame:
    """Return the truth about an hour's impressions."""
    slates, first = happened.slates, happened.first
    count, slate = slates.items.shape
    flat = Chances(*(values.ravel() for values in happened.truth))
    seconds = videos.seconds[slates.items].ravel()
    return pl.DataFrame(
        {
            "request": np.repeat(np.arange(first, first + count), slate),
            "item": videos.number[slates.items].ravel(),
            "position": np.tile(np.arange(1, slate + 1), count),
            "examination": flat.examined,
            "click": flat.click,
            "engagement": flat.click * flat.watched * seconds,
            "satisfaction": expected_rating(flat.satisfaction),
            "like": like_chance(flat.satisfaction),
            "dismiss": flat.dismiss,
        },
        schema={name: kind for name, (kind, _) in TRUTH.items()},
    )


def topic_names(topics: int) -> list[str]:
    """Return what the log calls the topics."""
    return [f"topic-{topic:0{len(str(topics - 1))}}" for topic in range(topics)]


def request_frame(coming: Coming, users: Users, videos: Videos) -> pl.DataFrame:
    """Return what the platform knows of requests, a row each, in the order of time."""
    hour, requests, first = coming.hour, coming.requests, coming.first
    user, there = requests.user, requests.query >= 0
    topics = topic_names(users.taste.shape[1])
    time = pl.Series("time", coming.began + requests.moment).cast(pl.Datetime("us"))
    return pl.DataFrame(
        {
            "time": time,
            "request": np.arange(first, first + len(user)),
            "user": users.number[user],
            "query": pl.Series(videos.number[requests.query]).set(pl.Series(~there), None),
            "device": _named([device.name for device in DEVICES], requests.device),
            "hour_of_day": time.dt.hour().cast(pl.Int32),
            "user_hours": (hour - users.joined[user]).astype(np.int32),
            "user_impressions": users.impressions[user].astype(np.int32),
            "user_clicks": users.clicks[user].astype(np.int32),
            "query_topic": _named(topics, videos.topic[requests.query]).set(pl.Series(~there), None),
        }
    )


def item_frame(hour: int, videos: Videos) -> pl.DataFrame:
    """Return what the platform knows of the catalogue, a row a video."""
    topics = topic_names(videos.options.topics)
    return pl.DataFrame(
        {
            "item": videos.number,
            "item_topic": _named(topics, videos.topic),
            "item_seconds": videos.seconds,
            "item_hours": videos.age(hour).astype(np.int32),
            **{f"item_{name}": counts for name, counts in videos.counts.items()},
        }
    )


def _feedback_columns(feedback: Feedback) -> dict[str, Any]:
    return {
        "clicked": feedback.clicked.ravel(),
        "watched": pl.Series(feedback.watched.ravel(), nan_to_null=True),
        "liked": feedback.liked.ravel(),
        "dismissed": feedback.dismissed.ravel(),
        "rating": pl.Series(feedback.rating.ravel(), nan_to_null=True),
    }


def _named(names: list[str], indices: Whole) -> pl.Series:
    return pl.Series(names)[pl.Series(indices.astype(np.uint32))]
