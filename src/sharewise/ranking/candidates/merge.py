"""Merge: the lists of several sources become one, in turns, each item once with all who proposed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharewise.ranking.candidates.requests import Ids, taken


@dataclass(frozen=True)
class Merged:
    """One list a request.

    Attributes:
        items: ``[requests, count]``, padded with -1 at the end.
        sources: ``[requests, count]``, bit s is set where source s proposed the item.
    """

    items: Ids
    sources: Ids


def merge(lists: Sequence[Ids], shares: Sequence[float], count: int) -> Merged:
    """Return the merged lists.

    Place j, from 1, of a source with share q has its turn at j / q; of equal turns the first source's comes
    first. Items are taken in the order of turns, those taken before left out, until there are `count`: so
    sources fill the list by their shares, and what one cannot fill the others do.

    Args:
        lists: of every source, ``[requests, places]``, no item twice in a row, -1 at the end.
        shares: of every source, positive.
        count: items of a merged list at most.
    """
    source = np.repeat(np.arange(len(lists)), [found.shape[1] for found in lists])
    turn = np.concatenate([(np.arange(own.shape[1]) + 1) / q for own, q in zip(lists, shares, strict=True)])
    order = np.lexsort((source, turn))
    items, bits = np.concatenate(lists, 1)[:, order], (1 << source)[order]
    # Equal items side by side, the one whose turn is first before the others.
    near = np.argsort(items, axis=1, kind="stable")
    sorted_items = taken(items, near)
    first = np.ones(items.shape, dtype=np.bool_)
    first[:, 1:] = sorted_items[:, 1:] != sorted_items[:, :-1]
    total = np.bincount(np.cumsum(first.ravel()) - 1, bits[near].ravel()).astype(np.int64)
    kept, sources = np.zeros(items.shape, dtype=np.bool_), np.zeros(items.shape, dtype=np.int64)
    rows = np.nonzero(first)[0]
    kept[rows, near[first]] = sorted_items[first] >= 0
    sources[rows, near[first]] = total
    place = np.argsort(~kept, axis=1, kind="stable")[:, :count]
    chosen = taken(kept, place)
    return Merged(
        np.where(chosen, taken(items, place), -1),
        np.where(chosen, taken(sources, place), 0),
    )
