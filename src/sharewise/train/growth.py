"""Training goes on with weights that have grown: what the optimizer knows of them grows alike."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from sharewise.nn import MultiTaskModel


def grow_weights(model: MultiTaskModel, optimizer: torch.optim.Optimizer, rows: int) -> None:
    """Make room for so many rows in the model's growing embeddings, and in the optimizer's state of them."""
    model.grow(rows)
    fit_state(optimizer)


def fit_state(optimizer: torch.optim.Optimizer) -> None:
    """Pad with zeros what the optimizer keeps of weights that have grown: a new row has no past."""
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.dim() == parameter.dim() > 0:
                values[name] = _padded(value, parameter)


def _padded(value: Tensor, like: Tensor) -> Tensor:
    if value.shape == like.shape:
        return value
    missing = [have - had for have, had in zip(like.shape, value.shape, strict=True)]
    return pad(value, [n for more in reversed(missing) for n in (0, more)])
