"""An hour of lists and their feedback, while it can still change: what a journal holds, kept at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sharewise.errors import DataError
from sharewise.ranking.service.journal import Journal, read_journal

#: Microseconds of an hour.
HOUR = 3_600_000_000
_START = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: Kinds of record.
SERVED, FEEDBACK = "served", "feedback"


def hour_of(request: int) -> str:
    """Return the hour that a request, which is numbered by its microsecond, was made in: "2026-01-01T00".

    Raises:
        DataError: if the number is no time.
    """
    try:
        return (_START + timedelta(microseconds=request)).strftime("%Y-%m-%dT%H")
    except OverflowError:
        raise DataError(f"There is no request {request}.", "Name one that was answered.") from None


def end_of(hour: str) -> int:
    """Return the microsecond at which an hour ends."""
    start = datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=timezone.utc)
    return (start - _START) // timedelta(microseconds=1) + HOUR


class Hour:
    """The lists of an hour.

    Args:
        path: of its journal; what it holds already is read.

    Attributes:
        last: the number of its last request; 0 if there is none.
        events: impressions that feedback has come for, repeated ones counted again.
    """

    def __init__(self, path: Path) -> None:
        self.journal = Journal(path)
        self.last = self.events = 0
        self._items: dict[int, tuple[Any, ...]] = {}
        for record in read_journal(path):
            if SERVED in record:
                self._keep(record[SERVED], record["each"]["item"])
            else:
                self.events += len(record["events"])

    def serve(self, request: int, record: Mapping[str, Any]) -> None:
        """Add a list; it outlives the process, and with its first feedback the machine."""
        self.journal.append({SERVED: request, **record}, durable=False)
        self._keep(request, record["each"]["item"])

    def take(self, request: int, events: Sequence[Mapping[str, Any]]) -> None:
        """Add feedback; it is on the disk when this returns.

        Raises:
            DataError: if the list was not served here, or an item was not in it; nothing was added.
            ClosedJournalError: if the hour is over.
        """
        items = self._items.get(request)
        if items is None:
            raise DataError(f"There is no request {request}.", "Name one that was answered.")
        for event in events:
            if event["item"] not in items:
                raise DataError(
                    f"Item {event['item']!r:.60} was not in the list of request {request}.",
                    "Send feedback of what was recommended.",
                )
        self.journal.append({FEEDBACK: request, "events": list(events)}, durable=True)
        self.events += len(events)

    def _keep(self, request: int, items: Sequence[Any]) -> None:
        self._items[request] = tuple(items)
        self.last = max(self.last, request)
