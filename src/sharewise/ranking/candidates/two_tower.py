"""Two-tower retrieval: requests and items as vectors, learnt from in-batch negatives (Yi et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sharewise.ranking.candidates.asking import Asking
from sharewise.ranking.candidates.catalogue import Catalogue
from sharewise.ranking.candidates.frequency import StreamingFrequency
from sharewise.ranking.candidates.generator import Generator
from sharewise.ranking.candidates.index import INDEX_CLASSES, Index
from sharewise.ranking.candidates.options import TowerOptions
from sharewise.ranking.candidates.requests import Found, Requests, Watches
from sharewise.ranking.candidates.towers import TwoTowers, in_batch_loss
from sharewise.streams import stream
from sharewise.train.growth import fit_state
from sharewise.train.loop import make_optimizer
from sharewise.train.options import TrainOptions
from sharewise.train.state import flatten_optimizer, plain, tensors_of, unflatten_optimizer

#: Requests and items whose vectors are computed at a time.
ROWS = 1 << 14


class TwoTower(Generator):
    """A network for who asks beside what, one for items, and an index of the items' vectors.

    Args:
        catalogue: the items, with their topics.
        options: of this source.
        seed: of first values and of the order of training.
    """

    def __init__(self, catalogue: Catalogue, options: TowerOptions, seed: int) -> None:
        super().__init__(catalogue)
        self._options, self._seed = options, seed
        self.towers = TwoTowers(options.size, options.hidden, seed)
        self._moments: dict[str, Tensor] = {}
        self._frequency = StreamingFrequency(options.gap_rate)
        self._users = self._stretches = 0
        self._asking: tuple[Asking, Index] | None = None

    @cached_property
    def _optimizer(self) -> torch.optim.Optimizer:
        """Made when something is learnt: what only answers is spared the seconds that torch takes for it."""
        groups = [{"params": list(self.towers.parameters()), "lr_factor": 1.0, "decay": False}]
        made = make_optimizer(groups, TrainOptions(learning_rate=self._options.learning_rate))
        if self._moments:
            unflatten_optimizer(made, self._moments)
            self._moments = {}
        return made

    def learn(self, watches: Watches) -> None:
        asked, total = watches.asked, len(self.catalogue)
        self._users = max(self._users, int(asked.user.max(initial=-1)) + 1)
        optimizer = self._optimizer
        self.towers.grow(self._users, total, self.catalogue.topics)
        fit_state(optimizer)
        self._frequency.grow(total)
        topics = torch.from_numpy(self.catalogue.padded())
        for rows, hidden in self._batches(len(watches)):
            item = watches.item[rows.numpy()]
            self._frequency.learn(item)
            self._step(asked[rows.numpy()], hidden, torch.from_numpy(item), topics)
        self._stretches += 1
        self._asking = None

    def propose(self, requests: Requests, count: int) -> Found:
        if not self._stretches:
            return Found(np.zeros((len(requests), 0), dtype=np.int64), np.zeros((len(requests), 0)))
        if self._asking is None:
            index = INDEX_CLASSES[self._options.index](self.vectors())
            self._asking = Asking(self.towers, self._users), index
        asking, index = self._asking
        return index.search(torch.from_numpy(asking.vectors(requests)), count)

    @torch.no_grad()
    def vectors(self) -> Tensor:
        """Return the vectors of all items, float32 ``[items, size]``."""
        items, topics = torch.arange(len(self.catalogue)), torch.from_numpy(self.catalogue.padded())
        parts = zip(torch.split(items, ROWS), torch.split(topics, ROWS), strict=True)
        return torch.cat([self.towers.candidates(*part) for part in parts])

    @torch.no_grad()
    def ask(self, requests: Requests) -> Tensor:
        """Return the vectors of requests, float32 ``[requests, size]``, as they are learnt from."""
        return self.towers.requests(*self._asked(requests))

    def tensors(self) -> dict[str, Tensor]:
        parts: dict[str, Mapping[str, Tensor]] = {
            "towers": self.towers.state_dict(),
            "optimizer": self._moments or flatten_optimizer(self._optimizer),
            "frequency": self._frequency.tensors(),
            "so_far": {"users": torch.tensor([self._users]), "stretches": torch.tensor([self._stretches])},
        }
        return plain({f"{part}.{name}": v for part, own in parts.items() for name, v in own.items()})

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.towers.load_state_dict(tensors_of(tensors, "towers"))
        self.__dict__.pop("_optimizer", None)
        self._moments = tensors_of(tensors, "optimizer")
        self._frequency.load(tensors_of(tensors, "frequency"))
        self._users, self._stretches = (int(tensors[f"so_far.{name}"]) for name in ("users", "stretches"))
        self._asking = None

    def _step(self, asked: Requests, hidden: Tensor, item: Tensor, topics: Tensor) -> None:
        user, query, past = self._asked(asked)
        requests = self.towers.requests(user.masked_fill(hidden, -1), query, past)
        products = requests @ self.towers.candidates(item, topics[item]).T / self._options.temperature
        share = torch.from_numpy(self._frequency.share(item.numpy())).float()
        loss = in_batch_loss(products, share if self._options.correct else None)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def _asked(self, requests: Requests) -> tuple[Tensor, Tensor, Tensor]:
        """Return users, queries and pasts as tensors; users that were never learnt of are unknown."""
        user = np.where(requests.user < self._users, requests.user, -1)
        return torch.from_numpy(user), torch.from_numpy(requests.query), torch.from_numpy(requests.past)

    def _batches(self, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the rows of batches, and whose user is hidden."""
        most, size = self._options.most, self._options.batch_size
        for turn in range(self._options.passes):
            chance = stream(self._seed, "two_tower", self._stretches, turn)
            taken = min(count, most) if most else count
            order = torch.randperm(taken, generator=chance) + count - taken
            hidden = torch.rand(taken, generator=chance) < self._options.drop
            for rows, own in zip(torch.split(order, size), torch.split(hidden, size), strict=True):
                if len(rows) > 1:  # one alone has no negatives
                    yield rows, own
