"""Read a meta-learning run's configuration: TOML in, a `MetaConfig` or one error with all problems out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sharewise.config.load import located, parse_toml, read_text, validated
from sharewise.config.meta_models import MetaConfig
from sharewise.data.episodes import catalog


def load_meta_config(path: str | Path) -> MetaConfig:
    """Read a configuration file; a relative `source` is taken from the file's folder.

    Raises:
        ConfigError: if the file cannot be read, is not TOML, or has keys or values that are not valid.
    """
    path = Path(path)
    return parse_meta_config(read_text(path), source=path.name, folder=path.parent)


def parse_meta_config(text: str, source: str = "The configuration", folder: Path = Path()) -> MetaConfig:
    """Turn TOML text into a `MetaConfig`; `source` names it in messages.

    Raises:
        ConfigError: as `load_meta_config`.
    """
    return meta_from_document(parse_toml(text, source), source, folder)


def meta_from_document(
    document: dict[str, Any], source: str = "The configuration", folder: Path = Path()
) -> MetaConfig:
    """Turn plain tables, as TOML gives them, into a `MetaConfig`.

    Raises:
        ConfigError: naming every unknown key, wrong type and value out of range at once.
    """
    config = validated(document, MetaConfig, source)
    where = located(config.data.source, catalog.names(), folder)
    return config.model_copy(update={"data": config.data.model_copy(update={"source": where})})
