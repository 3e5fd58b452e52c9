"""Read the configuration of a simulated platform: the table ``[world]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from sharewise.config.load import parse_toml, read_text, validated
from sharewise.config.options import Section, checked
from sharewise.ranking.world import WorldOptions


class WorldConfig(Section):
    """All of a simulation; every key of ``[world]`` has the name of the argument of `WorldOptions`."""

    world: Annotated[WorldOptions, checked(WorldOptions)] = WorldOptions()


def load_world_config(path: str | Path) -> WorldConfig:
    """Read a configuration file.

    Raises:
        ConfigError: if the file cannot be read, is not TOML, or has keys or values that are not valid.
    """
    path = Path(path)
    return parse_world_config(read_text(path), source=path.name)


def parse_world_config(text: str, source: str = "The configuration") -> WorldConfig:
    """Turn TOML text into a `WorldConfig`; `source` names it in messages.

    Raises:
        ConfigError: as `load_world_config`.
    """
    return validated(parse_toml(text, source), WorldConfig, source)
