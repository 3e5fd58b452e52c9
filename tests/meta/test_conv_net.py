"""The network of convolutions against PyTorch's own functions: values and derivatives."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sharewise.errors import DataError
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

    def slope(x: Tensor) -> Tensor:
        total = sum((found.pow(3).sum() for found in norms.moments(x, reference)), torch.zeros(()))
        return torch.autograd.grad(total, x, create_graph=True)[0]

    assert torch.autograd.gradgradcheck(slope, (x,))  # third derivatives


def test_a_single_row_of_tasks_side_by_side_has_right_derivatives() -> None:
    """PyTorch's own grouped routine, which computes in double, reads a channels-last row by wrong strides."""
    net = ConvNet((2, 5, 4), (3,), None, Initial(0), norm="none").double()
    names, own = zip(*net.weights().items(), strict=True)
    stacked = [value.detach().expand(3, *value.shape).clone().requires_grad_() for value in own]

    def slopes(x: Tensor, *weights: Tensor) -> Tensor:
        total = net.run(dict(zip(names, weights, strict=True)), x).pow(3).sum()
        found = torch.autograd.grad(total, (x, *weights), create_graph=True)
        return sum((slope.square().sum() for slope in found), torch.zeros(()))

    assert torch.autograd.gradcheck(slopes, (random(3, 1, 2, 5, 4), *stacked))


def test_a_convolution_can_be_vectorised_and_computed_in_half_precision() -> None:
    x, weight = random(3, 2, 2, 4, 4), random(3, 3, 2, 3, 3)

    def loss(x: Tensor, weight: Tensor) -> Tensor:
        return convolve(x, weight, None, 1, 1).square().sum()

    found = torch.func.vmap(torch.func.grad(loss, (0, 1)))(x, weight)
    expected = [torch.autograd.grad(loss(*pair), pair) for pair in zip(x, weight, strict=True)]
    for one, other in zip(found, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(one, torch.stack(other))
    x, weight = x[0].detach().float(), weight[0].detach().float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(x, weight)
    (slope,) = torch.autograd.grad(half, weight)
    torch.testing.assert_close(slope, torch.autograd.grad(loss(x, weight), weight)[0], rtol=0.05, atol=1.0)


def test_one_number_has_no_variance() -> None:
    net = ConvNet((1, 3, 3), (2, 2), None, Initial(0), norm="support")
    with pytest.raises(DataError, match="no variance"):
        net.run({}, torch.ones(2, 1, 1, 3, 3))


@pytest.mark.parametrize("norm", norms.NORMS)
@pytest.mark.parametrize("pool", ["max", "stride"])
@pytest.mark.parametrize("training", [True, False])
def test_blocks_are_convolution_normalisation_relu_and_pooling(norm: str, pool: str, training: bool) -> None:
    """In the order of the papers, task after task, whatever a scale's sign; and so are the gradients."""
    net = ConvNet((1, 9, 7), (8, 16), None, Initial(0), norm=norm, pool=pool).double().train(training)
    for name, value in [*net.named_parameters(), *net.named_buffers()]:
        if "weight" not in name:
            value.data = random(*value.shape).detach()
            value.data = value.data.abs() if "variance" in name else value.data
    tasks, rows, reference = (1 if norm == "running" else 3), 6, 4
    x = random(tasks, rows, 1, 9, 7).detach()
    again = copy.deepcopy(net)
    expected = torch.stack([plain(net, one, reference) for one in x])
    torch.testing.assert_close(again.run({}, x, reference), expected)
    averages = dict(net.named_buffers())
    for name, buffer in again.named_buffers():
        torch.testing.assert_close(buffer, averages[name])
    if norm == "running":
        return
    slope = random(*expected.shape).detach()
    names, own = zip(*net.named_parameters(), strict=True)
    wanted = torch.autograd.grad(expected, own, slope)
    stacked = {name: value.expand(tasks, *value.shape) for name, value in again.weights().items()}
    for weights in ({}, stacked):
        found = again.run(weights, x, reference)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(
            torch.autograd.grad(found, [again.weights()[name] for name in names], slope), wanted
        )


def test_a_context_scales_and_shifts_the_channels_of_its_block() -> None:
    net = ConvNet((1, 8, 8), (4, 6), None, Initial(0), norm="support", context=3).double()
    x, context = random(2, 5, 1, 8, 8).detach(), random(2, 3)
    factor, offset = (context @ net.film.weight.T + net.film.bias).chunk(2, -1)
    before = net.run({}, x, context=torch.zeros_like(context))
    zero = net.film.bias.chunk(2)
    bare = (before.unflatten(2, (6, -1)) - zero[1].view(6, 1)) / (1 + zero[0].view(6, 1))
    expected = bare * (1 + factor[:, None, :, None]) + offset[:, None, :, None]
    stacked = {name: value.expand(2, *value.shape) for name, value in net.weights().items()}
    for weights in ({}, stacked):
        found = net.run(weights, x, context=context)
        torch.testing.assert_close(found, expected.flatten(2))


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
            mean, variance = known.mean((0, 2, 3)), known.var((0, 2, 3), correction=0)
            x = (x - mean.view(-1, 1, 1)) / (variance.view(-1, 1, 1) + 1e-5).sqrt()
            x = x * block.scale.view(-1, 1, 1) + block.shift.view(-1, 1, 1)
        x = torch.relu(x)
        x = F.max_pool2d(x, 2) if net.pool == "max" else x
    return x.flatten(1)
