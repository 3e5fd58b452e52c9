"""What decides a meta-training: the learner with all its options, the tasks, the episodes, the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import safetensors.torch

from sharewise import files
from sharewise.data.episodes import Condition, EpisodeSource
from sharewise.meta import Learner
from sharewise.tasks import Kind
from sharewise.train.meta_options import MetaOptions
from sharewise.train.state import plain

#: Tasks, and how episodes of them look.
Asked = tuple[EpisodeSource, Condition]

#: Of a checkpoint's tensors and what learners make of them, of how episodes are drawn and scored; one of
#: another format is another run's.
FORMAT = 4


def fingerprint(learner: Learner, train: Asked, valid: Asked | None, options: MetaOptions) -> str:
    """Return a SHA-256 over all that decides a run: learner, initial weights, tasks, conditions, options."""
    parts = {
        "format": FORMAT,
        "learner": describe(learner),
        "train": _describe_asked(train),
        "valid": None if valid is None else _describe_asked(valid),
        "options": options.to_dict(),
    }
    weights = safetensors.torch.save(plain(learner.state_dict()))
    return files.sha256(files.to_json(parts) + files.sha256(weights).encode())


def describe(learner: Learner) -> dict[str, Any]:
    """Return the plain attributes of a learner and its modules; all options there are, are among them."""
    return {
        name: [type(module).__qualname__, *sorted(_attributes(module))]
        for name, module in learner.named_modules()
    }


def _attributes(module: object) -> list[list[Any]]:
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    own.pop("training", None)
    return [[name, _plain(value)] for name, value in own.items()]


def _describe_asked(asked: Asked) -> list[Any]:
    source, condition = asked
    return [source.digest(), condition.to_dict()]


def _plain(value: object) -> Any:
    """Return a value as JSON has it; of what it has not, such as a function, the type's name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Kind):
        return value.to_dict()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return [[str(key), _plain(item)] for key, item in value.items()]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return type(value).__qualname__
