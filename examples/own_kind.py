"""A kind of one's own: loss, link and metrics. Here a quantile, which no built-in kind predicts."""

from __future__ import annotations

import numpy as np
import torch

import sharewise as sw
from common import related

LEVEL = 0.9


def pinball(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    error = targets - outputs[..., 0]
    return torch.maximum(LEVEL * error, (LEVEL - 1) * error)


def covered(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    return float(np.average(targets <= predictions[:, 0], weights=weights))


def main() -> None:
    quantile = sw.Custom("quantile90", loss_fn=pinball, metric_fns=(("covered", covered),))
    sw.register_kind("quantile90", lambda: quantile)  # so that a saved model finds it again
    table = sw.Table(
        related(3000, 0.5), [sw.Task("upper", quantile, label="first"), sw.Task("second", "regression")]
    )
    model = sw.MultiTaskModel(table.tasks, table.schema.inputs, sw.ModelOptions(sharing="shared_bottom"))
    sw.fit(model, table, sw.TrainOptions(epochs=12, batch_size=128, learning_rate=1e-2))
    result = {task.name: task for task in sw.evaluate(model, table.test, table.tasks).tasks}
    share = result["upper"].metrics["covered"]
    print(f"share of labels under the predicted 90 % quantile: {share:.2f}")
    assert 0.8 < share < 0.98


if __name__ == "__main__":
    main()
