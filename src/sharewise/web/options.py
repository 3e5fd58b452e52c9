"""What can be chosen about any service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from sharewise.errors import ConfigError

#: Addresses that only this machine reaches.
LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServerOptions:
    """Limits of a service, and who may ask.

    Args:
        host, port: to listen on.
        token: that every request but ``GET /health`` must bring as ``Authorization: Bearer ...``; "" for
            none, which only an address of this machine may have.
        most_bytes: of the body of a request.
        body_seconds: in which a body must have come.
        waiting: requests that are answered or wait for it; further ones get 503.
        workers: threads that answer; more than one help only where networks are large.

    Raises:
        ConfigError: for a value that cannot be used.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    most_bytes: int = 1 << 18
    body_seconds: float = 5.0
    waiting: int = 64
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("most_bytes", "waiting", "workers"):
            self._need_some(name)
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"Service option 'port' is {self.port}.", "Use 0 to 65,535.")
        if self.host not in LOCAL and not self.token:
            raise ConfigError(
                f"Without a token everybody who reaches '{self.host}' could ask.",
                "Give a token, or listen on 127.0.0.1.",
            )

    def _need_some(self, name: str) -> None:
        if getattr(self, name) < 1:
            raise ConfigError(f"Service option '{name}' is {getattr(self, name)}.", "Use 1 or more.")
