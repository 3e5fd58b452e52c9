"""Proposer: all that candidates come from; it learns from stretches, and proposes for requests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sharewise.ranking.candidates.catalogue import Catalogue
from sharewise.ranking.candidates.columns import LogColumns
from sharewise.ranking.candidates.generator import Generator
from sharewise.ranking.candidates.history import History
from sharewise.ranking.candidates.ids import Ids as Known
from sharewise.ranking.candidates.merge import Merged, merge
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.remembered import Remembered
from sharewise.ranking.candidates.requests import Ids, Requests, Watches, without
from sharewise.ranking.candidates.sources import make_generators
from sharewise.ranking.candidates.stretch import Stretch
from sharewise.train.state import plain, tensors_of

#: Requests that are answered at a time.
BLOCK = 1024
#: Whose columns are remembered.
KEYS = ("item", "query", "user")


class Proposer:
    """Sources, and what they share.

    Args:
        plan: what is proposed.
        columns: of the log.

    Attributes:
        catalogue: the items.
        users: rows of those who watched anything.
        history: what they watched.
        generators: the sources, by name.
        stretches: learnt from so far.
    """

    def __init__(self, plan: CandidatePlan, columns: LogColumns) -> None:
        self.plan, self.columns, own = plan, columns, plan.candidates
        self.catalogue = Catalogue(columns.item, plan.topics)
        self.users = Known("user", columns.user)
        self.history = History(own.history)
        self.stretches = 0
        names = {key: getattr(own, f"remember_{key}") for key in KEYS}
        self._remembered = {key: Remembered(names[key]) for key in KEYS}
        self.generators = make_generators(self.catalogue, plan)

    @property
    def width(self) -> int:
        """Watches of a user that a request needs: all, if none of them is to be proposed again."""
        own = self.plan.candidates
        return own.recent if own.repeat else own.history

    def learn(self, stretch: Stretch) -> None:
        """Take in a stretch of the log, which comes after all that was learnt from."""
        frame, wanted = stretch.frame, stretch.frame.filter(pl.Series(stretch.wanted, dtype=pl.Boolean))
        self.catalogue.learn(frame)
        users = self.users.learn(wanted["user"])
        items = self.catalogue.ids.find(wanted["item"])
        past = self.history.before(users, items, self.plan.candidates.recent)
        now = float(stretch.time.max(initial=0.0))
        asked = Requests(users, self._queries(wanted), past)
        watches = Watches(asked, items, stretch.time[stretch.wanted], now)
        for generator in self.generators.values():
            generator.learn(watches)
        self.history.learn(users, items, len(self.users))
        self._remember(frame)
        self.stretches += 1

    def requests(self, users: pl.Series, queries: pl.Series) -> Requests:
        """Return requests of users, by id, beside queries, null for none.

        Raises:
            DataError: if ids are of another type than the log's.
        """
        rows = self.users.find(users)
        return Requests(rows, self.catalogue.ids.find(queries), self.history.last(rows, self.width))

    def request(self, user: int, query: int) -> Requests:
        """Return one request, by rows; -1 for a stranger, and for nothing that is watched."""
        users = np.array([user])
        return Requests(users, np.array([query]), self.history.last(users, self.width))

    def lists(self, requests: Requests, count: int) -> dict[str, Ids]:
        """Return what each source proposes, ``[requests, count or fewer]``, without what must not be."""
        own = self.plan.candidates
        past = requests.past if not own.repeat else requests.past[:, :0]
        excluded = np.concatenate([requests.query[:, None], past], 1)
        asked = Requests(requests.user, requests.query, requests.past[:, : own.recent])
        most = count + int((excluded >= 0).sum(1).max(initial=0))
        found = {name: own.propose(asked, most) for name, own in self.generators.items()}
        return {name: without(one, excluded, count).items for name, one in found.items()}

    def propose(self, requests: Requests, count: int | None = None) -> Merged:
        """Return the merged lists; `count` items at most, or as many as the plan says."""
        most = count or self.plan.candidates.count
        starts = range(0, max(len(requests), 1), BLOCK)
        parts = [self.merged(self.lists(requests[s : s + BLOCK], most), most) for s in starts]
        width = max(part.items.shape[1] for part in parts)
        items, sources = zip(*(_padded(part, width) for part in parts), strict=True)
        return Merged(np.concatenate(items), np.concatenate(sources))

    def merged(self, lists: Mapping[str, Ids], count: int) -> Merged:
        """Return the lists of all sources as one."""
        shares = self.plan.candidates.sources
        return merge([lists[name] for name in shares], list(shares.values()), count)

    def remembered(self, key: str, rows: Ids) -> pl.DataFrame:
        """Return what the log last said of items, queries or users, by their rows."""
        return self._remembered[key].of(rows)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that was learnt, by name, on the CPU, apart from each other in memory."""
        found = {f"{part}.{n}": v for part, one in self._parts().items() for n, v in one.tensors().items()}
        return plain({**found, "stretches": torch.tensor(self.stretches)})

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        for part, one in self._parts().items():
            one.load(tensors_of(tensors, part))
        self.stretches = int(tensors["stretches"])

    def _parts(self) -> dict[str, Catalogue | Known | History | Remembered | Generator]:
        return {
            "catalogue": self.catalogue,
            "users": self.users,
            "history": self.history,
            **{f"remembered_{key}": one for key, one in self._remembered.items()},
            **{f"source_{name}": one for name, one in self.generators.items()},
        }

    def _queries(self, frame: pl.DataFrame) -> Ids:
        if "query" not in frame.columns:
            return np.full(len(frame), -1, dtype=np.int64)
        return self.catalogue.ids.find(frame["query"])

    def _remember(self, frame: pl.DataFrame) -> None:
        for key, one in self._remembered.items():
            if one.columns:
                known = self.users if key == "user" else self.catalogue.ids
                one.learn(known.find(frame[key]), frame)


def _padded(merged: Merged, width: int) -> tuple[Ids, Ids]:
    more = ((0, 0), (0, width - merged.items.shape[1]))
    return np.pad(merged.items, more, constant_values=-1), np.pad(merged.sources, more)
