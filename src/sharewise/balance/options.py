"""Checks of methods' options, with one sentence on what is wrong and one on what to do."""

from __future__ import annotations

import math

from sharewise.errors import ConfigError


def positive(method: str, option: str, value: float) -> float:
    """Return the value if it is a finite number above 0."""
    if not (0 < value < math.inf):
        raise ConfigError(f"{method}'s {option} is {value}.", "Use a positive number.")
    return value


def not_negative(method: str, option: str, value: float) -> float:
    """Return the value if it is a finite number from 0 on."""
    if not (0 <= value < math.inf):
        raise ConfigError(f"{method}'s {option} is {value}.", "Use a number from 0 on.")
    return value


def share(method: str, option: str, value: float) -> float:
    """Return the value if it is between 0 and 1."""
    if not 0 <= value <= 1:
        raise ConfigError(f"{method}'s {option} is {value}.", "Use a number from 0 to 1.")
    return value


def counted(method: str, option: str, value: int, least: int = 1) -> int:
    """Return the value if it is a whole number from `least` on."""
    if value < least or value != int(value):
        raise ConfigError(f"{method}'s {option} is {value}.", f"Use a whole number from {least} on.")
    return int(value)
