"""Conflict: what the tasks' gradients say of each other, averaged over batches.

A single batch says little, and a count of negative cosines less: with half of all pairs in conflict the step
may still help every task. So beside the cosines there is the *agreement* of each task with the step taken,
cos(g_t, d): below 0, the step hurts that task. d is the weighted gradient, before Adam rescales its entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.balance.weighting import EXACT, exact

#: Above this many tasks the records leave the matrix of cosines out.
MOST = 40


class Conflict:
    """Sums over looks at the Gramian, which are forgotten at `clear`.

    Args:
        tasks: how many there are.
    """

    def __init__(self, tasks: int) -> None:
        self._tasks = tasks
        self._sums = torch.zeros(2 * tasks + 6, tasks, dtype=EXACT)
        self._looks = torch.zeros(2, dtype=EXACT)

    def see(self, gramian: Float[Tensor, "tasks tasks"], weights: Float[Tensor, " tasks"]) -> None:
        """Add one look. A task without a gradient counts nowhere."""
        g, a = exact(gramian), exact(weights)
        norms = g.diagonal().clamp(min=0).sqrt()
        there = norms > 0
        cosines = torch.where(there[:, None] & there, g / (norms[:, None] * norms), 0.0).clamp(-1, 1)
        toward = g @ a
        length = torch.dot(a, toward).clamp(min=0).sqrt()
        agreement = torch.where(there & (length > 0), toward / (norms * length), 0.0).clamp(-1, 1)
        count = there.to(EXACT)
        rows = [count, norms, norms**2, agreement, agreement**2, (agreement < 0).to(EXACT)]
        worst = agreement[there].min() if bool(there.any()) else agreement.new_zeros(())
        self._sums += torch.cat([cosines, cosines**2, torch.stack(rows)])
        self._looks += torch.stack([torch.ones_like(worst), worst])

    def record(self, names: Sequence[str]) -> dict[str, Any] | None:
        """Return the means as plain values, or None without a look.

        ``looks``; ``worst``, the mean of the lowest agreement of a look; by task ``norm``, ``agreement``,
        ``hurt``, the share of looks where the step went against the task, and ``seen``, the looks at which it
        had a gradient; ``cosines`` ``[tasks, tasks]``. ``agreement_squares`` and ``cosine_squares`` are means
        of squares: with them, records can be pooled.
        """
        tasks, sums = self._tasks, self._sums
        looks, worst = self._looks.tolist()
        if not looks:
            return None
        count, norm, _, agreement, squares, hurt = sums[2 * tasks :]
        seen = count.clamp(min=1)
        found: dict[str, Any] = {
            "looks": int(looks),
            "worst": worst / looks,
            "seen": _named(names, count),
            "norm": _named(names, norm / seen),
            "agreement": _named(names, agreement / seen),
            "agreement_squares": _named(names, squares / seen),
            "hurt": _named(names, hurt / seen),
        }
        if tasks <= MOST:
            found["cosines"] = (sums[:tasks] / looks).tolist()
            found["cosine_squares"] = (sums[tasks : 2 * tasks] / looks).tolist()
        return found

    def clear(self) -> None:
        """Forget all looks."""
        self._sums.zero_()
        self._looks.zero_()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the sums."""
        return {"sums": self._sums, "looks": self._looks}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from these sums."""
        self._sums.copy_(state["sums"])
        self._looks.copy_(state["looks"])


def _named(names: Sequence[str], values: Tensor) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
