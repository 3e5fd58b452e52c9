"""Growing embeddings spread over processes, with the optimizer's state of them; whole again where they are
kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sharewise.errors import ConfigError
from sharewise.nn import GrowingEmbedding, GrowingTable
from sharewise.nn.growing import START
from sharewise.train.processes import Processes


def spread_tables(model: nn.Module, optimizer: torch.optim.Optimizer, processes: Processes) -> None:
    """Keep of the growing embeddings the rows that belong to this process, if there are others.

    All processes must call it, with equal tables; from then on all must call the model together.

    Raises:
        ConfigError: if the rows of a growing table cannot be shared out evenly.
    """
    if processes.size == 1:
        return
    if START % processes.size:
        raise ConfigError(
            f"Embeddings cannot be spread evenly over {processes.size} processes.",
            "Start a power of two, such as 2, 4 or 8, or leave them whole.",
        )
    from sharewise.nn.spread import Spread  # which takes a second to load

    spread = Spread.over(processes.device, processes.rank, processes.size)
    for table in _tables(model):
        for place, value in _parts(table, optimizer):
            _put(table, optimizer, place, spread.own(value))
        table.spread, table.table.grad = spread, None


def gather_tables(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Undo `spread_tables` in the first process; the others give their rows, and keep them."""
    for table in _tables(model):
        spread = table.spread
        if spread is None:
            continue
        for place, value in _parts(table, optimizer):
            whole = spread.whole(value)
            if whole is not None:
                _put(table, optimizer, place, whole)
        if spread.rank == 0:
            table.spread, table.table.grad = None, None


@contextmanager
def gathered(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """In the first process the tables are whole inside of the ``with`` block, to be saved."""
    before = [(table, table.spread, _parts(table, optimizer)) for table in _tables(model)]
    gather_tables(model, optimizer)
    try:
        yield
    finally:
        for table, spread, parts in before:
            table.spread = spread
            for place, value in parts:
                _put(table, optimizer, place, value)


def spread_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of which every process holds other rows."""
    return [table.table for table in _tables(model) if table.spread is not None]


def clip_gradients(parameters: Sequence[nn.Parameter], spread: Sequence[nn.Parameter], most: float) -> None:
    """Scale gradients so that their norm is at most so large; of `spread` ones each process has a part."""
    total = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if spread:
        squares = [p.grad.square().sum() for p in spread if p.grad is not None]
        part = torch.stack(squares).sum() if squares else torch.zeros_like(total)
        dist.all_reduce(part)
        total = (total.square() + part).sqrt()
    torch.nn.utils.clip_grads_with_norm_([*parameters, *spread], most, total)


def _tables(model: nn.Module) -> list[GrowingTable]:
    return [part.rows for part in model.modules() if isinstance(part, GrowingEmbedding)]


def _parts(table: GrowingTable, optimizer: torch.optim.Optimizer) -> list[tuple[str, Tensor]]:
    """Return what there is for every row: the weights, as "", and the optimizer's state by its names."""
    state = optimizer.state.get(table.table, {}).items()
    of_rows = [(name, v) for name, v in state if isinstance(v, Tensor) and v.shape == table.table.shape]
    return [("", table.table.detach()), *of_rows]


def _put(table: GrowingTable, optimizer: torch.optim.Optimizer, place: str, value: Tensor) -> None:
    if place:
        optimizer.state[table.table][place] = value
    else:
        table.table.data = value
