"""A table's rows spread over processes: each holds every n-th row, and looks it up for all of them.

Row i lies in process i mod n, so that a table grows where it is, and new rows, which are the busiest, lie
everywhere. Processes exchange ids and found entries, never the table or its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.nn.functional import pad

from sharewise.nn.dropout import current_shard


@dataclass(frozen=True)
class Spread:
    """Which rows of tables are here.

    Attributes:
        mesh: of one dimension: the processes.
        rank, size: this process among them.
    """

    mesh: DeviceMesh
    rank: int
    size: int

    @staticmethod
    def over(device: torch.device, rank: int, size: int) -> Spread:
        """Return process `rank` of all `size` that are connected."""
        return Spread(init_device_mesh(device.type, (size,)), rank, size)

    def own(self, table: Float[Tensor, "copies rows size"]) -> Float[Tensor, "copies own size"]:
        """Return the rows that belong here, in their order."""
        return table[:, self.rank :: self.size].clone(memory_format=torch.contiguous_format)

    def whole(self, own: Float[Tensor, "copies own size"]) -> Float[Tensor, "copies rows size"] | None:
        """Return all rows in their order in the first process, None in others. All must call it."""
        first = self.rank == 0
        parts = [torch.empty_like(own) for _ in range(self.size)] if first else None
        dist.gather(own.contiguous(), parts)
        return None if parts is None else torch.stack(parts, 2).flatten(1, 2)

    def look_up(
        self, own: Float[Tensor, "copies own size"], ids: Int[Tensor, "rows columns"]
    ) -> Float[Tensor, "copies rows columns size"]:
        """Return the entries of ids, which differ from process to process. All must call it together.

        Their gradient arrives where the rows are, summed over all processes.
        """
        copies, _, width = own.shape
        every = self._gather(ids)
        flat = every.flatten()
        here = (flat % self.size == self.rank).nonzero().squeeze(1)
        wide = own[0] if copies == 1 else own.transpose(0, 1).flatten(1)
        entries = wide.index_select(0, flat[here].div(self.size, rounding_mode="floor"))
        found = entries.new_zeros(len(flat), wide.shape[1]).index_copy(0, here, entries)
        partial = DTensor.from_local(found.view(len(every), -1), self.mesh, [Partial()], run_check=False)
        mine: Tensor = partial.redistribute(placements=[Shard(0)]).to_local()
        return mine[: len(ids)].view(*ids.shape, copies, width).permute(2, 0, 1, 3)

    def _gather(self, ids: Int[Tensor, "rows columns"]) -> Int[Tensor, "every columns"]:
        """Return the ids of all processes, each padded to as many rows as any has."""
        shard = current_shard()
        most = len(ids) if shard is None else -(-shard.total // self.size)
        padded = pad(ids, (0, 0, 0, most - len(ids)))
        placed = DTensor.from_local(padded, self.mesh, [Shard(0)], run_check=False)
        return placed.redistribute(placements=[Replicate()]).to_local()
