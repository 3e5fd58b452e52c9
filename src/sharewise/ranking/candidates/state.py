"""CandidateState: everything that the rest of a run over a log depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sharewise.ranking.candidates.columns import LogColumns
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.proposer import Proposer
from sharewise.ranking.candidates.recall import Recall
from sharewise.ranking.partitions import Ledger
from sharewise.train.state import Cursor, plain, tensors_of


class CandidateState:
    """A run's state; a `Resumable`. Before the first partition there is but an empty ledger.

    Args:
        plan: of the run.

    Attributes:
        ledger: what became of partitions.
        proposer: what was learnt; None before the first partition.
        recall: of everything so far, each stretch before it was learnt from.
    """

    def __init__(self, plan: CandidatePlan) -> None:
        self.plan, self.ledger = plan, Ledger()
        self.proposer: Proposer | None = None
        self.recall = new_recall(plan)

    @property
    def cursor(self) -> Cursor:
        """How many partitions something became of."""
        return Cursor(step=len(self.ledger.done) + len(self.ledger.aside))

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, on the CPU, apart from each other in memory."""
        own: dict[str, Mapping[str, Tensor]] = {"recall": plain(self.recall.tensors())}
        if self.proposer is not None:
            own["proposer"] = self.proposer.tensors()
        return {f"{part}.{name}": v for part, one in own.items() for name, v in one.items()}

    def values(self) -> dict[str, Any]:
        """Return all that is not a tensor, for JSON."""
        columns = None if self.proposer is None else self.proposer.columns.to_dict()
        return {"ledger": self.ledger.to_dict(), "columns": columns}

    def load(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on where `tensors()` and `values()` were taken."""
        self.ledger = Ledger.from_dict(values["ledger"])
        self.recall.load(tensors_of(tensors, "recall"))
        self.proposer = None
        if values["columns"] is not None:
            self.proposer = Proposer(self.plan, LogColumns.from_dict(values["columns"]))
            self.proposer.load(tensors_of(tensors, "proposer"))


def new_recall(plan: CandidatePlan) -> Recall:
    """Return the recall of no requests."""
    own = plan.candidates
    return Recall(plan.sources, own.recall_at, own.count)
