"""Condition: what an episode looks like, and whether training and test episodes look alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from sharewise.errors import ConfigError

Range = int | tuple[int, int]


@dataclass(frozen=True)
class Condition:
    """How many classes and examples an episode has.

    Args:
        shots: examples in the support set; for classification of every class. A pair (from, to) draws anew
            for every batch of episodes. With 0 a learner has to predict before it sees an example.
        queries: examples in the query set; for classification of every class.
        ways: classes of a task, or a pair; None where labels are no classes to be drawn.

    Raises:
        ConfigError: if a number cannot be one.
    """

    shots: Range = 5
    queries: int = 15
    ways: Range | None = None

    def __post_init__(self) -> None:
        for name in ("shots", "ways"):  # TOML and JSON know lists only
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        _check("shots", self.shots, 0)
        _check("queries", self.queries, 1)
        if self.ways is not None:
            _check("ways", self.ways, 2)

    @property
    def fixed(self) -> bool:
        """True if all episodes are of one size."""
        return not (isinstance(self.shots, tuple) or isinstance(self.ways, tuple))

    @property
    def most_shots(self) -> int:
        """The largest number of shots."""
        return ends(self.shots)[1]

    @property
    def most_ways(self) -> int:
        """The largest number of ways; 0 without classes."""
        return 0 if self.ways is None else ends(self.ways)[1]

    def draw(self, generator: torch.Generator) -> tuple[int, int]:
        """Return (ways, shots) of one batch of episodes; ways is 0 without classes."""
        ways = 0 if self.ways is None else _draw(self.ways, generator)
        return ways, _draw(self.shots, generator)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def ends(value: Range) -> tuple[int, int]:
    """Return the smallest and the largest of a range."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def differences(train: Condition, test: Condition) -> list[str]:
    """Say where test episodes differ from those trained on.

    A meta-learner is trained to learn from episodes like these: what it was never asked in training, it has
    not learned (Vinyals et al. 2016: test and train conditions must match). More ways are harder; more shots
    than in training are often used badly. A different size of the query set matters only to learners that
    look at queries together (transductive ones), and to the noise of the result.
    """
    found = []
    for name in ("ways", "shots"):
        own, other = getattr(train, name), getattr(test, name)
        if own is None or other is None:
            if own is not other:
                found.append(f"{name}: trained with {_show(own)}, tested with {_show(other)}")
            continue
        (low, high), (least, most) = ends(own), ends(other)
        if least < low or most > high:
            found.append(f"{name}: trained with {_show(own)}, tested with {_show(other)}")
    if train.queries != test.queries:
        found.append(f"queries: trained with {train.queries}, tested with {test.queries}")
    return found


def _check(name: str, value: Range, least: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    pair = isinstance(value, tuple) and len(value) == 2 and all(type(v) is int for v in value)
    if (
        not (whole or (pair and name != "queries"))
        or ends(value)[0] < least
        or ends(value)[0] > ends(value)[1]
    ):
        what = f"a whole number from {least} on" + ("" if name == "queries" else ", or a rising pair of them")
        raise ConfigError(f"Episodes have {name} = {value}.", f"Use {what}.")


def _draw(value: Range, generator: torch.Generator) -> int:
    low, high = ends(value)
    return low if low == high else int(torch.randint(low, high + 1, (), generator=generator))


def _show(value: Range | None) -> str:
    if value is None:
        return "none"
    low, high = ends(value)
    return str(low) if low == high else f"{low} to {high}"
