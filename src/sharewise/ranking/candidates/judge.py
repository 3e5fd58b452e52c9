"""How much of what users wanted in a stretch would have been proposed by what was known before it."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from sharewise.ranking.candidates.proposer import BLOCK, Proposer
from sharewise.ranking.candidates.recall import MERGED, Recall
from sharewise.ranking.candidates.requests import Ids, Requests
from sharewise.ranking.candidates.stretch import Stretch, requests_of
from sharewise.streams import stream

#: Stands for wanted items that had not come before.
UNKNOWN = -2


def judge(proposer: Proposer, stretch: Stretch, recall: Recall) -> None:
    """Add the recall of a stretch that nothing was learnt from yet.

    A request knows what its user watched before, in the stretch too, as a platform does; what sources know is
    from before the stretch. What one request led to counts together.
    """
    asked, wanted = wanted_of(proposer, stretch)
    own = proposer.plan.candidates
    most = max(own.count, *own.recall_at)
    for start in range(0, len(asked), BLOCK):
        rows = slice(start, start + BLOCK)
        lists = proposer.lists(asked[rows], most)
        merged = proposer.merged(lists, own.count).items
        here, known = wanted[rows], wanted[rows] >= 0
        new = (here == UNKNOWN).sum(1)
        recall.see({**lists, MERGED: merged}, np.where(known, here, -1), new)


def wanted_of(proposer: Proposer, stretch: Stretch) -> tuple[Requests, Ids]:
    """Return the requests that led to something, and what, ``[requests, items]``, padded with -1.

    Items that had not come before are -2. Of many requests some are drawn.
    """
    frame = stretch.frame.filter(pl.Series(stretch.wanted, dtype=pl.Boolean))
    group = requests_of(frame)
    total = int(group.max(initial=-1)) + 1
    drawn = _drawn(proposer, total)
    first = np.unique(group, return_index=True)[1][drawn]
    items = proposer.catalogue.ids.find(frame["item"])
    users = proposer.users.find(frame["user"])
    own = _with_new(users, frame["user"], len(proposer.users))
    past = proposer.history.before(own, items, proposer.width, first)
    queries = np.full(len(frame), -1, dtype=np.int64)
    if "query" in frame.columns:
        queries = proposer.catalogue.ids.find(frame["query"])
    requests = Requests(users[first], queries[first], past)
    total_items = len(proposer.catalogue)
    found = _wanted(group, _with_new(items, frame["item"], total_items), total)[drawn]
    return requests, np.where(found < total_items, found, UNKNOWN)


def _drawn(proposer: Proposer, total: int) -> Ids:
    own = proposer.plan.candidates
    if not own.recall_rows or total <= own.recall_rows:
        return np.arange(total)
    chance = stream(own.seed, "recall", proposer.stretches)
    return np.sort(torch.randperm(total, generator=chance)[: own.recall_rows].numpy())


def _with_new(rows: Ids, ids: pl.Series, known: int) -> Ids:
    """Return rows also for ids that have none, after the `known` ones; so a new user has a past here too."""
    names = ids.rank("dense").cast(pl.Int64)
    return np.where((rows < 0) & ids.is_not_null().to_numpy(), known + names.fill_null(0).to_numpy(), rows)


def _wanted(group: Ids, items: Ids, total: int) -> Ids:
    pairs = np.unique(np.stack([group, items]), axis=1) if len(group) else np.zeros((2, 0), dtype=np.int64)
    size = np.bincount(pairs[0], minlength=total)
    place = np.arange(pairs.shape[1]) - np.repeat(np.cumsum(size) - size, size)
    found = np.full((total, max(int(size.max(initial=0)), 1)), -1, dtype=np.int64)
    found[pairs[0], place] = pairs[1]
    return found
