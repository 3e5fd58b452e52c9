"""What reading any artifact needs: the format's check, and one error for files that are not ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from safetensors import SafetensorError

from sharewise.errors import CheckpointError, SharewiseError
from sharewise.train import Run

Made = TypeVar("Made")


def check_format(run: Run, name: str, values: Any, expected: int) -> None:
    """Refuse the content of a run's JSON file if it is of another version.

    Raises:
        CheckpointError: if it is.
    """
    found = values.get("format") if isinstance(values, dict) else None
    if found != expected:
        raise CheckpointError(
            f"'{run.folder / name}' was written by another version (format {found}, not {expected}).",
            "Predict with the version that wrote it, or train again.",
        )


def read_part(run: Run, make: Callable[[], Made]) -> Made:
    """Make a part of an artifact; what a file of our format cannot hold is a file that is not ours.

    Raises:
        CheckpointError: if it cannot be made.
    """
    try:
        return make()
    except SharewiseError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, SafetensorError) as error:
        raise CheckpointError(
            f"The files of '{run.folder}' hold no model of this version, perhaps one of another version: "
            f"{error!r}.",
            "Predict with the version that wrote it, or train again.",
        ) from error
