"""Tables derived from others, kept as Parquet in the cache: the second start is fast."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from sharewise.data.catalog import locate
from sharewise.errors import SharewiseError
from sharewise.files import make_folder, sha256, sha256_file, write_bytes


def derived(
    name: str, recipe: int, sources: Sequence[Path], build: Callable[[], pl.DataFrame]
) -> pl.LazyFrame:
    """Return the table that `build` makes of the sources, from the cache if it was made before.

    The file's name holds a digest of the recipe's version and the sources' content, so a stale file is never
    read. A cache that cannot be written, or a damaged file in it, costs time and nothing else.

    Args:
        name: the data set's.
        recipe: the version of `build`.
        sources: the files that `build` reads.
        build: makes the table.
    """
    path = locate.cache_folder() / name / f"{_key(recipe, sources)}.parquet"
    if _readable(path):
        return pl.scan_parquet(path)
    frame = build()
    _write(frame, path)
    return frame.lazy()


def _key(recipe: int, sources: Sequence[Path]) -> str:
    parts = [str(recipe), pl.__version__, *(sha256_file(path) for path in sources)]
    return sha256("\n".join(parts).encode())[:16]


def _readable(path: Path) -> bool:
    try:
        pl.scan_parquet(path).select(pl.len()).collect()
    except (OSError, PolarsError):
        return False
    return True


def _write(frame: pl.DataFrame, path: Path) -> None:
    """Write the file whole; without a writable cache do nothing."""
    content = io.BytesIO()
    frame.write_parquet(content)
    try:
        make_folder(path.parent)
        write_bytes(path, content.getvalue())
    except SharewiseError:
        return
