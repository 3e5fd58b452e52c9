"""Sharing is no yes or no: networks of their own, pulled together by lambda times their squared distance."""

from __future__ import annotations

import sharewise as sw
from common import related


def apart(strength: float) -> float:
    """Train, and return the squared distance between the tasks' parameters."""
    table = sw.Table(related(800, 0.5), [sw.Task("first", "regression"), sw.Task("second", "regression")])
    options = sw.ModelOptions(sharing="soft_sharing", hidden=(16,), soft=strength)
    model = sw.MultiTaskModel(table.tasks, table.schema.inputs, options)
    sw.fit(model, table, sw.TrainOptions(epochs=5, batch_size=64, learning_rate=1e-2, patience=None))
    model.cpu()(table.valid.inputs)
    return model.penalty().item() / strength


def main() -> None:
    distances = [apart(strength) for strength in (1e-4, 1e-2, 1.0)]
    print("squared distance between the tasks' networks as lambda grows:", *(f"{d:.3f}" for d in distances))
    assert distances[0] > distances[1] > distances[2]


if __name__ == "__main__":
    main()
