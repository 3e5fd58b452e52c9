"""The tower of requests without torch: a request alone takes a tenth of the time that its modules take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sharewise.ranking.candidates.requests import Ids, Requests
from sharewise.ranking.candidates.towers import Tower, TwoTowers

Floats = NDArray[np.float32]


class Asking:
    """What `TwoTowers.requests` computes, with the weights that it has now.

    Args:
        towers: trained.
        users: that were learnt of; others are unknown.
    """

    def __init__(self, towers: TwoTowers, users: int) -> None:
        self._known = users
        self._users, self._items = (_array(table.table)[0] for table in (towers.users, towers.items))
        self._layers = _layers(towers.asking)

    def vectors(self, requests: Requests) -> Floats:
        """Return the vectors of requests, ``[requests, size]``, each of length 1."""
        user = np.where(requests.user < self._known, requests.user, -1)
        x = np.concatenate(
            [self._users[user + 1], self._items[requests.query + 1], self._mean(requests.past)], 1
        )
        *hidden, (weight, bias) = self._layers
        for own, shift in hidden:
            x = np.maximum(x @ own + shift, 0.0)
        x = x @ weight + bias
        length: Floats = np.sqrt((x * x).sum(1, keepdims=True))
        found: Floats = x / np.maximum(length, np.float32(1e-12))
        return found

    def _mean(self, past: Ids) -> Floats:
        known = (past >= 0).astype(np.float32)[:, :, None]
        total = (self._items[past + 1] * known).sum(1)
        found: Floats = total / np.maximum(known.sum(1), 1.0)
        return found


def _layers(tower: Tower) -> list[tuple[Floats, Floats]]:
    """Return weights ``[in, out]`` and biases of the layers, the last one without a ReLU."""
    every = [*tower.body.layers, tower.last]
    return [(np.ascontiguousarray(_array(one.weight)[0].T), _array(one.bias)[0]) for one in every]


def _array(parameter: nn.Parameter) -> Floats:
    found: Floats = parameter.detach().cpu().numpy()
    return found
