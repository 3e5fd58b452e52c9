"""What the inputs of a model look like: everything a network needs to know of p(x), and nothing more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InputSpec:
    """Shapes of a row of inputs, fitted on the training split.

    A batch of inputs is a mapping with the keys that apply:

    * ``"categorical"``: int64 ``[rows, len(cardinalities)]``; id 0 of every column means unknown.
    * ``"growing"``: int64 ``[rows, growing]``: rows of one table for all these columns, which grows as new
      values come up; each column has an id for unknown values of its own.
    * ``"numeric"``: float32 ``[rows, len(bins)]``, standardised, missing values filled with 0.
    * ``"image"``: float32 ``[rows, channels, height, width]``.

    Attributes:
        cardinalities: ids per categorical column, the unknown bucket 0 included.
        bins: per numeric column the increasing edges of its quantile bins, in standardised units
            (for piecewise-linear embeddings, Gorishniy et al. 2022); at least two edges each.
        image: (channels, height, width), or None.
        growing: columns whose values are not all known beforehand.
    """

    cardinalities: tuple[int, ...] = ()
    bins: tuple[tuple[float, ...], ...] = ()
    image: tuple[int, int, int] | None = None
    growing: int = 0
