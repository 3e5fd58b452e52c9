"""Let the inner layers' own option classes be tables of a configuration.

`ModelOptions` or `TrainOptions` say once what there is to choose, with defaults and checks; pydantic reads
their fields, and an unknown key, a wrong type or a failed check becomes one problem of the configuration.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Union

from pydantic import BaseModel, ConfigDict, WrapValidator
from pydantic_core import PydanticCustomError

from sharewise.errors import ConfigError, SharewiseError, nearest

#: TOML has no null: this word stands for it where None is a choice.
NONE = "none"

#: Type of pydantic's problem that carries a sentence of ours.
OURS = "sharewise"


class Section(BaseModel):
    """A table of the configuration: its keys are fixed, numbers finite, nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


def mistake(error: SharewiseError) -> PydanticCustomError:
    """Return the error as one that pydantic gathers with the others."""
    values = {"problem": error.problem, "remedy": error.remedy}
    return PydanticCustomError(OURS, "{problem} {remedy}", values)


def checked(options: type) -> WrapValidator:
    """Return the validator for a field that holds `options`, a dataclass of an inner layer."""
    if not is_dataclass(options):
        raise TypeError(f"{options.__name__} is not a dataclass")
    optional, known = _optional_fields(options), tuple(field.name for field in fields(options))

    def validate(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            made = handler(_prepared(value, optional))
        except SharewiseError as error:
            raise mistake(error) from error
        # A table that takes any key has pydantic let the tables in it take any too.
        unknown = [key for key in value if key not in known] if isinstance(value, dict) else []
        if unknown:
            raise mistake(ConfigError(f"'{unknown[0]}' is not a key there.", nearest(unknown[0], known)))
        return made

    return WrapValidator(validate)


def _optional_fields(options: type) -> frozenset[str]:
    hints = typing.get_type_hints(options)
    return frozenset(name for name, hint in hints.items() if type(None) in _choices(hint))


def _choices(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)


def _prepared(value: Any, optional: frozenset[str]) -> Any:
    """Turn what JSON has (lists, the word for None) into what the dataclass asks for."""
    if not isinstance(value, dict):
        return value
    return {key: None if v == NONE and key in optional else _tuples(v) for key, v in value.items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
