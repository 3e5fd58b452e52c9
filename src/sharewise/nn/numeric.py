"""Embeddings of numeric columns (Gorishniy et al. 2022, "On Embeddings for Numerical Features in Tabular
DL").

Every embedding can be stacked: with `copies` named it holds one of its own for each, and gives ``[copies,
rows, out]``, or ``[rows, out]`` where rows pick a copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sharewise.nn.initial import Initial
from sharewise.nn.picks import Picks
from sharewise.nn.settings import PartOptions
from sharewise.nn.stacked import StackedLinear

Bins = Sequence[Sequence[float]]


def look_up(
    tables: Float[Tensor, "copies entries size"],
    ids: Int[Tensor, "rows columns"],
    picks: Picks | None = None,
) -> Tensor:
    """Return the entries of stacked tables.

    On a CPU the gradient of `index_select` takes a third of the time of `embedding`; all copies' entries lie
    side by side, to be found at once.

    Returns:
        ``[copies, rows, columns, size]``, or ``[1, rows, columns, size]`` of each row's picked copy.
    """
    copies, entries, size = tables.shape
    if picks is not None and copies > 1:
        ids = ids + picks.copy[:, None] * entries
        found = tables.flatten(0, 1).index_select(0, ids.flatten())
        return found.view(1, *ids.shape, size)
    wide = tables[0] if copies == 1 else tables.transpose(0, 1).flatten(1)
    found = wide.index_select(0, ids.flatten())
    return found.view(*ids.shape, copies, size).permute(2, 0, 1, 3)


class LinearNumeric(nn.Module):
    """Numeric columns as they are: the next layer is linear in them."""

    def __init__(self, columns: int, copies: Sequence[str] | None) -> None:
        super().__init__()
        self.width = columns
        self.copies = None if copies is None else len(copies)

    def forward(self, x: Float[Tensor, "rows columns"], picks: Picks | None = None) -> Tensor:
        if self.copies is None or picks is not None:
            return x
        return x.expand(self.copies, *x.shape)


class PiecewiseNumeric(nn.Module):
    """Piecewise-linear encoding, a linear layer of each column's own to `size`, ReLU ("PLE-LR", eq. 1-2).

    The encoding of x in the j-th bin is (1, ..., 1, share of the bin below x, 0, ..., 0), so its product with
    a weight matrix is the sum of the columns before j plus the share times column j. The sums are taken once
    a step, and the product becomes one look-up: the same function and gradients without
    ``[rows, columns, bins]`` in memory. Outside of the bins the first and the
    last piece go on, as in the paper.

    Args:
        bins: per column its increasing edges, at least two.
        size: outputs per column.
        copies: names of stacked copies, or None for a single embedding.
        initial: source of initial values.
    """

    def __init__(self, bins: Bins, size: int, copies: Sequence[str] | None, initial: Initial) -> None:
        super().__init__()
        self.size, self.width = size, len(bins) * size
        self.stacked = copies is not None
        self.pieces = max(len(edges) for edges in bins) - 1
        edges = torch.full((len(bins), self.pieces + 1), math.inf)
        for row, values in zip(edges, bins, strict=True):
            row[: len(values)] = torch.tensor(list(values), dtype=torch.float32)
        last = torch.tensor([len(values) - 2 for values in bins])
        self.register_buffer("edges", edges, persistent=False)
        self.register_buffer("inner", _inner(edges, last), persistent=False)
        names = tuple(copies or ("",))
        bound = self.pieces**-0.5
        self.weight = nn.Parameter(initial.at("weight").uniform(bound, (len(bins), self.pieces, size), names))
        self.bias = nn.Parameter(initial.at("bias").uniform(bound, (len(bins), size), names))

    edges: Tensor
    inner: Tensor

    def forward(self, x: Float[Tensor, "rows columns"], picks: Picks | None = None) -> Tensor:
        piece, share = self._locate(x)
        ids = piece + torch.arange(0, x.shape[1] * self.pieces, self.pieces, device=x.device)
        found = look_up(self._table(), ids, picks if self.stacked else None)
        values = torch.addcmul(found[..., : self.size], found[..., self.size :], share.unsqueeze(-1))
        values = torch.relu(values).flatten(-2)
        return values if self.stacked and picks is None else values[0]

    def _locate(self, x: Float[Tensor, "rows columns"]) -> tuple[Tensor, Tensor]:
        """Return each value's piece and its share of it, both ``[rows, columns]``."""
        values = x.T.contiguous()
        if torch.compiler.is_exporting():  # ONNX has no search
            piece = (self.inner.unsqueeze(2) <= values.unsqueeze(1)).sum(1)
        else:
            piece = torch.searchsorted(self.inner, values, right=True)
        left = self.edges.gather(1, piece)
        width = self.edges.gather(1, piece + 1) - left
        return piece.T, ((values - left) / width).T.to(self.weight.dtype)

    def _table(self) -> Float[Tensor, "copies entries twice_size"]:
        """Value at the start of every piece, and its slope."""
        ends = self.weight.cumsum(2) + self.bias.unsqueeze(2)
        return torch.cat([ends - self.weight, self.weight], -1).flatten(1, 2)


def _inner(edges: Tensor, last: Tensor) -> Tensor:
    """Edges between pieces: without the first and each column's last, padded with infinity."""
    inner = edges[:, 1:-1].clone()
    inner[torch.arange(inner.shape[1]) >= last[:, None]] = math.inf
    return inner.contiguous()


class BinnedNumeric(nn.Module):
    """Piecewise-linear encoding of all columns, then one linear layer for them together ("PLE", eq. 1).

    The code of all columns is the same for every copy and needs no gradient, so copies cost one product. It
    is cheaper than an embedding of each column's own, and learns thresholds of several columns at once.

    Deviation: values beyond the outer bins are clamped to them, so that an outlier does not extrapolate.

    Args:
        bins: per column its increasing edges, at least two.
        width: outputs.
        copies: names of stacked copies, or None for a single encoder.
        initial: source of initial values.
    """

    low: Tensor
    per_unit: Tensor
    column: Tensor

    def __init__(self, bins: Bins, width: int, copies: Sequence[str] | None, initial: Initial) -> None:
        super().__init__()
        self.width, self.stacked = width, copies is not None
        edges = [torch.tensor(list(values), dtype=torch.float32) for values in bins]
        per_unit = torch.cat([1 / values.diff() for values in edges])
        pieces = torch.tensor([len(values) - 1 for values in bins])
        self.register_buffer("column", torch.repeat_interleave(pieces), persistent=False)
        self.register_buffer("per_unit", per_unit, persistent=False)
        starts = torch.cat([values[:-1] for values in edges])
        self.register_buffer("low", -starts * per_unit, persistent=False)
        self.linear = StackedLinear(len(per_unit), width, tuple(copies or ("",)), initial)

    def forward(self, x: Float[Tensor, "rows columns"], picks: Picks | None = None) -> Tensor:
        code = torch.addcmul(self.low, x.index_select(1, self.column), self.per_unit).clamp_(0, 1)
        found: Tensor = self.linear(code, picks if self.stacked else None)
        return found.unsqueeze(0) if self.stacked and picks is None and found.dim() == 2 else found


class PeriodicNumeric(nn.Module):
    """Periodic embedding "PLR" (eq. 4): sin and cos of 2πcx with learned c, a linear layer a column, ReLU."""

    def __init__(
        self, columns: int, options: PartOptions, copies: Sequence[str] | None, initial: Initial
    ) -> None:
        super().__init__()
        self.size, self.width = options.numeric_embedding, columns * options.numeric_embedding
        self.stacked, self.columns = copies is not None, columns
        names = tuple(copies or ("",))
        shape = (columns, options.frequencies)
        self.frequency = nn.Parameter(initial.at("frequency").normal(options.frequency_scale, shape, names))
        each = [f"{name}\x1f{column}" for name in names for column in range(columns)]
        self.linear = StackedLinear(2 * options.frequencies, self.size, each, initial.at("linear"))

    def forward(self, x: Float[Tensor, "rows columns"], picks: Picks | None = None) -> Tensor:
        if self.stacked and picks is not None:
            return self._picked(x, picks)
        waves = self._waves(x.T[:, :, None], self.frequency.unsqueeze(2))  # [copies, columns, rows, waves]
        values = self.linear(waves.flatten(0, 1)).view(*waves.shape[:3], self.size)
        found = torch.relu(values).transpose(1, 2).flatten(-2)
        return found if self.stacked else found[0]

    def _picked(self, x: Float[Tensor, "rows columns"], picks: Picks) -> Float[Tensor, "rows width"]:
        waves = self._waves(x[:, :, None], self.frequency[picks.copy])
        values = self.linear(waves.flatten(0, 1), picks.spread(self.columns))
        return torch.relu(values).view(len(x), self.width)

    @staticmethod
    def _waves(x: Tensor, frequency: Tensor) -> Tensor:
        angle = 2 * math.pi * frequency * x
        return torch.cat([angle.sin(), angle.cos()], -1)


def make_numeric(
    bins: Bins, options: PartOptions, copies: Sequence[str] | None, initial: Initial
) -> nn.Module:
    """Return the embedding of numeric columns that the options name."""
    if options.numeric == "bins":
        return BinnedNumeric(bins, options.numeric_width, copies, initial)
    if options.numeric == "piecewise":
        return PiecewiseNumeric(bins, options.numeric_embedding, copies, initial)
    if options.numeric == "periodic":
        return PeriodicNumeric(len(bins), options, copies, initial)
    return LinearNumeric(len(bins), copies)
