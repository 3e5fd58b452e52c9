"""MMoE: every task mixes the experts by a softmax gate of its own, g(x) = softmax(W x)."""

from __future__ import annotations

import sharewise as sw
from common import related


def main() -> None:
    table = sw.Table(related(1500, 0.0), [sw.Task("first", "regression"), sw.Task("second", "regression")])
    options = sw.ModelOptions(sharing="mmoe", experts=4, hidden=(8,), tower=(4,), importance=0.01)
    model = sw.MultiTaskModel(table.tasks, table.schema.inputs, options)
    sw.fit(model, table, sw.TrainOptions(epochs=8, batch_size=64, learning_rate=1e-2))
    gates = model.gates(table.test.inputs)
    assert gates is not None
    for task, weights in zip(table.tasks, gates, strict=True):
        print(f"{task.name:8}", *(f"{weight:.2f}" for weight in weights))
    assert abs(gates.sum().item() - len(table.tasks)) < 1e-4


if __name__ == "__main__":
    main()
