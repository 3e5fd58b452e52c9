"""Labels of one scale: regression labels are standardised inside the model, so their unit does not matter."""

from __future__ import annotations

import polars as pl

import sharewise as sw
from common import related


def losses(factor: float) -> dict[str, float]:
    frame = related(800, 0.5).with_columns(pl.col("first") * factor)
    table = sw.Table(frame, [sw.Task("first", "regression"), sw.Task("second", "regression", weight=2.0)])
    model = sw.MultiTaskModel(table.tasks, table.schema.inputs, sw.ModelOptions(sharing="shared_bottom"))
    sw.fit(model, table, sw.TrainOptions(epochs=2, batch_size=64))
    return sw.evaluate(model, table.test, table.tasks).losses


def main() -> None:
    small, large = losses(1.0), losses(1024.0)
    print(
        f"loss of the second task: {small['second']:.6f}; with the first in other units {large['second']:.6f}"
    )
    assert abs(small["second"] - large["second"]) < 1e-4


if __name__ == "__main__":
    main()
