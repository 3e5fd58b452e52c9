"""A table of embeddings that grows while it is trained: new values get rows, old rows stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sharewise.nn.initial import Initial
from sharewise.nn.numeric import look_up
from sharewise.nn.picks import Picks

if TYPE_CHECKING:  # torch's part of it takes a second to load
    from sharewise.nn.spread import Spread

#: Rows of a new table; so many processes at most can have a part of it.
START = 1024


class GrowingTable(nn.Module):
    """Embeddings ``[copies, capacity, size]``, whose capacity doubles as often as it must.

    The first values of a row depend on the seed, its number and nothing else, so that a table that grew in
    many steps equals one that grew at once. Rows that no id names yet have no gradient, and stay as they are.

    Args:
        size: of an embedding.
        copies: names of stacked copies, or None for a single table.
        initial: source of first values, from U(-0.1, 0.1).

    Attributes:
        table: the rows that are here.
        spread: which these are, if they are not all.
    """

    def __init__(self, size: int, copies: Sequence[str] | None, initial: Initial) -> None:
        super().__init__()
        self.spread: Spread | None = None
        self.size, self.stacked = size, copies is not None
        self._names, self._initial = tuple(copies or ("",)), initial
        self.table = nn.Parameter(self._block(0, START))

    @property
    def capacity(self) -> int:
        """Rows that there are, in all processes together."""
        return self.table.shape[1] * (self.spread.size if self.spread else 1)

    def forward(self, ids: Int[Tensor, "rows columns"], picks: Picks | None = None) -> Tensor:
        """Return ``[rows, columns, size]``; stacked and without picks ``[copies, rows, columns, size]``."""
        if self.spread is None:
            found = look_up(self.table, ids, picks if self.stacked else None)
        else:
            found = self.spread.look_up(self.table, ids)
            if self.stacked and picks is not None:
                found = found[picks.copy, torch.arange(len(ids), device=ids.device)].unsqueeze(0)
        return found if self.stacked and picks is None else found[0]

    @torch.no_grad()
    def grow(self, rows: int) -> None:
        """Make room for so many rows; the parameter stays the same object, its gradient is forgotten."""
        while self.capacity < rows:
            more = self._block(self.capacity, self.capacity).to(self.table)
            more = more if self.spread is None else self.spread.own(more)
            self.table.grad = None
            self.table.data = torch.cat([self.table.data, more], 1)

    def _block(self, start: int, rows: int) -> Float[Tensor, "copies rows size"]:
        return self._initial.at(start).uniform(0.1, (rows, self.size), self._names)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        stored = state_dict.get(f"{prefix}table")
        if stored is not None and stored.dim() == 3:
            self.grow(stored.shape[1])
        super()._load_from_state_dict(state_dict, prefix, *rest)


class GrowingEmbedding(nn.Module):
    """Categorical columns whose ids are rows of one growing table: what ``"growing"`` inputs become.

    Args:
        columns: how many.
        size: of an embedding.
        copies: names of stacked copies, or None.
        initial: source of first values.
    """

    def __init__(self, columns: int, size: int, copies: Sequence[str] | None, initial: Initial) -> None:
        super().__init__()
        self.width = columns * size
        self.rows = GrowingTable(size, copies, initial)

    def forward(self, ids: Int[Tensor, "rows columns"], picks: Picks | None = None) -> Tensor:
        found: Tensor = self.rows(ids, picks)
        return found.flatten(-2)


def grow(module: nn.Module, rows: int) -> None:
    """Make room for so many rows in every growing embedding of a module; see `GrowingTable.grow`."""
    for part in module.modules():
        if isinstance(part, GrowingEmbedding):
            part.rows.grow(rows)
