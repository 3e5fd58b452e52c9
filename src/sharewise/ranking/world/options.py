"""How large the simulated world is and how it behaves: every number in one checked place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sharewise.errors import ConfigError

#: Places in a list that fit beside a video's slot in one sorted key.
LONGEST = 256
#: Users, videos, or an hour's impressions; and users times topics: about 4 GB of memory each.
MOST, TASTES = 10_000_000, 500_000_000


@dataclass(frozen=True)
class WorldOptions:
    """Options of `World`.

    Args:
        users: who are there at a time; those who leave make room for new ones.
        videos: in the catalogue at a time; new ones replace the oldest.
        topics: that videos are about and users like.
        hours: to simulate.
        requests_per_hour: on average over a day; evenings have three times the mornings' number.
        slate: videos in a list.
        seed: of all chance.
        start: the first hour, UTC, such as "2026-01-01" or "2026-01-01T06", from 1970 to 2200.
        user_turnover: share of the users who are replaced by new ones every hour.
        video_turnover: share of the videos that are replaced by new ones every hour.
        drift: share of a taste that a day replaces, 0 to 1.
        clickbait: the largest there is; 0 takes the conflict away.
        noise: standard deviation of what the production ranker does not know.
        exploration: share of the lists that are shown in random order.
        survey: probability that a watched video is rated.

    Raises:
        ConfigError: for a value that cannot be used.
    """

    users: int = 20_000
    videos: int = 5_000
    topics: int = 20
    hours: int = 24
    requests_per_hour: int = 4_200
    slate: int = 10
    seed: int = 0
    start: str = "2026-01-01T00"
    user_turnover: float = 0.005
    video_turnover: float = 0.005
    drift: float = 0.2
    clickbait: float = 1.0
    noise: float = 1.0
    exploration: float = 0.1
    survey: float = 0.1

    def __post_init__(self) -> None:
        for name, least, most in (
            ("users", 1, MOST),
            ("topics", 2, 1_000),
            ("hours", 1, 1_000_000),
            ("requests_per_hour", 1, MOST),
            ("slate", 1, LONGEST),
            ("videos", 4 * self.slate, MOST),
        ):
            good = least <= getattr(self, name) <= most
            self._need(name, good, f"a whole number from {least} to {most:,}")
        tastes, rows = self.users * self.topics, self.requests_per_hour * self.slate
        self._need("topics", tastes <= TASTES, f"at most {TASTES // self.users:,} for so many users")
        self._need("slate", rows <= MOST, f"at most {MOST // self.requests_per_hour:,} for so many requests")
        for name in ("user_turnover", "video_turnover", "drift", "exploration", "survey"):
            self._need(name, 0 <= getattr(self, name) <= 1, "a number from 0 to 1")
        for name in ("clickbait", "noise"):
            self._need(name, 0 <= getattr(self, name) <= 10, "a number from 0 to 10")
        self._need("start", self._starts_well(), "an hour from 1970 to 2200, such as 2026-01-01T06")

    @property
    def first(self) -> datetime:
        """The moment at which the first hour begins."""
        return datetime.fromisoformat(self.start)

    @property
    def new_users(self) -> int:
        """How many come every hour."""
        return round(self.users * self.user_turnover)

    @property
    def new_videos(self) -> int:
        """How many come every hour."""
        return round(self.videos * self.video_turnover)

    def _starts_well(self) -> bool:
        try:
            first = self.first
        except (TypeError, ValueError):
            return False
        whole = first == first.replace(minute=0, second=0, microsecond=0)
        return first.tzinfo is None and whole and 1970 <= first.year <= 2200

    def _need(self, name: str, good: bool, what: str) -> None:
        if not good:
            raise ConfigError(f"World option '{name}' is {getattr(self, name)}.", f"Use {what}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; ``WorldOptions(**values)`` is the inverse."""
        return asdict(self)
