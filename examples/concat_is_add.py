"""Concatenating the descriptor to the input is adding a vector for every task: W [x; z] = Wx x + Wz z."""

from __future__ import annotations

import torch


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, features, tasks, width = 5, 3, 4, 6
    x = torch.randn(rows, features, generator=generator)
    weight = torch.randn(width, features + tasks, generator=generator)
    for task in range(tasks):
        z = torch.nn.functional.one_hot(torch.tensor(task), tasks).float().expand(rows, -1)
        concatenated = torch.cat([x, z], dim=1) @ weight.T
        added = x @ weight[:, :features].T + weight[:, features + task]
        assert torch.allclose(concatenated, added, atol=1e-6)
    print(f"equal for all {tasks} tasks: a one-hot z picks a column of W, which is a bias of the task's own")


if __name__ == "__main__":
    main()
