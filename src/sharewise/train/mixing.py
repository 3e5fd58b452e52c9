"""The tasks' shares of the rows, set anew as training goes on: PiKE in the loop."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.balance.engines import GhostGramian, Scene
from sharewise.balance.engines.graph import stacked_parting
from sharewise.data.batches import Batch
from sharewise.data.mixing import moments, pike
from sharewise.data.sampling import BatchSource
from sharewise.nn import MultiTaskModel
from sharewise.train.devices import fetch
from sharewise.train.objective import Objective
from sharewise.train.options import TrainOptions

#: Tasks of one look, each with two gradients; the shares of the others stay.
MOST_TASKS = 32


class Mixing:
    """Looks at the tasks' gradients now and then, and tells the sampler what to draw.

    A look depends on the weights and the step alone. Every process takes all of it.

    Args:
        model: that is trained.
        source: of the batches.
        train: the training split.
        objective: of the tasks.
        options: with how often and how strongly.
        device: to compute on.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        source: BatchSource,
        train: Batch,
        objective: Objective,
        options: TrainOptions,
        device: torch.device,
    ) -> None:
        self._model, self._source, self._train, self._device = model, source, train, device
        self._objective, self._options = objective, options
        self._parameters = [p for p in model.parameters() if p.requires_grad]

    @property
    def follows(self) -> bool:
        """Whether the sampler is one that follows the gradients."""
        return self._source.scheme == "pike"

    def shares(self, step: int, present: Float[Tensor, " tasks"] | None) -> Float[Tensor, " tasks"]:
        """Return the shares from this step on, and draw by them; `present` is None at the start of a run."""
        options, tasks = self._options, len(self._objective.tasks)
        shares = torch.full((tasks,), 1 / tasks, dtype=torch.float64) if present is None else present
        if step % options.mix_every == 0:
            squares, variances, seen = self._look(step)
            part = shares[seen]
            grown = pike(
                part / part.sum(),
                squares,
                variances,
                gain=options.mix_gain,
                noise=options.mix_noise,
                batch_size=options.batch_size,
            )
            shares = shares.index_put((seen,), grown * part.sum())
        self._source.reweigh(shares)
        return shares

    def _look(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return squared lengths and variances of the gradients of some tasks, and which."""
        size = self._options.batch_size
        rows, seen = self._source.probe(step, MOST_TASKS, max(2, size // min(MOST_TASKS, size)))
        count = rows.shape[1]
        batch = fetch(self._train, rows.flatten(), self._device)
        self._model.eval()
        outputs = self._model(batch.inputs, batch.task, batch.descriptor)
        self._model.train()
        assert batch.task is not None
        losses = self._objective.disjoint(outputs.float(), batch.targets, batch.task)
        weights = torch.ones_like(losses) if batch.weight is None else batch.weight
        halves = (losses * weights).view(len(seen), count).tensor_split([count // 2], 1)
        parting = stacked_parting(torch.cat([half.mean(1) for half in halves]))
        gramian = GhostGramian().gramian(Scene(parting, self._parameters)).double().cpu()
        sizes = (torch.full((len(seen),), float(half.shape[1]), dtype=torch.float64) for half in halves)
        return *moments(gramian, *sizes), seen.cpu()
