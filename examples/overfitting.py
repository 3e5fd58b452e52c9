"""Over-fitting: with few labels for a task, sharing regularises. You may not be sharing enough."""

from __future__ import annotations

import polars as pl

import sharewise as sw
from common import related


def loss_of_rare_task(sharing: str) -> float:
    frame = related(2000, cosine=1.0).with_row_index("row")
    parts = (
        pl.when(pl.col("row") < 1000).then(pl.lit("train")).when(pl.col("row") < 1200).then(pl.lit("valid"))
    )
    frame = frame.with_columns(part=parts.otherwise(pl.lit("test")))
    # The second label is observed in one training row of twenty: a null label contributes nothing.
    rare = pl.when((pl.col("row") % 20 == 0) | (pl.col("part") != "train")).then(pl.col("second"))
    table = sw.Table(
        frame.with_columns(second=rare),
        [sw.Task("first", "regression"), sw.Task("second", "regression")],
        split=sw.ColumnSplit("part"),
        features=sw.Features(drop=("row",)),
    )
    model = sw.MultiTaskModel(
        table.tasks, table.schema.inputs, sw.ModelOptions(sharing=sharing, hidden=(32,))
    )
    sw.fit(model, table, sw.TrainOptions(epochs=12, batch_size=64, learning_rate=1e-2, patience=None))
    return sw.evaluate(model, table.test, table.tasks).losses["second"]


def main() -> None:
    own, shared = loss_of_rare_task("independent"), loss_of_rare_task("shared_bottom")
    print(f"loss of the rare task: alone {own:.3f}, sharing with a task that has labels {shared:.3f}")
    assert shared < own


if __name__ == "__main__":
    main()
