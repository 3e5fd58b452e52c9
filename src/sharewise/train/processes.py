"""Several processes, started by torchrun with the same command, that compute parts of the same batches.

Every process holds the whole table and draws the same global batches; it computes a contiguous part of each.
Losses are normalised by the global batch, so the gradients need only be added: one flat sum a step. The
result is that of one process up to rounding. Only the first process writes files.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sharewise.errors import ConfigError
from sharewise.nn.dropout import RowShard, row_shard

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Processes:
    """This process among the others.

    Attributes:
        rank: its number, from 0.
        size: how many there are.
        device: where its tensors lie.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def first(self) -> bool:
        """True in the one process that writes files and shows progress."""
        return self.rank == 0

    def part(self, rows: int) -> slice:
        """Return this process's contiguous part of `rows` rows; parts differ by one row at most."""
        return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)

    def shard(self, rows: int) -> AbstractContextManager[None]:
        """Return the context in which drop-out masks are those of the whole batch of `rows` rows."""
        if self.size == 1 or rows < self.size:
            return nullcontext()
        here = self.part(rows)
        count = here.stop - here.start

        def average(value: Tensor) -> Tensor:
            return _Sum.apply(value * (count / rows))  # type: ignore[no-any-return, no-untyped-call]

        return row_shard(RowShard(here.start, count, rows, average=average))

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over processes, the same bits in all of them."""
        if self.size == 1:
            return values
        summed = values.to(self.device, copy=True)
        dist.all_reduce(summed)
        return summed.to(values.device)

    def sum_gradients(self, parameters: Sequence[nn.Parameter], values: Tensor) -> Tensor:
        """Add up the gradients of all processes, and return the sum of `values`, in one exchange."""
        if self.size == 1:
            return values
        present = values.new_tensor([float(p.grad is not None) for p in parameters])
        pieces = [torch.zeros_like(p).view(-1) if p.grad is None else p.grad.reshape(-1) for p in parameters]
        flat = self.sum(torch.cat([*pieces, present, values]))
        *summed, used, values = flat.split([p.numel() for p in parameters] + [len(present), len(values)])  # type: ignore[no-untyped-call]
        for parameter, gradient, count in zip(parameters, summed, used.tolist(), strict=True):
            parameter.grad = gradient.view_as(parameter) if count else None
        return values

    def share(self, content: bytes) -> bytes:
        """Return the first process's `content` in all of them."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)], device=self.device)
        dist.broadcast(length, 0)
        data = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        if self.first and content:
            data.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        dist.broadcast(data, 0)
        return data.cpu().numpy().tobytes()


class _Sum(torch.autograd.Function):
    """The sum over processes; so is its gradient: every process differentiates a share of the same value."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        summed = value.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        summed = tangent.clone()
        dist.all_reduce(summed)
        return summed


def connect(device: torch.device) -> Processes:
    """Return this process among those that torchrun started; alone without torchrun.

    The connection stays open until the process ends, for as many trainings as there are.

    Raises:
        ConfigError: if torchrun's environment is there in part only.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Processes(device=device)
    if not dist.is_initialized():
        _open(device)
    return Processes(dist.get_rank(), dist.get_world_size(), device)


def _open(device: torch.device) -> None:
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is set, but {missing[0]} is not.",
            "Start several processes with torchrun, or unset it.",
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(backend_of(device))
    atexit.register(_close)


def backend_of(device: torch.device) -> str:
    """Return what the processes talk through.

    NCCL refuses processes that share a GPU; Gloo serves them by way of the host's memory.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return "nccl" if device.type == "cuda" and here <= torch.cuda.device_count() else "gloo"


def _close() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
