"""Sampling as balancing: which share of the rows each task gets, from its gradient's length and noise."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def pike(
    shares: Float[Tensor, " tasks"],
    squares: Float[Tensor, " tasks"],
    variances: Float[Tensor, " tasks"],
    *,
    gain: float,
    noise: float,
    batch_size: int,
) -> Float[Tensor, " tasks"]:
    """PiKE (Li et al. 2025, NeurIPS; arXiv 2502.06244, Algorithm 1): the next shares of the tasks.

    wₖ ∝ wₖ exp(ζ₁ ‖∇Lₖ‖² - ζ₂ σₖ² / (2b)). Where gradients do not conflict, that is a step of mirror descent
    on an upper bound of the mean loss after the next step: rows go where the gradient is long and its noise
    small.

    Args:
        shares: present ones; they sum to 1, and a task at 0 stays there.
        squares: ‖∇Lₖ‖².
        variances: σₖ², of the gradient of a single row: E ‖∇ℓ - ∇Lₖ‖².
        gain: ζ₁.
        noise: ζ₂.
        batch_size: b, rows of a batch, all tasks together.

    Returns:
        Shares that sum to 1. Where squares or variances are not finite, the present ones.
    """
    push = gain * squares - noise * variances / (2 * batch_size)
    if not bool(push.isfinite().all()):
        return shares
    logits = shares.log() + push
    grown = (logits - logits.max()).exp()
    return grown / grown.sum()


def moments(
    gramian: Float[Tensor, "halves halves"], first: Float[Tensor, " tasks"], second: Float[Tensor, " tasks"]
) -> tuple[Float[Tensor, " tasks"], Float[Tensor, " tasks"]]:
    """Return unbiased estimates of ‖∇Lₖ‖² (at least 0) and σₖ², from the mean gradients of two samples.

    Args:
        gramian: inner products of the tasks' gradients: those of the first samples, then of the second.
        first, second: rows of the samples.
    """
    tasks = len(first)
    lengths = gramian.diagonal()
    product = gramian[range(tasks), range(tasks, 2 * tasks)]
    apart = lengths[:tasks] + lengths[tasks:] - 2 * product
    return product.clamp(min=0), apart.clamp(min=0) / (1 / first + 1 / second)
