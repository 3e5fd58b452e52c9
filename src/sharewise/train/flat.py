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
