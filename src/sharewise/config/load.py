"""Read a configuration: TOML in, a `RunConfig` or one error with all problems out.

`read_text`, `parse_toml`, `validated` and `located` are the same for every sort of configuration.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sharewise.config.models import RunConfig
from sharewise.config.problems import explain
from sharewise.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]

Model = TypeVar("Model", bound=BaseModel)


def load_config(path: str | Path) -> RunConfig:
    """Read a configuration file; a relative `source` is taken from the file's folder.

    Raises:
        ConfigError: if the file cannot be read, is not TOML, or has keys or values that are not valid.
    """
    path = Path(path)
    return parse_config(read_text(path), source=path.name, folder=path.parent)


def parse_config(text: str, source: str = "The configuration", folder: Path = Path()) -> RunConfig:
    """Turn TOML text into a `RunConfig`; `source` names it in messages.

    Raises:
        ConfigError: as `load_config`.
    """
    return from_document(parse_toml(text, source), source, folder)


def from_document(
    document: dict[str, Any], source: str = "The configuration", folder: Path = Path()
) -> RunConfig:
    """Turn plain tables, as TOML gives them, into a `RunConfig`.

    Raises:
        ConfigError: naming every unknown key, wrong type and value out of range at once.
    """
    from sharewise.data import catalog

    config = validated(_shared(document), RunConfig, source)
    data = config.data.model_copy(update={"source": located(config.data.source, catalog.names(), folder)})
    return config.model_copy(update={"data": data})


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Turn TOML text into plain tables; `source` names it in messages.

    Raises:
        ConfigError: if it is not TOML.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(f"{text}\n")
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source} is not valid TOML: {_lower(str(error))}.", "Mend that line.") from error
    return tables


def validated(document: dict[str, Any], model: type[Model], source: str) -> Model:
    """Turn plain tables into a model of a configuration.

    Raises:
        ConfigError: naming every unknown key, wrong type and value out of range at once.
    """
    for key in _beyond_64_bits(document):
        raise ConfigError(
            f"{source}: '{key}' holds a whole number of more than 64 bits.", "Use a smaller one."
        )
    try:
        return model.model_validate_json(json.dumps(document, default=_plain))
    except ValidationError as error:
        raise explain(error, model, source) from error


def located(source: str, names: Collection[str], folder: Path) -> str:
    """Return a path relative to the configuration's folder as an absolute one; `names` of a catalog stay."""
    if "://" in source or source in names or Path(source).is_absolute():
        return source
    return str(folder.resolve() / source)


def read_text(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: if there is none, or it is not a text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"There is no file '{path}'.", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"'{path}' is not a text in UTF-8.", "Give a TOML file.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"'{path}' cannot be read: {_lower(reason)}.", "Give a TOML file.") from error


def _shared(document: dict[str, Any]) -> dict[str, Any]:
    """Give every structure of [study] what it leaves out from [model]."""
    study, model = document.get("study"), document.get("model", {})
    if not isinstance(study, dict) or not isinstance(study.get("structures"), list):
        return document
    common = model if isinstance(model, dict) else {}
    structures = [_structure(entry, common) for entry in study["structures"]]
    return {**document, "study": {**study, "structures": structures}}


def _structure(entry: Any, common: dict[str, Any]) -> Any:
    if isinstance(entry, str):
        return {**common, "sharing": entry}
    return {**common, **entry} if isinstance(entry, dict) else entry


def _beyond_64_bits(value: Any, key: str = "") -> Iterator[str]:
    """Yield the keys of numbers that TOML does not have, though Python reads them."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        yield key
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _beyond_64_bits(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _beyond_64_bits(inner, key)


def _plain(value: Any) -> str:
    """TOML dates are texts in JSON."""
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    raise TypeError(f"{type(value)} in a TOML document")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")
