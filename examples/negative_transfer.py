"""Negative transfer: a small shared trunk serves two unrelated tasks badly. Share less."""

from __future__ import annotations

import sharewise as sw
from common import related


def losses(sharing: str, cosine: float) -> float:
    tasks = [sw.Task("first", "regression"), sw.Task("second", "regression")]
    table = sw.Table(related(3000, cosine), tasks)
    options = sw.ModelOptions(sharing=sharing, hidden=(3,))
    model = sw.MultiTaskModel(table.tasks, table.schema.inputs, options)
    sw.fit(model, table, sw.TrainOptions(epochs=15, batch_size=128, learning_rate=2e-2))
    return sum(sw.evaluate(model, table.test, table.tasks).losses.values())


def main() -> None:
    for cosine in (1.0, 0.0):
        own, shared = losses("independent", cosine), losses("shared_bottom", cosine)
        print(f"cosine {cosine:g}: loss of own networks {own:.3f}, of a shared trunk {shared:.3f}")
    assert shared > own  # the last pair is the unrelated one


if __name__ == "__main__":
    main()
