"""The network of convolutions against PyTorch's own functions: values and derivatives."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sharewise.meta.nets import norm as norms
from sharewise.meta.nets.conv import ConvNet
from sharewise.meta.nets.convolve import convolve
from sharewise.nn.initial import Initial
from sharewise.streams import stream


def random(*shape: int) -> Tensor:
    generator = stream(0, "conv", *map(str, shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize(("stride", "groups", "bias"), [(1, 1, True), (1, 3, False), (2, 2, True)])
def test_a_convolution_is_pytorchs_with_all_its_derivatives(stride: int, groups: int, bias: bool) -> None:
    x, weight = random(2, 2 * groups, 5, 4), random(3 * groups, 2, 3, 3)
    shift = random(3 * groups) if bias else None
    inputs = (x, weight) if shift is None else (x, weight, shift)

    def own(x: Tensor, weight: Tensor, shift: Tensor | None = None) -> Tensor:
        return convolve(x, weight, shift, stride, groups)

    torch.testing.assert_close(own(*inputs), F.conv2d(x, weight, shift, stride, 1, groups=groups))
    assert torch.autograd.gradcheck(own, inputs)
    assert torch.autograd.gradgradcheck(own, inputs)


def test_of_a_convolution_that_needs_one_gradient_the_second_is_right_too() -> None:
    """The first layer's images need none."""
    x, weight = random(2, 2, 4, 4).detach(), random(3, 2, 3, 3)
    assert torch.autograd.gradgradcheck(lambda weight: convolve(x, weight, None, 1, 1), (weight,))
    assert torch.autograd.gradgradcheck(
        lambda x: convolve(x, weight.detach(), None, 1, 1), (random(2, 2, 4, 4),)
    )


@pytest.mark.parametrize("reference", [0, 2])
@pytest.mark.parametrize("shape", [(3, 2, 4, 2), (2, 3, 2, 2, 2)])
def test_moments_are_those_of_the_rows_with_all_their_derivatives(
    shape: tuple[int, ...], reference: int
) -> None:
    x = random(*shape)
    mean, variance = norms.moments(x, reference)
    seen = x[..., :reference, :, :, :] if reference else x
    torch.testing.assert_close(mean, seen.mean((-4, -2, -1), keepdim=True))
    torch.testing.assert_close(variance, seen.var((-4, -2, -1), correction=0, keepdim=True))
    assert torch.autograd.gradcheck(lambda x: norms.moments(x, reference), (x,))
    assert torch.autograd.gradgradcheck(lambda x: norms.moments(x, reference), (x,))


@pytest.mark.parametrize("norm", norms.NORMS)
@pytest.mark.parametrize("pool", ["max", "stride"])
@pytest.mark.parametrize("training", [True, False])
def test_blocks_are_convolution_normalisation_relu_and_pooling(norm: str, pool: str, training: bool) -> None:
    """In the order of the papers, task after task, whatever a scale's sign."""
    net = ConvNet((1, 9, 7), (8, 16), None, Initial(0), norm=norm, pool=pool).double().train(training)
    for name, parameter in net.named_parameters():
        parameter.data = random(*parameter.shape).detach() if "weight" not in name else parameter.data
    tasks, rows, reference = (1 if norm == "running" else 3), 6, 4
    x = random(tasks, rows, 1, 9, 7).detach()
    again = copy.deepcopy(net)
    expected = torch.stack([plain(net, one, reference) for one in x])
    found = again.run({}, x, reference)
    torch.testing.assert_close(found, expected)
    if norm != "running":
        stacked = {name: value.expand(tasks, *value.shape) for name, value in again.weights().items()}
        torch.testing.assert_close(again.run(stacked, x, reference), expected)
    if norm == "running":  # the averages were moved as those of `plain`, by F.batch_norm
        averages = dict(net.named_buffers())
        for name, buffer in again.named_buffers():
            torch.testing.assert_close(buffer, averages[name])
        assert training == bool((averages["blocks.0.mean"] != 0).any())


def plain(net: ConvNet, x: Tensor, reference: int) -> Tensor:
    """Return the features of a task's rows ``[rows, channels, height, width]``, flat."""
    for block in net.blocks:
        x = F.conv2d(x, block.weight, getattr(block, "bias", None), 2 if net.pool == "stride" else 1, 1)
        if net.norm == "running":
            x = F.batch_norm(
                x, block.mean, block.variance, block.scale, block.shift, net.training, momentum=0.1
            )
        elif net.norm == "group":
            x = F.group_norm(x, 8, block.scale, block.shift)
        elif net.norm == "transductive":
            x = F.batch_norm(x, None, None, block.scale, block.shift, training=True)
        elif net.norm == "support":
            known = x[:reference]
            mean, variance = known.mean((0, 2, 3)).detach(), known.var((0, 2, 3), correction=0).detach()
            x = F.batch_norm(x, mean, variance, block.scale, block.shift)
        x = torch.relu(x)
        x = F.max_pool2d(x, 2) if net.pool == "max" else x
    return x.flatten(1)
