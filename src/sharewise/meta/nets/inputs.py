"""From inputs by key to one tensor of rows: what tasks share of reading a row, never adapted."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sharewise.errors import ConfigError
from sharewise.nn.encoders import TabularEncoder
from sharewise.nn.initial import Initial
from sharewise.nn.settings import PartOptions
from sharewise.tasks import InputSpec


class InputReader(nn.Module):
    """Images and numbers as they are; categories, and numbers if asked for, by embeddings that all tasks
    share: they are learned over the tasks and not adapted to one, as in MeLU (Lee et al. 2019).

    Attributes:
        shape: of a row: (features,), or (channels, height, width).
    """

    def __init__(self, inputs: InputSpec, options: PartOptions, initial: Initial) -> None:
        super().__init__()
        self.encoder: TabularEncoder | None = None
        if inputs.image:
            if inputs.bins or inputs.cardinalities:
                raise ConfigError("Episodes have images and columns beside them.", "Use one of them.")
            self.key, self.shape = "image", tuple(inputs.image)
        elif inputs.cardinalities or options.numeric != "linear":
            self.encoder = TabularEncoder(inputs, options, None, initial)
            self.key, self.shape = "", (self.encoder.out_features,)
        else:
            self.key, self.shape = "numeric", (len(inputs.bins),)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return ``[tasks, rows, *shape]``."""
        if self.encoder is None:
            return inputs[self.key]
        first = next(iter(inputs.values()))
        flat = {key: value.flatten(0, 1) for key, value in inputs.items()}
        found: Tensor = self.encoder(flat)
        return torch.unflatten(found, 0, first.shape[:2])
