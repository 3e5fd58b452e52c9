"""Refuse what cannot run before anything is written: models are built and batches laid out, for nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sharewise.config import Prepared
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.train.devices import choose_device
from sharewise.train.loop import make_source


def check_runs(prepared: Prepared, structures: Sequence[ModelOptions]) -> None:
    """Meet every mistake that training would meet.

    Raises:
        ConfigError: if a model, the sampling, the balancing or the device cannot be had for these data.
    """
    config, table = prepared
    choose_device(config.train.device)
    config.balance.build(table.tasks)
    make_source(table.train, config.train)
    for options in structures:
        MultiTaskModel(table.tasks, table.schema.inputs, options)
