"""What can be chosen about the ranking service."""

from __future__ import annotations

from dataclasses import dataclass

from sharewise.errors import ConfigError
from sharewise.web import ServerOptions


@dataclass(frozen=True)
class ServiceOptions(ServerOptions):
    """Limits of the ranking service, beside those of any.

    Args:
        most_items: of one list.
        threads: of one request's ranking.
        settle: seconds after its hour for which a list still takes feedback, before its partition is written.
    """

    most_items: int = 200
    threads: int = 1
    settle: float = 900.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("most_items", "threads"):
            self._need_some(name)
        if not 0 <= self.settle <= 86_400:
            raise ConfigError(f"Service option 'settle' is {self.settle}.", "Use 0 to 86,400 seconds.")
