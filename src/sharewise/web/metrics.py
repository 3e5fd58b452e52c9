"""Metrics in the format of Prometheus: how many requests, and how fast."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

from sharewise.web.limits import App, Message, Receive, Send

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

#: Upper bounds of the histogram, in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
#: Stands for paths that are none of ours, so that nobody can make labels.
OTHER = "other"


class Metrics:
    """An ASGI application around another, which counts what it answers.

    Args:
        app: answers.
        paths: those that are told apart.
        prefix: of the metrics' names.
        state: yields further ones; None for none.
    """

    def __init__(self, app: App, paths: Iterable[str], prefix: str, state: Collector | None = None) -> None:
        self._app, self._paths = app, frozenset(paths)
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            f"{prefix}_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("path",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter(
            f"{prefix}_answers", "Requests answered.", ("path", "status"), registry=self.registry
        )
        self._inside = Gauge(f"{prefix}_requests_inside", "Requests being answered.", registry=self.registry)
        if state is not None:
            self.registry.register(state)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else OTHER
        status, began = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._inside.inc()
        try:
            await self._app(scope, receive, noted)
        finally:
            self._inside.dec()
            self._seconds.labels(path).observe(time.perf_counter() - began)
            self._answers.labels(path, str(status)).inc()

    def text(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        return generate_latest(self.registry)
