"""Refuse what cannot run before anything is written: models are laid out without storage, batches planned."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from sharewise.config import Prepared, RunConfig
from sharewise.data import Table
from sharewise.errors import ConfigError
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.tasks import describe
from sharewise.train.devices import choose_device
from sharewise.train.loop import make_source

#: Bytes per parameter in training: the weight, its gradient, and two moments.
BYTES = 16
#: Steps between two looks at the gradients with --diagnose.
OFTEN = 8


def diagnosing(config: RunConfig, asked: bool) -> RunConfig:
    """Return the configuration that looks often at the gradients, if that is asked for."""
    if not asked:
        return config
    return config.model_copy(update={"train": replace(config.train, diagnose=OFTEN)})


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
        _check_size(options, table)


def check_memory(make: Callable[[], nn.Module], what: str) -> None:
    """Refuse a model that could not be trained in this machine's memory; it is laid out without storage.

    Args:
        make: makes the model.
        what: it is, in words.

    Raises:
        ConfigError: if it is too large, or cannot be made.
    """
    try:
        with torch.device("meta"):
            model = make()
        size = BYTES * sum(parameter.numel() for parameter in model.parameters())
    except (RuntimeError, OverflowError, MemoryError):  # more than a tensor can count
        size = 1 << 62
    if size > _memory():
        raise ConfigError(
            f"Training {what} needs {size / 2**30:,.0f} GiB, more than there is.",
            "Use fewer experts, narrower layers or smaller embeddings.",
        )


def _check_size(options: ModelOptions, table: Table) -> None:
    z = describe(table.tasks, options.descriptor)

    def make() -> MultiTaskModel:
        return MultiTaskModel(table.tasks, table.schema.inputs, options, descriptors=z)

    check_memory(make, f"with sharing = '{options.sharing}'")


def _memory() -> int:
    if not hasattr(os, "sysconf"):  # cannot be asked there: let it try
        return 1 << 60
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
