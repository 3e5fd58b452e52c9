"""What the ranking service tells Prometheus of itself: what answers, the log, experiments."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sharewise.ranking.service.service import Service


class State(Collector):
    """What the service is at the moment of a look.

    Args:
        service: which.
    """

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
