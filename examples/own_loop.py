"""The basic version by hand: sample rows, sum the tasks' losses, step. The model is a plain nn.Module."""

from __future__ import annotations

import torch

import sharewise as sw
from common import related


def main() -> None:
    tasks = [sw.Task("first", "regression"), sw.Task("large", "binary", label="second > 1")]
    table = sw.Table(related(1000, 0.5), tasks)
    model = sw.MultiTaskModel(
        table.tasks, table.schema.inputs, sw.ModelOptions(sharing="multiply", hidden=(16,))
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    history = []
    for epoch in range(10):
        for rows, _ in sw.BatchSource(table.train, batch_size=64, seed=0).epoch(epoch):
            batch = table.train.take(rows)
            loss = objective(model(batch.inputs), batch, table.tasks) + model.penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(loss.item())
    print(f"loss of the last batch: {history[0]:.3f} after one epoch, {history[-1]:.3f} after ten")
    assert history[-1] < history[0]


def objective(outputs: torch.Tensor, batch: sw.Batch, tasks: sw.TaskSet) -> torch.Tensor:
    """Sum over tasks of weight times mean loss, each group of one kind at once."""
    total = torch.zeros(())
    for group in tasks.groups:
        index = list(group.index)
        own = outputs[:, group.columns].view(len(outputs), len(index), group.width)
        means = group.kind.loss(own, batch.targets[:, index]).mean(0)
        total = total + (tasks.weights[index] * means).sum()
    return total


if __name__ == "__main__":
    main()
