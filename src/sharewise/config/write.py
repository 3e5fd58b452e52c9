"""Write a configuration as TOML that reads back equal, and its digest."""

from __future__ import annotations

import hashlib
from typing import Any

import tomli_w

from sharewise.config.options import NONE, Section


def to_toml(config: Section) -> str:
    """Return the whole configuration, defaults written out; reading it gives an equal one back."""
    return tomli_w.dumps(_table(config))


def config_digest(config: Section) -> str:
    """Return the sha256 of the configuration: equal for equal runs, whatever the order of the keys."""
    return hashlib.sha256(to_toml(config).encode()).hexdigest()


def _table(section: Section) -> dict[str, Any]:
    # In our own tables a key that is left out is None; in the tables of options None is a choice with a word.
    found = {}
    for key, plain in section.model_dump(mode="json").items():
        value = getattr(section, key)
        if value is not None:
            found[key] = _table(value) if isinstance(value, Section) else _with_word(plain)
    return found


def _with_word(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_word(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_with_word(v) for v in value]
    return NONE if value is None else value
