"""The production system: a few simple generators fill a list, a noisy score orders it.

What the score likes comes high in the list and is seen more: position and relevance go together in the log,
as they do in a real one, and so do position and popularity, though the latter is no merit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sharewise.ranking.world.draws import Floats, Whole, normal, uniform
from sharewise.ranking.world.options import WorldOptions
from sharewise.ranking.world.requests import Requests
from sharewise.ranking.world.videos import Videos


class Source(NamedTuple):
    """A generator.

    Attributes:
        name: in the log.
        share: of the places in a list.
        bonus: what the production score adds for it, deserved or not.
    """

    name: str
    share: float
    bonus: float


CO_TOPIC, POPULAR, FRESH, EXPLORE = range(4)
SOURCES = (
    Source("co_topic", 0.4, 0.3),
    Source("popular", 0.3, 0.8),
    Source("fresh", 0.1, 0.0),
    Source("explore", 0.2, -0.5),
)
#: The production score knows relevance and quality by these parts.
RELEVANCE, QUALITY = 0.5, 0.3
#: Share of the catalogue that popular ones, and fresh ones, are drawn from.
POOL = 0.05
_SHIFT = 8  # bits for the place in a sorted key
_PLACE = (1 << _SHIFT) - 1


#: What sources are called, by their indices.
NAMES = tuple(source.name for source in SOURCES)


class Slates(NamedTuple):
    """An hour's lists, `[requests, slate]`: slots, indices of `names`, relevance; and the sources' names."""

    items: Whole
    sources: Whole
    relevance: Floats
    names: tuple[str, ...] = NAMES


def places(slate: int) -> Whole:
    """Return the source of every place before ordering: shares of the list, rounded."""
    bounds = np.rint(np.cumsum([source.share for source in SOURCES]) * slate)
    return np.searchsorted(bounds, np.arange(slate), side="right")


def make_slates(
    rng: np.random.Generator, requests: Requests, videos: Videos, options: WorldOptions
) -> Slates:
    """Draw candidates, all different and none of them the query, and put them in order."""
    kinds = places(options.slate)
    columns = [
        _GENERATORS[kind](rng, requests, videos, int(np.count_nonzero(kinds == kind)))
        for kind in range(len(SOURCES))
    ]
    items = np.concatenate(columns, axis=1)
    sources = np.broadcast_to(kinds, items.shape).copy()
    _part(rng, items, sources, requests.query, len(videos.number))
    relevance = videos.about(requests.context, np.arange(len(items))[:, None], items)
    order = _order(rng, items, sources, relevance, videos, options)
    items, sources, relevance = (np.take_along_axis(own, order, 1) for own in (items, sources, relevance))
    return Slates(items, sources, relevance)


def slates_of(
    rng: np.random.Generator, numbers: Whole, sources: Whole, names: tuple[str, ...], asked: Asked
) -> Slates:
    """Return lists that somebody else made, `[requests, slate]`; what is gone or missing becomes anything.

    Args:
        rng: of what is put in place.
        numbers: of videos; -1 for none.
        sources: who proposed each, as indices of `names`.
        names: of the sources.
        asked: who asked, and for what the catalogue was.
    """
    items, every = asked.videos.slot(numbers), (*names, SOURCES[EXPLORE].name)
    sources = np.where(items < 0, len(names), sources)
    missing = items < 0
    items[missing] = rng.integers(len(asked.videos.number), size=int(missing.sum()))
    _part(rng, items, sources, asked.requests.query, len(asked.videos.number), len(names))
    relevance = asked.videos.about(asked.requests.context, np.arange(len(items))[:, None], items)
    return Slates(items, sources, relevance, every)


class Asked(NamedTuple):
    """Who asks for lists, of which catalogue."""

    requests: Requests
    videos: Videos


def _co_topic(rng: np.random.Generator, requests: Requests, videos: Videos, count: int) -> Whole:
    """Videos of the query's main topic; without a query, of the topic that suits the user best."""
    wanted = np.where(requests.query >= 0, videos.topic[requests.query], requests.context.argmax(1))
    by_topic = np.argsort(videos.topic, kind="stable")
    sizes = np.bincount(videos.topic, minlength=requests.context.shape[1])
    first = np.cumsum(sizes) - sizes
    size, begin = sizes[wanted], first[wanted]
    none = size == 0
    size[none], begin[none] = len(by_topic), 0
    picked = (uniform(rng, len(wanted), count) * size[:, None].astype(np.float32)).astype(np.int64)
    return by_topic[picked + begin[:, None]]


def _popular(rng: np.random.Generator, requests: Requests, videos: Videos, count: int) -> Whole:
    """What was clicked most in the last hours, the first of them more often."""
    clicks = videos.counts["clicks"]
    ranked = np.argsort(-clicks - 0.01 * uniform(rng, len(clicks)))
    pool = _pool(videos, count)
    return ranked[(pool * uniform(rng, len(requests.user), count) ** 2).astype(np.int64)]


def _fresh(rng: np.random.Generator, requests: Requests, videos: Videos, count: int) -> Whole:
    """What was published last."""
    back = rng.integers(_pool(videos, count), size=(len(requests.user), count))
    return (videos.newest - back) % len(videos.number)


def _explore(rng: np.random.Generator, requests: Requests, videos: Videos, count: int) -> Whole:
    """Anything."""
    return rng.integers(len(videos.number), size=(len(requests.user), count))


_GENERATORS: tuple[Callable[[np.random.Generator, Requests, Videos, int], Whole], ...] = (
    _co_topic,
    _popular,
    _fresh,
    _explore,
)


def _pool(videos: Videos, count: int) -> int:
    return min(max(int(POOL * len(videos.number)), 4 * count, 1), len(videos.number))


def _part(
    rng: np.random.Generator,
    items: Whole,
    sources: Whole,
    query: Whole,
    videos: int,
    explore: int = EXPLORE,
) -> None:
    """Replace what a list holds twice, or is the query, by anything else, of source `explore`; in place."""
    lists = np.arange(len(items))
    while True:
        rows, columns = _clashes(items[lists], query[lists])
        if not len(rows):
            return
        items[lists[rows], columns] = rng.integers(videos, size=len(rows))
        sources[lists[rows], columns] = explore
        lists = lists[np.unique(rows)]


def _clashes(items: Whole, query: Whole) -> tuple[Whole, Whole]:
    """Return row and column of what must not stay; of equal ones the first stays."""
    width = items.shape[1]
    keys = np.sort((items << _SHIFT) | np.arange(width), axis=1)
    videos = keys >> _SHIFT
    rows, after = np.nonzero(videos[:, 1:] == videos[:, :-1])
    asked, there = np.nonzero(items == query[:, None])
    columns = keys[rows, after + 1] & _PLACE
    return np.concatenate([rows, asked]), np.concatenate([columns, there])


def _order(
    rng: np.random.Generator,
    items: Whole,
    sources: Whole,
    relevance: Floats,
    videos: Videos,
    options: WorldOptions,
) -> Whole:
    """Return the production order; in the lists that explore, a random one."""
    bonus = np.asarray([source.bonus for source in SOURCES], np.float32)
    score = normal(rng, *items.shape)
    score *= np.float32(options.noise)
    score += RELEVANCE * relevance
    score += (QUALITY * videos.quality)[items]
    score += bonus[sources]
    random = np.nonzero(rng.random(len(items)) < options.exploration)[0]
    score[random] = uniform(rng, len(random), items.shape[1])
    return np.argsort(-score, axis=1)
