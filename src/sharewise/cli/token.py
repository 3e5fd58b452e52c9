"""A token in a file, which requests must bring."""

from __future__ import annotations

from pathlib import Path

from sharewise.errors import ConfigError
from sharewise.files import reported


def read_token(path: Path | None) -> str:
    """Return the token of a file; "" if there is none.

    Raises:
        ConfigError: if the file holds no token.
    """
    if path is None:
        return ""
    with reported(path, "read"):
        found = path.read_text(encoding="utf-8", errors="replace").strip()
    if not found.isascii() or not found.isprintable() or len(found) < 16:
        raise ConfigError(
            f"'{path}' holds no token.", "Write at least 16 printable ASCII characters into it."
        )
    return found
