"""CandidatePlan: all that decides what candidates a log leads to, checked as a whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sharewise.errors import ConfigError
from sharewise.ranking.candidates.options import (
    SOURCES,
    CoWatchOptions,
    ListOptions,
    PopularOptions,
    TopicOptions,
    TowerOptions,
)
from sharewise.ranking.options import LogOptions


@dataclass(frozen=True)
class CandidatePlan:
    """The plan of a run over a log.

    Args:
        log: names of one's own for the log's columns; what it says of features does not matter here.
        candidates: what is proposed.
        co_watched, topics, two_tower, popular: of the sources of these names.

    Raises:
        ConfigError: if topics are asked for without a column for them, or pairs beyond recent watches.
    """

    log: LogOptions = field(default_factory=LogOptions)
    candidates: ListOptions = field(default_factory=ListOptions)
    co_watched: CoWatchOptions = field(default_factory=CoWatchOptions)
    topics: TopicOptions = field(default_factory=TopicOptions)
    two_tower: TowerOptions = field(default_factory=TowerOptions)
    popular: PopularOptions = field(default_factory=PopularOptions)

    def __post_init__(self) -> None:
        shares, recent = self.candidates.sources, self.candidates.recent
        if self.co_watched.window > recent:
            raise ConfigError(
                f"Pairs reach {self.co_watched.window} watches back, and only {recent} are looked at.",
                "Use a window of co_watched that is at most candidates.recent.",
            )
        if "topics" in shares and not self.topics.columns:
            raise ConfigError(
                "The source 'topics' has no columns that say what an item is about.",
                "Set columns of topics, or leave the source out.",
            )
        if not shares:
            usual = [name for name in SOURCES if name != "topics" or self.topics.columns]
            shares = dict.fromkeys(usual, 1.0)
        ordered = {name: float(shares[name]) for name in SOURCES if name in shares}
        object.__setattr__(self, "candidates", replace(self.candidates, sources=ordered))

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources, in the order of their turns."""
        return tuple(self.candidates.sources)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {part: asdict(getattr(self, part)) for part in _PARTS}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> CandidatePlan:
        """Inverse of `to_dict`, also after a way through JSON."""
        return CandidatePlan(**{part: cls(**_tuples(values[part])) for part, cls in _PARTS.items()})


_PARTS: dict[str, Any] = {
    "log": LogOptions,
    "candidates": ListOptions,
    "co_watched": CoWatchOptions,
    "topics": TopicOptions,
    "two_tower": TowerOptions,
    "popular": PopularOptions,
}


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
