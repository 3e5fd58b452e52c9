"""The two towers: who asks beside what, and an item, each as a vector of length 1."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.nn.growing import GrowingTable
from sharewise.nn.initial import Initial
from sharewise.nn.stacked import StackedLinear, StackedMLP

COPY = ("",)


class Tower(nn.Module):
    """Hidden layers with ReLU, then a linear one, then length 1.

    Args:
        features: inputs.
        hidden: widths of the hidden layers.
        size: of the vector.
        initial: source of first values.
    """

    def __init__(self, features: int, hidden: tuple[int, ...], size: int, initial: Initial) -> None:
        super().__init__()
        self.body = StackedMLP(features, hidden, COPY, initial.at("hidden"))
        self.last = StackedLinear(self.body.width, size, COPY, initial.at("last"))

    def forward(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, "rows size"]:
        return F.normalize(self.last(self.body(x)), dim=-1)


class TwoTowers(nn.Module):
    """A tower for requests and one for items, over common embeddings of items.

    Rows of tables are one more than those of users, items and topics: row 0 is for the unknown and for none.

    Args:
        size, hidden: as in `TowerOptions`.
        seed: of first values.
    """

    def __init__(self, size: int, hidden: tuple[int, ...], seed: int) -> None:
        super().__init__()
        initial = Initial(seed).at("two_tower")
        self.users = GrowingTable(size, None, initial.at("users"))
        self.items = GrowingTable(size, None, initial.at("items"))
        self.topics = GrowingTable(size, None, initial.at("topics"))
        self.asking = Tower(3 * size, hidden, size, initial.at("asking"))
        self.asked = Tower(2 * size, hidden, size, initial.at("asked"))

    def grow(self, users: int, items: int, topics: int) -> None:
        """Make room for so many of each."""
        for table, rows in ((self.users, users), (self.items, items), (self.topics, topics)):
            table.grow(rows + 1)

    def requests(
        self, user: Int[Tensor, " rows"], query: Int[Tensor, " rows"], past: Int[Tensor, "rows watches"]
    ) -> Float[Tensor, "rows size"]:
        """Return the vectors of requests: of user, query and the mean of what was watched; -1 for none."""
        user_part, query_part = self.users(user[:, None] + 1), self.items(query[:, None] + 1)
        parts = [user_part[:, 0], query_part[:, 0], _mean(self.items, past)]
        found: Tensor = self.asking(torch.cat(parts, 1))
        return found

    def candidates(
        self, item: Int[Tensor, " rows"], topics: Int[Tensor, "rows topics"]
    ) -> Float[Tensor, "rows size"]:
        """Return the vectors of items with their topics, -1 for none."""
        found: Tensor = self.asked(
            torch.cat([self.items(item[:, None] + 1)[:, 0], _mean(self.topics, topics)], 1)
        )
        return found


def _mean(table: GrowingTable, rows: Int[Tensor, "rows columns"]) -> Float[Tensor, "rows size"]:
    known = (rows >= 0).float().unsqueeze(-1)
    total: Tensor = (table(rows + 1) * known).sum(1)
    return total / known.sum(1).clamp(min=1)


def in_batch_loss(
    products: Float[Tensor, "rows rows"], share: Float[Tensor, " rows"] | None
) -> Float[Tensor, ""]:
    """Return the softmax loss in which every row's item is the others' negative (Yi et al. 2019, eq. 5-6).

    A frequent item is a negative more often than it should be; so the logarithm of its frequency is taken
    off. If every item is in the batch as often as its frequency says, the gradient is that of the whole
    softmax.

    Args:
        products: of request i and item j, divided by the temperature.
        share: how often item j is drawn, above 0; None for no correction.
    """
    logits = products if share is None else products - share.log()
    return F.cross_entropy(logits, torch.arange(len(logits)))
