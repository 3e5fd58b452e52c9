"""A convolution whose second derivatives cost about what its first ones do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

#: Padding and dilation of all convolutions here.
PADDING, DILATION = [1, 1], [1, 1]


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, groups: int) -> Tensor:
    """Return the 3 x 3 convolution with a padding of 1, like `torch.nn.functional.conv2d`.

    Its gradient's gradient is made of the three products of a convolution (outputs, and gradients of inputs
    and of weights), each by the library's own routine. PyTorch makes the one of the weights out of
    convolutions with kernels as large as an image, one for each group.

    Args:
        x: ``[rows, groups * channels, height, width]``.
        weight: ``[groups * outputs, channels, 3, 3]``.
        bias: ``[groups * outputs]``, or None.
        stride: of both directions.
        groups: tasks whose channels lie side by side.
    """
    if torch.compiler.is_compiling() or torch.is_autocast_enabled(x.device.type):
        return F.conv2d(x, weight, bias, stride, 1, groups=groups)
    found: Tensor = _Convolution.apply(x, weight, stride, groups)  # type: ignore[no-untyped-call]
    return found if bias is None else found + bias.view(1, -1, 1, 1)


class _Convolution(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, stride: int, groups: int) -> Tensor:
        return F.conv2d(x, weight, None, stride, 1, groups=groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int, int], output: Tensor) -> None:
        x, weight, *shape = inputs
        ctx.save_for_backward(x, weight)
        ctx.shape = tuple(shape)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        needed = tuple(ctx.needs_input_grad[:2])
        of_x, of_weight = _Gradient.apply(slopes[0], x, weight, ctx.shape, needed)  # type: ignore[no-untyped-call]
        return of_x, of_weight, None, None


class _Gradient(torch.autograd.Function):
    """The gradients by inputs and weights, of which those that are needed."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        slope: Tensor, x: Tensor, weight: Tensor, shape: tuple[int, int], needed: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        return _products(slope, x, weight, shape, needed)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        slope, x, weight, ctx.shape, _ = inputs
        ctx.save_for_backward(slope, x, weight)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *others: Tensor | None) -> tuple[Tensor | None, ...]:
        slope, x, weight = ctx.saved_tensors
        by_x, by_weight = _laid_like(others[0], x), _laid_like(others[1], weight)
        need_slope, need_x, need_weight = ctx.needs_input_grad[:3]
        stride, groups = ctx.shape
        of_slope = of_x = of_weight = None
        if need_slope:
            parts = ((by_x, weight), (x, by_weight))
            found = [
                F.conv2d(rows, kernel, None, stride, 1, groups=groups)
                for rows, kernel in parts
                if rows is not None and kernel is not None
            ]
            of_slope = sum(found[1:], found[0]) if found else None
        if need_x and by_weight is not None:
            of_x, _ = _products(slope, x, by_weight, ctx.shape, (True, False))
        if need_weight and by_x is not None:
            _, of_weight = _products(slope, by_x, weight, ctx.shape, (False, True))
        return of_slope, of_x, of_weight, None, None


def _laid_like(value: Tensor | None, example: Tensor) -> Tensor | None:
    """Return a tensor with the strides of another: of a single row PyTorch's own routine for grouped
    convolutions takes a channels-last one for what it is not."""
    if value is None or value.stride() == example.stride():
        return value
    return torch.empty_like(example).copy_(value)


def _products(
    slope: Tensor, x: Tensor, weight: Tensor, shape: tuple[int, int], needed: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    stride, groups = shape
    of_x, of_weight, _ = torch.ops.aten.convolution_backward(
        slope,
        x,
        weight,
        None,
        [stride, stride],
        PADDING,
        DILATION,
        False,
        [0, 0],
        groups,
        [*needed, False],
    )
    return of_x, of_weight
