"""Metrics of the service in the format of Prometheus: how many requests, how fast, what answers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sharewise.ranking.service.limits import App, Message, Receive, Send

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from sharewise.ranking.service.service import Service

#: Upper bounds of the histogram, in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
#: Stands for paths that are none of ours, so that nobody can make labels.
OTHER = "other"


class Metrics:
    """An ASGI application around another, which counts what it answers.

    Args:
        app: answers.
        paths: those that are told apart.
        service: whose state is shown.
    """

    def __init__(self, app: App, paths: Iterable[str], service: Service) -> None:
        self._app, self._paths = app, frozenset(paths)
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "sharewise_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("path",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter(
            "sharewise_answers", "Requests answered.", ("path", "status"), registry=self.registry
        )
        self._inside = Gauge("sharewise_requests_inside", "Requests being answered.", registry=self.registry)
        self.registry.register(_State(service))

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


class _State(Collector):
    """What the service is at the moment of a look."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        """Yield the state."""
        versions = self._service.versions
        answering = GaugeMetricFamily("sharewise_model", "1 for what answers.", labels=["model"])
        answering.add_metric([versions.current.base.digest], 1)
        yield answering
        yield CounterMetricFamily("sharewise_swaps", "Changes of what answers.", value=versions.swaps)
        yield CounterMetricFamily("sharewise_refusals", "Changes refused.", value=versions.refusals)
        hours = self._service.log.state()
        yield GaugeMetricFamily("sharewise_open_hours", "Hours that still take feedback.", value=len(hours))
        yield GaugeMetricFamily(
            "sharewise_open_feedback", "Impressions with feedback in open hours.", value=sum(hours.values())
        )
        users = GaugeMetricFamily(
            "sharewise_experiment_users", "Users of an arm so far.", labels=["experiment", "arm"]
        )
        p = GaugeMetricFamily(
            "sharewise_experiment_p", "Always-valid p-value.", labels=["experiment", "arm", "outcome"]
        )
        for plan, look in self._service.watching.last():
            for arm, count in look.users.items():
                users.add_metric([plan.name, arm], count)
            for reading in look.readings:
                p.add_metric([plan.name, reading.arm, reading.outcome], reading.p)
        yield users
        yield p
