"""How numbers look: the same way on the page and in the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

#: The sign that typographers use.
MINUS = "\N{MINUS SIGN}"
NOTHING = "–"


def plain(value: float | None, digits: int = 3) -> str:
    """Return a number with fixed decimals; a dash for None."""
    return NOTHING if value is None else _minus(f"{_zero(value, digits):.{digits}f}")


def signed(value: float | None, digits: int = 4) -> str:
    """Return a number with its sign."""
    return NOTHING if value is None else _minus(f"{_zero(value, digits):+.{digits}f}")


def percent(value: float | None) -> str:
    """Return a share in percent."""
    return NOTHING if value is None else f"{plain(100 * value, 1)} %"


def points(value: float | None) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return NOTHING if value is None else signed(100 * value, 2)


def share(value: float | None) -> str:
    """Return a share in percent, without the sign for it, to two decimals."""
    return NOTHING if value is None else plain(100 * value, 2)


def change(value: float | None) -> str:
    """Return a difference of any size with its sign, to three digits."""
    return NOTHING if value is None else _minus(f"{value:+#.3g}".rstrip("."))


def grouped(value: float | None) -> str:
    """Return a whole number with its thousands apart."""
    return NOTHING if value is None else f"{round(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def probability(value: float | None) -> str:
    """Return a p-value."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def measured(value: float | None) -> str:
    """Return a number of any size, to four digits."""
    if value is None:
        return NOTHING
    return grouped(value) if abs(value) >= 1e4 else _minus(f"{value:.4g}")


def brief(value: float | None) -> str:
    """Return a number of any size, to three digits."""
    return measured(value) if value is None or abs(value) >= 1e3 else _minus(f"{value:#.3g}".rstrip("."))


def error(value: float | None) -> str:
    """Return a standard error, to two digits."""
    if value is None:
        return NOTHING
    return f"{value:.4f}" if value < 0.1 else f"{value:.2g}"


def span(value: int | Sequence[int]) -> str:
    """Return a whole number, or a range of them."""
    return str(value) if isinstance(value, int) else f"{value[0]} to {value[1]}"


def metric(name: str) -> str:
    """Return how a metric is written."""
    return {"auc": "AUC", "r2": "R²", "d2": "D²", "mse": "mean squared error"}.get(name, name)


def _zero(value: float, digits: int) -> float:
    return value if abs(value) >= 0.5 * 10**-digits else 0.0  # no "-0.000"


def _minus(text: str) -> str:
    return text.replace("-", MINUS)


class Numbers:
    """Writes numbers of ``metrics.json`` into HTML, each with its place (a JSON pointer) and its exact value.

    Args:
        evidence: the content of ``metrics.json``.
    """

    FORMATS = MappingProxyType(
        {
            "plain": plain,
            "signed": signed,
            "percent": percent,
            "points": points,
            "share": share,
            "change": change,
            "grouped": grouped,
            "probability": probability,
            "measured": measured,
            "brief": brief,
            "error": error,
        }
    )

    def __init__(self, evidence: dict[str, Any]) -> None:
        self._evidence = evidence

    def __call__(self, *keys: str | int, how: str = "plain") -> Markup:
        """Return the number under these keys, looking as `how` says."""
        value: Any = self._evidence
        for key in keys:
            value = value[key]
        pointer = "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)
        text = self.FORMATS[how](value)
        return Markup('<span data-at="{}" data-value="{}">{}</span>').format(pointer, json.dumps(value), text)
