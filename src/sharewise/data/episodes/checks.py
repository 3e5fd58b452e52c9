"""What rows must be before episodes are drawn from them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sharewise.errors import DataError


def check_rows(values: Mapping[str, Tensor], index: Tensor, what: str, count: int) -> None:
    """Raise DataError if the rows' inputs are not finite, or do not fit their labels or tasks.

    Args:
        values: the rows by key.
        index: ``[rows]`` the class or task of each.
        what: the index is called, in the plural.
        count: of classes or tasks.
    """
    if not values:
        raise DataError("There are no inputs.", "Give at least one tensor of rows.")
    for key, value in values.items():
        if len(value) != len(index):
            raise DataError(
                f"There are {len(index)} {what}, but {len(value)} rows of '{key}'.", "Give one for each row."
            )
        if value.is_floating_point() and not value.isfinite().all():
            raise DataError(f"The inputs '{key}' hold values that are not finite.", "Mend them.")
    low, high = (int(index.min()), int(index.max())) if len(index) else (0, 0)
    if low < 0 or high >= count:
        raise DataError(f"There are {what} from {low} to {high}.", f"Number them from 0 to {count - 1}.")
