"""Multiplying by the descriptor contains independent networks: y = sum_j 1(z = j) y_j, all in one network."""

from __future__ import annotations

import torch

import sharewise as sw


def main() -> None:
    inputs = {"numeric": torch.randn(6, 3, generator=torch.Generator().manual_seed(0))}
    spec = sw.InputSpec(bins=((-1.0, 0.0, 1.0),) * 3)
    tasks = sw.TaskSet([sw.Task("a"), sw.Task("b"), sw.Task("c")])
    options = sw.ModelOptions(sharing="independent", hidden=(8,))
    together = sw.MultiTaskModel(tasks, spec, options)(inputs)
    for j, task in enumerate(tasks):
        # Initial weights depend on the task's name and the seed: alone, it starts as among others.
        alone = sw.MultiTaskModel(sw.TaskSet([task]), spec, options)(inputs)
        assert torch.allclose(together[:, j : j + 1], alone, atol=1e-6)
    print("one network with a gate per task gives what", len(tasks), "networks give alone")


if __name__ == "__main__":
    main()
