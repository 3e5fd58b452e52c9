"""Write a configuration as TOML that reads back equal, and its digest."""

from __future__ import annotations

import hashlib
from typing import Any

import tomli_w

from sharewise.config.models import RunConfig
from sharewise.config.options import NONE


def to_toml(config: RunConfig) -> str:
    """Return the whole configuration, defaults written out; `parse_config` gives an equal one back."""
    document = config.model_dump(mode="json")
    # In these tables a key that is left out is None; in the tables of options None is a choice with a word.
    document["data"] = {key: value for key, value in document["data"].items() if value is not None}
    return tomli_w.dumps(_with_word(document))


def config_digest(config: RunConfig) -> str:
    """Return the sha256 of the configuration: equal for equal runs, whatever the order of the keys."""
    return hashlib.sha256(to_toml(config).encode()).hexdigest()


def _with_word(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_word(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_with_word(v) for v in value]
    return NONE if value is None else value
