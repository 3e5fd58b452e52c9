"""The field's small convolutional network ("Conv4"), whose weights may differ from task to task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import ConfigError, nearest
from sharewise.meta.nets import norm as norms
from sharewise.meta.nets.convolve import convolve
from sharewise.meta.nets.net import Net, linear
from sharewise.nn.initial import Initial

POOLS = ("max", "stride")


class ConvNet(Net):
    """Blocks of a 3 x 3 convolution, normalisation, ReLU and 2 x 2 max-pooling (Vinyals et al. 2016), then a
    linear head if asked for.

    Stacked weights run as a grouped convolution: tasks' channels lie side by side.

    Args:
        image: (channels, height, width).
        channels: of every block.
        out: outputs of the head; None for the flattened features.
        initial: source of initial values.
        norm: one of `norms.NORMS`.
        pool: "max", or "stride" for convolutions of stride 2 in place of pooling (MAML on Omniglot).
        context: size of a task's context that scales and shifts the channels of the third block, or the last
            (FiLM, as CAVIA uses it); 0 for none.
    """

    stacks = False

    def __init__(
        self,
        image: tuple[int, int, int],
        channels: Sequence[int],
        out: int | None,
        initial: Initial,
        norm: str = "support",
        pool: str = "max",
        context: int = 0,
    ) -> None:
        super().__init__()
        if norm not in norms.NORMS:
            raise ConfigError(f"Normalisation '{norm}' is unknown.", nearest(norm, norms.NORMS))
        if pool not in POOLS:
            raise ConfigError(f"Pooling '{pool}' is unknown.", nearest(pool, POOLS))
        self.norm, self.pool = norm, pool
        self.transductive, self.by_support = norm == "transductive", norm == "support"
        self.mixes_rows = norm in (*norms.BY_ROWS, "running")
        self.blocks = nn.ModuleList()
        side: tuple[int, ...] = image[1:]
        before = image[0]
        for i, size in enumerate(channels):
            self.blocks.append(Block(before, size, initial.at("block", i), norm))
            side = tuple((s + 1) // 2 if pool == "stride" else max(s // 2, 1) for s in side)
            before = size
        self.features = before * side[0] * side[1]
        self.out_features = self.features if out is None else out
        if out is not None:
            self.head = "last."
            self.last = Head(self.features, out, initial.at("head"))
        if context:
            self.film = Head(context, 2 * channels[min(2, len(channels) - 1)], initial.at("film"))

    def run(
        self, weights: Mapping[str, Tensor], x: Tensor, reference: int = 0, context: Tensor | None = None
    ) -> Tensor:
        tasks, rows = x.shape[:2]
        reference = reference if self.by_support else 0
        own = dict(self.blocks.named_parameters(prefix="blocks"))
        stacked = any(name in own and value.dim() > own[name].dim() for name, value in weights.items())
        # All tasks in one convolution where they share its weights.
        shared = not stacked
        if stacked:
            x = x.transpose(0, 1).flatten(1, 2)
            x = x.to(memory_format=_layout(x))
        else:
            # Measured on a CPU: 1.2 to 1.9 times as fast.
            x = x.flatten(0, 1).to(memory_format=torch.channels_last)
        for i, block in enumerate(self.blocks):
            x = self._block(cast(Block, block), f"blocks.{i}.", weights, x, tasks, reference, shared)
            if context is not None and i == min(2, len(self.blocks) - 1):
                x = self._modulate(x, context, rows, shared)
        if shared:
            features = torch.unflatten(x.flatten(1), 0, (tasks, rows))
        else:
            features = torch.unflatten(x, 1, (tasks, -1)).transpose(0, 1).flatten(2)
        if not self.head:
            return features
        return linear(
            features,
            weights.get("last.weight", self.last.weight),
            weights.get("last.bias", self.last.bias),
        )

    def _block(
        self,
        block: Block,
        prefix: str,
        weights: Mapping[str, Tensor],
        x: Tensor,
        tasks: int,
        reference: int,
        shared: bool,
    ) -> Tensor:
        own = {name: weights.get(prefix + name, value) for name, value in block.named_parameters()}
        if not shared:
            own = {
                name: _stacked(own[name], p.dim(), tasks).flatten(0, 1)
                for name, p in block.named_parameters()
            }
        weight, by_rows = own["weight"], self.norm in norms.BY_ROWS
        if by_rows and self.pool == "max":
            # Pooled before it is normalised: a channel's largest number stays that when it is scaled by a
            # positive one, so a scale's sign goes into the kernel.
            sign = torch.where(own["scale"] < 0, -1.0, 1.0).to(weight.dtype)
            weight, own["scale"] = weight * sign.view(-1, 1, 1, 1), own["scale"] * sign
        stride, groups = 2 if self.pool == "stride" else 1, 1 if shared else tasks
        layout = torch.channels_last if shared else _layout(x)
        x = convolve(x, weight.contiguous(memory_format=layout), own.get("bias"), stride, groups)
        if by_rows:
            return torch.relu(self._by_rows(own, x, tasks if shared else 0, reference))
        return torch.relu(self._pooled(self._normalise(block, own, x, groups)))

    def _pooled(self, x: Tensor) -> Tensor:
        if self.pool != "max":
            return x
        found: Tensor = F.max_pool2d(x, (min(2, x.shape[-2]), min(2, x.shape[-1])))
        return found

    def _by_rows(self, own: Mapping[str, Tensor], x: Tensor, tasks: int, reference: int) -> Tensor:
        """Pool and normalise by statistics of each task's rows; with 0 tasks their channels lie side by
        side."""
        mean, variance = norms.moments(torch.unflatten(x, 0, (tasks, -1)) if tasks else x, reference)
        factor = own["scale"].view(-1, 1, 1) * (variance + norms.EPSILON).rsqrt()
        pooled = self._pooled(x)
        pooled = torch.unflatten(pooled, 0, (tasks, -1)) if tasks else pooled
        found = torch.addcmul(own["shift"].view(-1, 1, 1), pooled - mean, factor)
        return found.flatten(0, 1) if tasks else found

    def _normalise(self, block: Block, own: Mapping[str, Tensor], x: Tensor, tasks: int) -> Tensor:
        if self.norm == "running":
            return F.batch_norm(
                x,
                block.mean,
                block.variance,
                own["scale"],
                own["shift"],
                training=self.training,
                momentum=0.1,
            )
        if self.norm == "group":
            return norms.by_group(x, own["scale"], own["shift"], tasks)
        return x

    def _modulate(self, x: Tensor, context: Tensor, rows: int, shared: bool) -> Tensor:
        scale, shift = F.linear(context, self.film.weight, self.film.bias).chunk(2, -1)
        if shared:
            scale, shift = scale.repeat_interleave(rows, 0), shift.repeat_interleave(rows, 0)
        else:
            scale, shift = scale.flatten(), shift.flatten()
        return torch.addcmul(shift[..., None, None], x, 1 + scale[..., None, None])


class Block(nn.Module):
    """The parameters of a block; a bias that a normalisation would take away again is left out."""

    mean: Tensor
    variance: Tensor

    def __init__(self, into: int, out: int, initial: Initial, norm: str) -> None:
        super().__init__()
        bound = (9 * into) ** -0.5
        self.weight = nn.Parameter(initial.at("weight").uniform(6**0.5 * bound, (out, into, 3, 3)))
        if norm in ("none", "group"):
            self.bias = nn.Parameter(initial.at("bias").uniform(bound, (out,)))
        if norm != "none":
            self.scale, self.shift = nn.Parameter(torch.ones(out)), nn.Parameter(torch.zeros(out))
        if norm == "running":
            self.register_buffer("mean", torch.zeros(out))
            self.register_buffer("variance", torch.ones(out))


class Head(nn.Module):
    """The parameters of a linear layer without a ReLU: the head, or what makes FiLM of a context."""

    def __init__(self, into: int, out: int, initial: Initial) -> None:
        super().__init__()
        bound = into**-0.5
        self.weight = nn.Parameter(initial.at("weight").uniform(bound, (out, into)))
        self.bias = nn.Parameter(initial.at("bias").uniform(bound, (out,)))


def _layout(x: Tensor) -> torch.memory_format:
    """Return how rows of stacked tasks should lie: on a CPU, pooling is then 17 to 34 times as fast."""
    return torch.channels_last if x.device.type == "cpu" else torch.contiguous_format


def _stacked(value: Tensor, dimensions: int, tasks: int) -> Tensor:
    """Return a weight with its leading dimension of tasks, whether it had one or not."""
    return value if value.dim() > dimensions else value.expand(tasks, *value.shape)
