"""Many small parameters as one: an optimizer's step then costs one kernel, not one for each.

For networks of a few thousand weights the optimizer's bookkeeping takes as long as a compiled gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: A parameter begins at a multiple of so many numbers: cuDNN failed on one that followed a single number.
ALIGNED = 16


def flatten_parameters(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """Move parameters into one flat one, of which they and their gradients become views.

    Each begins at a multiple of `ALIGNED`; what lies between is 0, and stays so. The flat one's `grad` is 0
    at first, and is to be set to 0 in place, never to None.
    """
    with torch.no_grad():
        flat = nn.Parameter(torch.cat([_padded(p.detach().flatten()) for p in parameters]))
        flat.grad = torch.zeros_like(flat)
        start = 0
        for parameter in parameters:
            end = start + parameter.numel()
            parameter.data = flat.data[start:end].view_as(parameter)
            parameter.grad = flat.grad[start:end].view_as(parameter)
            start = end + -end % ALIGNED
    return flat


def _padded(values: Tensor) -> Tensor:
    return F.pad(values, (0, -len(values) % ALIGNED))


def step_flat(optimizer: torch.optim.Optimizer) -> None:
    """Take an optimizer's step; a fused `torch.optim.AdamW` without its bookkeeping, to the same bits.

    That bookkeeping groups parameters by device and type and calls hooks, at each step anew: for a network of
    a few thousand weights ten times what the step itself takes.
    """
    groups = optimizer.param_groups
    if not isinstance(optimizer, torch.optim.AdamW) or any(
        not group["fused"] or group["amsgrad"] or group["maximize"] or not optimizer.state[p]
        for group in groups
        for p in group["params"]
    ):
        optimizer.step()  # the first one makes the state
        return
    with torch.no_grad():
        for group in groups:
            parameters = group["params"]
            states = [optimizer.state[p] for p in parameters]
            steps = [state["step"] for state in states]
            for step in steps:
                step += 1
            torch._fused_adamw_(
                parameters,
                [p.grad for p in parameters],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                steps,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )
