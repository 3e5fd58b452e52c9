"""Ranker: a network for the objectives with what reads a log for it; predictions and scores come out."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.nn import MultiTaskModel, Offset
from sharewise.nn.initial import Initial
from sharewise.nn.offset import KEY
from sharewise.ranking.blend import blend
from sharewise.ranking.encoding import Encoding, Rows
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.schema import LogSchema
from sharewise.train.growth import fit_state
from sharewise.train.predict import ROWS, frozen, outputs_of, split_by_task, to_predictions

Array = NDArray[np.float64]


class Ranker:
    """Predicts objectives for rows of a log.

    Args:
        plan: what it is made from.
        schema: of the log.

    Attributes:
        encoding: reads rows.
        model: the network, with the tower of the places as its offset.
    """

    def __init__(self, plan: RankPlan, schema: LogSchema) -> None:
        self.plan = plan
        self.encoding = Encoding(schema, plan)
        seed = plan.train.seed
        offset = None
        if plan.bias.kind == "tower":
            own, at = plan.bias, Initial(seed).at("offset")
            offset = Offset(plan.tasks, own.tasks, at, own.size, own.hidden, own.rate)
        self.model = MultiTaskModel(plan.tasks, self.encoding.inputs, plan.model, seed=seed, offset=offset)

    def learn(self, frame: pl.DataFrame, rows: Rows, optimizer: torch.optim.Optimizer) -> None:
        """Take new values and scales from rows of a log, and let the network and its optimizer follow.

        Predictions stay as they are, but those of tasks whose first labels these are: nothing was learnt of
        them yet, so they start from the labels' mean.
        """
        seen = self.encoding.labels.count > 0
        self.encoding.learn(frame, rows)
        self.model.grow(self.encoding.vocabulary.rows)
        if self.model.offset is not None:
            self.model.offset.cells.grow(self.encoding.places.rows)
        fit_state(optimizer)
        self._rescale(seen.tolist())

    def _rescale(self, seen: list[bool]) -> None:
        before, after = self.model.tasks, self.encoding.tasks
        start = [old if known else new for known, old, new in zip(seen, before, after, strict=True)]
        self.model.tasks = before.replace(mean=[t.mean for t in start], scale=[t.scale for t in start])
        self.model.retarget(after)

    def outputs(self, rows: Rows) -> Tensor:
        """Return the network's outputs for rows whose place is missing, ``[rows, columns]``, on the CPU."""
        return self._outputs(rows.inputs, len(rows))

    def _outputs(self, inputs: dict[str, Tensor], count: int) -> Tensor:
        tasks, pieces = self.model.tasks, []
        with frozen(self.model):
            for start in range(0, count, ROWS):
                here = slice(start, start + ROWS)
                piece = {key: value[here] for key, value in inputs.items()}
                pieces.append(outputs_of(self.model, tasks, piece).cpu())
        return torch.cat(pieces) if pieces else torch.zeros(0, tasks.columns)

    def added(self, rows: Rows) -> Tensor | None:
        """Return what the places add to the outputs, on the CPU; None where there is no tower."""
        if self.model.offset is None or rows.places is None:
            return None
        with frozen(self.model):
            every = torch.arange(
                self.model.offset.cells.capacity, device=next(self.model.parameters()).device
            )
            found: Tensor = self.model.offset({KEY: every}).cpu().index_select(0, rows.places)
        return found

    def predictions(self, outputs: Tensor) -> dict[str, Array]:
        """Return predictions by task, in the labels' unit, ``[rows]``."""
        split = split_by_task(to_predictions(outputs, self.model.tasks), self.model.tasks)
        return {name: values[:, 0].double().numpy() for name, values in split.items()}

    def predict_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Array]:
        """Return predictions by task for rows that were read already, in the labels' unit, ``[rows]``."""
        return self.predictions(self._outputs(inputs, len(next(iter(inputs.values())))))

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return predictions of all objectives and their ``score`` for candidates, one row each.

        Args:
            frame: the features, under the log's names; positions are not asked for.

        Raises:
            DataError: if a column holds values of another type than the log's.
        """
        found = self.predictions(self.outputs(self.encoding.read(frame, labelled=False)))
        return pl.DataFrame({**found, "score": blend(found, self.plan.blend)})

    def place_bias(self, positions: list[int], device: str | None = None) -> dict[str, Array]:
        """Return what the tower adds to each chosen task's logit at these positions on a device.

        NaN for a place that was never seen. Only differences between places have a meaning.
        """
        if self.model.offset is None:
            return {}
        numbers = self.encoding.place_numbers(positions, device)
        with frozen(self.model):
            logits = self.model.offset.logits(numbers.to(next(self.model.parameters()).device))
        found = logits.cpu().double().masked_fill((numbers == 0)[:, None], torch.nan).numpy()
        return {name: found[:, place] for place, name in enumerate(self.plan.bias.tasks)}
