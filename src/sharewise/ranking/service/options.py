"""What can be chosen about the service."""

from __future__ import annotations

from dataclasses import dataclass

from sharewise.errors import ConfigError

#: Addresses that only this machine reaches.
LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServiceOptions:
    """Limits of the service, and who may ask.

    Args:
        host, port: to listen on.
        token: that every request but ``GET /health`` must bring as ``Authorization: Bearer ...``; "" for
            none, which only an address of this machine may have.
        most_items: of one list.
        most_bytes: of the body of a request.
        body_seconds: in which a body must have come.
        waiting: requests that are answered or wait for it; further ones get 503.
        workers: requests that are answered at the same time.
        threads: of one request's ranking.
        settle: seconds after its hour for which a list still takes feedback, before its partition is written.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    most_items: int = 200
    most_bytes: int = 1 << 18
    body_seconds: float = 5.0
    waiting: int = 64
    workers: int = 2
    threads: int = 1
    settle: float = 900.0

    def __post_init__(self) -> None:
        for name in ("most_items", "most_bytes", "waiting", "workers", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Service option '{name}' is {getattr(self, name)}.", "Use 1 or more.")
        if not 0 <= self.settle <= 86_400:
            raise ConfigError(f"Service option 'settle' is {self.settle}.", "Use 0 to 86,400 seconds.")
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"Service option 'port' is {self.port}.", "Use 0 to 65,535.")
        if self.host not in LOCAL and not self.token:
            raise ConfigError(
                f"Without a token everybody who reaches '{self.host}' could ask, and write the log.",
                "Give a token, or listen on 127.0.0.1.",
            )
