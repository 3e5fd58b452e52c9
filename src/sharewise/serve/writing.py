"""Predictions as a file: CSV or Parquet by its ending, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from sharewise.errors import ConfigError
from sharewise.files import make_folder, write_bytes

FORMATS = (".csv", ".parquet")


def check_path(path: Path) -> None:
    """Refuse a name that predictions cannot be written under, before any work is done.

    Raises:
        ConfigError: if the ending is unknown, or the name is a folder's.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"Predictions cannot be written to '{path}': its ending tells no format.",
            "Use a name that ends in .csv or .parquet.",
        )
    if path.is_dir():
        raise ConfigError(f"'{path}' is a folder.", "Name a file for the predictions.")


def write_predictions(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet; a reader sees the old file or the new one, never half of it."""
    check_path(path)
    make_folder(path.parent)
    write_bytes(path, _content(frame, path.suffix.lower()))


def _content(frame: pl.DataFrame, suffix: str) -> bytes:
    if suffix == ".csv":
        return frame.write_csv().encode()
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()
