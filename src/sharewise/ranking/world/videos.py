"""The catalogue: what videos are, which nobody is told, and what the platform has counted of them.

Videos sit in a ring of slots: the video with number n lies in slot n modulo the number of videos, so a new
one replaces the oldest, numbers rise for ever, and memory stays as it is.
"""

from __future__ import annotations

import numpy as np

from sharewise.ranking.world.draws import Flags, Floats, Whole, generator, normal, uniform
from sharewise.ranking.world.options import WorldOptions

#: Of its counts, what an hour leaves.
KEPT = 0.9
#: Hours in which what is new about a video falls to a third.
FRESH_HOURS = 24.0
#: Length of a common video, and the limits, in seconds.
COMMON, SHORTEST, LONGEST = 300.0, 15.0, 10_800.0
#: What is counted of impressions, for the last hours.
COUNTS = ("impressions", "clicks", "likes", "dismissals")


class Videos:
    """All videos of the catalogue, as arrays over slots.

    Attributes:
        number: the id in the log.
        published: hours from the simulation's beginning; negative before it.
        topic, side: the main topic, which everybody sees, and a second one, which nobody does.
        share: of the main topic in what the video is about.
        quality: N(0, 1); not seen.
        clickbait: from 0 to the options' largest, mostly small; not seen.
        length: in units of e, 0 for a common video.
        seconds: how long it lasts.
        counts: recent feedback by name, as the platform knows it at the beginning of the hour.
    """

    def __init__(self, options: WorldOptions) -> None:
        count = options.videos
        self.options = options
        self.number: Whole = np.arange(count)
        self.published: Floats = np.zeros(count, np.float32)
        self.topic: Whole = np.zeros(count, np.int64)
        self.side: Whole = np.zeros(count, np.int64)
        self.share: Floats = np.zeros(count, np.float32)
        self.quality: Floats = np.zeros(count, np.float32)
        self.clickbait: Floats = np.zeros(count, np.float32)
        self.length: Floats = np.zeros(count, np.float32)
        self.seconds: Floats = np.zeros(count, np.float32)
        self.counts: dict[str, Floats] = {name: np.zeros(count, np.float32) for name in COUNTS}
        self.newest = count - 1
        ages = (count - self.number) / max(options.new_videos, 1)
        self._publish(generator(options.seed, "videos"), self.number, -ages.astype(np.float32))

    def arrive(self, hour: int) -> None:
        """Let an hour's new videos replace the oldest."""
        numbers = np.arange(self.newest + 1, self.newest + 1 + self.options.new_videos)
        moments = np.full(len(numbers), hour, np.float32)
        self._publish(generator(self.options.seed, "videos", hour), numbers, moments)
        self.newest += len(numbers)

    def slot(self, numbers: Whole) -> Whole:
        """Return where these videos lie; -1 for those that are gone, or are none."""
        there = (numbers >= 0) & (numbers <= self.newest) & (numbers > self.newest - self.options.videos)
        return np.where(there, numbers % self.options.videos, -1)

    def age(self, hour: int) -> Floats:
        """Return the hours since publication."""
        age: Floats = np.float32(hour) - self.published
        return age

    def freshness(self, hour: int) -> Floats:
        """Return exp(-age / 24 h), 1 for what has just been published."""
        fresh: Floats = np.exp(self.age(hour) / np.float32(-FRESH_HOURS))
        return fresh

    def about(self, tastes: Floats, rows: Whole, slots: Whole) -> Floats:
        """Return how much the videos of these slots are to tastes `[people, topics]` of these rows."""
        return _mixed(tastes, rows, self.topic[slots], self.side[slots], self.share[slots])

    def count(self, slots: Whole, feedback: dict[str, Flags]) -> None:
        """Let old counts fade and add an hour's impressions."""
        for name, counts in self.counts.items():
            chosen = slots[feedback[name]] if name in feedback else slots
            counts *= np.float32(KEPT)
            counts += np.bincount(chosen.ravel(), minlength=len(counts))

    def _publish(self, rng: np.random.Generator, numbers: Whole, moments: Floats) -> None:
        slots, count, topics = numbers % self.options.videos, len(numbers), self.options.topics
        self.number[slots], self.published[slots] = numbers, moments
        self.topic[slots] = _topics(rng, count, topics)
        self.side[slots] = rng.integers(topics, size=count)
        self.share[slots] = 0.6 + 0.4 * uniform(rng, count)
        self.quality[slots] = normal(rng, count)
        self.clickbait[slots] = self.options.clickbait * uniform(rng, count) ** 3
        seconds = np.clip(COMMON * np.exp(0.9 * normal(rng, count)), SHORTEST, LONGEST)
        self.seconds[slots], self.length[slots] = seconds, np.log(seconds / COMMON)
        for counts in self.counts.values():
            counts[slots] = 0


def _topics(rng: np.random.Generator, count: int, topics: int) -> Whole:
    """Draw main topics; the first are the commoner ones."""
    return np.minimum((topics * rng.random(count) ** 1.5).astype(np.int64), topics - 1)


def _mixed(tastes: Floats, rows: Whole, topic: Whole, side: Whole, share: Floats) -> Floats:
    flat, base = tastes.ravel(), rows * tastes.shape[1]
    other = flat[base + side]
    result: Floats = flat[base + topic]
    result -= other
    result *= share
    result += other
    return result
