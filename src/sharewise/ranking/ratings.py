"""A table of ratings in the order of time -> a log: what was rated next, among what might have been.

A data set of ratings says what people watched, and nothing of what they were shown. So a list is made for
every rating: the item that was rated, which is the one watched *next*, among items that the user had not
rated by then. Half of these are drawn evenly from the items that anybody had rated before, half by how often
they had been rated, so that being known or popular does not tell the answer. Every feature is of the ratings
before. What nobody had rated before is in no list: a platform could not have known of it; it is known from
then on.

An item that is not clicked was not watched *next*; the user may have rated it later.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise import files
from sharewise.errors import ConfigError
from sharewise.streams import derive_seed

Ids = NDArray[np.int64]
Array = NDArray[np.float64]
#: Ratings' mean is pulled to this one by so many ratings.
MIDDLE, PULL = 3.5, 5.0
#: Draws for every item that is wanted beside the watched one; those that may not be there are left out.
SPARE = 3
#: Ratings from which on an item is liked.
LIKED = 4


@dataclass(frozen=True)
class RatingsOptions:
    """How lists are made.

    Args:
        others: items of a list beside the one that was watched, as far as there are so many.
        every: length of a partition, as Polars writes it: "1d", "6h".
        seed: of what is drawn: the others, the order of a list, the order of ratings of the same moment.
        user, item: further columns of the ratings that are features, by whom they are of.
    """

    others: int = 19
    every: str = "1d"
    seed: int = 0
    user: tuple[str, ...] = ()
    item: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.others < 1:
            raise ConfigError(f"A list has {self.others} other items.", "Use a whole number from 1 on.")


def write_ratings_log(ratings: pl.DataFrame, folder: str | Path, options: RatingsOptions) -> int:
    """Write the log of a table of ratings as Parquet files, one a partition; return how many rows.

    Args:
        ratings: ``user``, ``item`` (whole numbers), ``time``, ``rating`` and the features that options name.
        folder: where they go; made if it is not there.
        options: how lists are made.
    """
    folder = Path(folder)
    files.make_folder(folder)
    total = 0
    for name, frame in ratings_log(ratings, options):
        content = _parquet(frame)
        files.write_bytes(folder / f"{name}.parquet", content)
        total += len(frame)
    return total


def ratings_log(ratings: pl.DataFrame, options: RatingsOptions) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the partitions of the log, each with its name; arguments as in `write_ratings_log`.

    Columns: ``time``, ``request``, ``user``, ``query`` (what the user watched before it), ``item``,
    ``clicked`` (whether it was watched next), ``liked`` and ``rating`` of what was, ``item_watches``,
    ``item_rating``, ``user_watches``, ``user_rating`` (numbers and means of the ratings before), and the
    features that options name.
    """
    chance = np.random.default_rng(derive_seed(options.seed, "ratings"))
    mixed = ratings.with_columns(pl.Series("mixed", chance.permutation(len(ratings))))
    ordered = mixed.sort("time", "mixed")
    past = _Past(ordered)
    user_features = ordered.select("user", *options.user).unique("user", keep="first", maintain_order=True)
    item_features = ordered.select("item", *options.item).unique("item", keep="first", maintain_order=True)
    number = ordered.select(pl.col("time").dt.truncate(options.every).rle_id())["time"].to_numpy()
    for part in range(int(number[-1]) + 1 if len(number) else 0):
        events = np.flatnonzero(number == part)
        frame = _lists(past, ordered, events[past.known[events]], chance, options.others)
        joined = frame.join(user_features, on="user", how="left", maintain_order="left")
        name = ordered["time"][int(events[0])].strftime("%Y-%m-%dT%H%M")
        yield name, joined.join(item_features, on="item", how="left", maintain_order="left")


def _lists(
    past: _Past, ordered: pl.DataFrame, events: Ids, chance: np.random.Generator, others: int
) -> pl.DataFrame:
    """Return the lists of some ratings, their items in an order that says nothing."""
    items = np.concatenate([past.item[events][:, None], past.draw(events, chance, others)], 1)
    order = np.argsort(chance.random(items.shape), axis=1)
    items, clicked = np.take_along_axis(items, order, 1), order == 0
    row, place = np.nonzero(items >= 0)
    item, event = items[row, place], events[row]
    own = ordered[event.astype(np.uint32)]
    item_watches, item_rating = past.of_items.before(item, event)
    user_watches, user_rating = past.of_users.before(past.user[event], event)
    query = past.query[event]
    return pl.DataFrame(
        {
            "time": own["time"].cast(pl.Datetime("us")),
            "request": event,
            "user": own["user"],
            "query": past.item_ids[query],
            "item": past.item_ids[item],
            "clicked": clicked[row, place],
            "liked": own["rating"] >= LIKED,
            "rating": own["rating"].cast(pl.Float64),
            "item_watches": item_watches,
            "item_rating": item_rating,
            "user_watches": user_watches,
            "user_rating": user_rating,
        }
    ).with_columns(
        query=pl.when(pl.Series(query >= 0)).then("query"),
        liked=pl.when("clicked").then("liked"),
        rating=pl.when("clicked").then("rating"),
    )


class _Past:
    """What had been rated before each rating; ratings are numbered in the order of time.

    Args:
        ordered: the ratings.

    Attributes:
        item_ids: ids of items by their number.
        item, user: ``[ratings]``, numbers.
        query: ``[ratings]``, the item that the user rated before, -1 if it is the first.
        known: ``[ratings]``, whether anybody had rated the item before.
    """

    def __init__(self, ordered: pl.DataFrame) -> None:
        self.item_ids, first, self.item = np.unique(ordered["item"], return_index=True, return_inverse=True)
        self.user = np.unique(ordered["user"], return_inverse=True)[1]
        count = len(ordered)
        self.known = first[self.item] < np.arange(count)
        self._coming, self._came = np.argsort(first), np.sort(first)
        self._pairs, self._rated = np.unique(self._pair(self.user, self.item), return_index=True)
        rating = ordered["rating"].cast(pl.Float64).to_numpy()
        self.of_items, self.of_users = _Totals(self.item, rating), _Totals(self.user, rating)
        order = np.argsort(self.user, kind="stable")
        self.query = np.full(count, -1)
        follows = self.user[order][1:] == self.user[order][:-1]
        self.query[order[1:][follows]] = self.item[order[:-1][follows]]

    def draw(self, events: Ids, chance: np.random.Generator, others: int) -> Ids:
        """Return items that the users had not rated, each once, ``[events, others]``, -1 for missing ones."""
        shape = (len(events), SPARE * others)
        even = np.searchsorted(self._came, events)[:, None]  # items that had come
        items = self._coming[(chance.random(shape) * even).astype(np.int64)]
        popular = self.item[(chance.random(shape) * events[:, None]).astype(np.int64)]
        items[:, 1::2] = popular[:, 1::2]
        pairs = self._pair(self.user[events][:, None], items)
        at = np.searchsorted(self._pairs, pairs).clip(max=len(self._pairs) - 1)
        bad = (self._pairs[at] == pairs) & (self._rated[at] <= events[:, None])
        near = np.argsort(items, axis=1, kind="stable")
        ordered = np.take_along_axis(items, near, 1)
        again = np.zeros(shape, dtype=np.bool_)
        again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
        bad[np.arange(len(events))[:, None], near] |= again
        chosen = np.argsort(bad, axis=1, kind="stable")[:, :others]
        found = np.where(np.take_along_axis(bad, chosen, 1), -1, np.take_along_axis(items, chosen, 1))
        return found.astype(np.int64)

    def _pair(self, user: Ids, item: Ids) -> Ids:
        return user * len(self.item_ids) + item


class _Totals:
    """Numbers and sums of the ratings of every group before a moment.

    Args:
        group: ``[ratings]``, what each is of: its user or its item.
        rating: ``[ratings]``.
    """

    def __init__(self, group: Ids, rating: Array) -> None:
        self._count = len(group)
        order = np.argsort(group, kind="stable")
        self._keys = group[order] * self._count + order
        self._sums = np.concatenate([[0.0], np.cumsum(rating[order])])

    def before(self, group: Ids, event: Ids) -> tuple[Ids, Array]:
        """Return numbers of ratings and their means, pulled to the middle, of groups before events."""
        start = np.searchsorted(self._keys, group * self._count)
        stop = np.searchsorted(self._keys, group * self._count + event)
        watches = stop - start
        return watches, (self._sums[stop] - self._sums[start] + PULL * MIDDLE) / (watches + PULL)


def _parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()
