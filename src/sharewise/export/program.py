"""torch.export: a network as a program that torch runs without the library's code (``.pt2``)."""

from __future__ import annotations

import io
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from sharewise.errors import ConfigError
from sharewise.export.network import TASK, Network


def trace(network: Network, inputs: Mapping[str, Tensor]) -> ExportedProgram:
    """Return the network's graph, for any number of rows.

    Args:
        network: to trace.
        inputs: an example of more than one row, with ``"task"`` for rows of one task each.

    Raises:
        ConfigError: if the network does what no graph can hold, as an encoder of one's own may.
    """
    own, task = split_task(inputs)
    shapes = [{name: {0: Dim.DYNAMIC} for name in own}, *([{0: Dim.DYNAMIC}] if task is not None else [])]
    arguments = (own,) if task is None else (own, task)
    try:
        with torch.no_grad():
            program = torch.export.export(network, arguments, dynamic_shapes=tuple(shapes))
    except Exception as error:  # of dozens of types
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"The model cannot be exported: {reason}", "Leave out what depends on the rows' values."
        ) from error
    for node in program.graph.nodes:  # says where the source lay
        node.meta.pop("stack_trace", None)
    return program


def to_pt2(program: ExportedProgram) -> bytes:
    """Return the program as the content of a ``.pt2`` file; `torch.export.load` reads it."""
    content = io.BytesIO()
    torch.export.save(program, content)
    return content.getvalue()


def split_task(inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor | None]:
    """Return the inputs of the rows, and their tasks if they have one each."""
    return {name: value for name, value in inputs.items() if name != TASK}, inputs.get(TASK)
