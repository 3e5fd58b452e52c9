"""Predictions that a run keeps: of its last partitions, each made before the partition was trained on.

One Parquet file a stretch in the run's folder ``predictions``, with a row for every row of the partition, in
its order. Whatever asks how another score would have ordered the lists, or how near the order comes to a
truth, reads these: the ranker as it is now has learnt from those rows, so its predictions of them flatter.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise import files
from sharewise.errors import ConfigError
from sharewise.ranking.measures import Seen
from sharewise.ranking.plan import RankPlan
from sharewise.tasks.grouped import number

Array = NDArray[np.float64]
FOLDER = "predictions"
#: Columns of the log that go along, as far as it has them and they are read.
BESIDE = ("request", "user", "item", "position", "device")
_PREDICTED, _LABEL = "predicted.", "label."


class KeptPredictions:
    """Writes predictions while training goes on, and removes those of partitions no longer among the last.

    Args:
        folder: of the run; None to keep nothing.
        plan: of the ranker.
    """

    def __init__(self, folder: Path | None, plan: RankPlan) -> None:
        self._folder = folder / FOLDER if folder and plan.measure.keep else None
        self._plan, self._stretches = plan, 0
        self._writer = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None

    def see(self, partition: str, frame: pl.DataFrame, seen: Seen) -> None:
        """Write what was predicted of a stretch; those of a partition come one after another."""
        if self._folder is None:
            return
        if not self._stretches:
            files.make_folder(self._folder)
            files.sweep(self._folder)
        self._settle()  # one at a time: memory stays flat
        path = self._folder / f"{_stem(partition)}{self._stretches:04}.parquet"
        self._pending = self._writer.submit(_write, path, frame, seen, self._plan)
        self._stretches += 1

    def end(self) -> None:
        """The partition has no more stretches."""
        if self._folder is None:
            return
        self._settle()  # it was written while the ranker was trained
        self._stretches = 0
        kept = {_partition(path) for path in _files(self._folder)}
        for old in sorted(kept)[: -self._plan.measure.keep]:
            for path in _pieces(self._folder, old):
                files.remove(path)

    def close(self) -> None:
        """Nothing more comes."""
        self._writer.shutdown()

    def _settle(self) -> None:
        """Return once all is written, or fail as the writing did."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()


@dataclass(frozen=True)
class Kept:
    """Rows of one partition, and what was predicted of them before they were trained on.

    Attributes:
        partition: its name.
        frame: the log's columns of `BESIDE`.
        predicted: by task, in the label's unit or as probabilities, ``[rows]``.
        labels: by task, ``[rows]``, missing ones NaN.
    """

    partition: str
    frame: pl.DataFrame
    predicted: dict[str, Array]
    labels: dict[str, Array]

    def __len__(self) -> int:
        return len(self.frame)

    def groups(self, column: str) -> NDArray[np.int64]:
        """Return the numbers of the lists, ``[rows]``, from 0.

        Raises:
            ConfigError: if there are none.
        """
        if column not in self.frame.columns:
            raise ConfigError(
                f"Its predictions do not tell lists apart: they have no column '{column}'.",
                "Train it with measure.group = 'request'.",
            )
        return number(self.frame[column].rank("dense").fill_null(0).to_numpy())


def read_kept(folder: Path, partitions: list[str]) -> Iterator[Kept]:
    """Yield what a run kept of these partitions, in their order; of some it may have kept nothing."""
    for partition in partitions:
        pieces = _pieces(folder / FOLDER, partition)
        if pieces:
            yield _kept(partition, pl.concat([pl.read_parquet(path) for path in pieces]))


def kept_files(folder: Path, partitions: list[str]) -> list[str]:
    """Return the names of a run's files of predictions of these partitions, below its folder."""
    names = set(partitions)
    return [f"{FOLDER}/{path.name}" for path in _files(folder / FOLDER) if _partition(path) in names]


def _write(path: Path, frame: pl.DataFrame, seen: Seen, plan: RankPlan) -> None:
    files.write_bytes(path, _content(frame, seen, plan))


def _content(frame: pl.DataFrame, seen: Seen, plan: RankPlan) -> bytes:
    columns = [frame[name] for name in BESIDE if name in frame.columns]
    columns += [pl.Series(_PREDICTED + n, v.astype(np.float32)) for n, v in seen.served.items()]
    labels = zip(plan.tasks.names, seen.labels.T.astype(np.float32), strict=True)
    columns += [pl.Series(_LABEL + n, v, nan_to_null=True) for n, v in labels]
    stream = io.BytesIO()
    pl.DataFrame(columns).write_parquet(stream, compression="zstd", compression_level=1, statistics=False)
    return stream.getvalue()


def _kept(partition: str, frame: pl.DataFrame) -> Kept:
    def part(start: str) -> dict[str, Array]:
        own = [name for name in frame.columns if name.startswith(start)]
        return {name[len(start) :]: _floats(frame[name]) for name in own}

    beside = frame.select(name for name in BESIDE if name in frame.columns)
    return Kept(partition, beside, part(_PREDICTED), part(_LABEL))


def _floats(column: pl.Series) -> Array:
    found: Array = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return found


def _stem(partition: str) -> str:
    """Return what the names of a partition's files begin with; a partition in a folder has a "%2F"."""
    return quote(partition, safe=" ") + "-"


def _partition(path: Path) -> str:
    return unquote(path.name.rpartition("-")[0])


def _pieces(folder: Path, partition: str) -> list[Path]:
    return sorted(folder.glob(f"{_stem(partition)}????.parquet"))  # no mark of a glob is left in the stem


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))
