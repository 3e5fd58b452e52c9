"""Sampling tasks first, then rows: every task counts alike, however many rows it has."""

from __future__ import annotations

import polars as pl
import torch

import sharewise as sw
from common import readers


def main() -> None:
    frame = readers(4000, 4)
    few = frame.filter(pl.col("reader") != "r0").vstack(frame.filter(pl.col("reader") == "r0").head(40))
    table = sw.Table(few, [sw.Task("spam")], task_column="reader")
    for scheme in ("shuffle", "uniform"):
        source = sw.BatchSource(table.train, batch_size=64, seed=0, scheme=scheme)
        rows = torch.cat([rows for rows, _ in source.epoch(0)])
        assert table.train.task is not None
        counts = table.train.task[rows].bincount(minlength=len(table.tasks)).tolist()
        print(f"{scheme:8} rows seen:", dict(zip(table.tasks.names, counts, strict=True)))
    assert max(counts) < 1.5 * min(counts)  # uniform, whatever the sizes


if __name__ == "__main__":
    main()
