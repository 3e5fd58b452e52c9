"""A module of the user's own as a network: run with stacked weights by `vmap`, or task after task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from sharewise.errors import ConfigError, nearest
from sharewise.meta.nets.net import Net

#: Layers whose second-order gradient under vmap is wrong, or whose statistics mix tasks.
REFUSED: tuple[type[nn.Module], ...] = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
)
#: Layers whose stacked weights are slow on a CPU.
CONVOLUTIONS: tuple[type[nn.Module], ...] = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


class OwnNet(Net):
    """Any module that maps ``[rows, ...]`` to ``[rows, out]``.

    Args:
        module: its attribute `out_features` says how wide its output is, unless `out_features` is given.
        vectorise: run all tasks at once with `torch.func.vmap`; otherwise one after another. By default one
            after another on a CPU if there are convolutions, for which that is faster there.
        head: name of the module's last layer, for learners that tell it from the body, such as ANIL.

    Raises:
        ConfigError: if it holds a layer that would be silently wrong here (batch or instance normalisation),
            does not say how wide its output is, or has no layer of the head's name.
    """

    def __init__(
        self,
        module: nn.Module,
        out_features: int | None = None,
        vectorise: bool | None = None,
        head: str = "",
    ) -> None:
        super().__init__()
        for name, part in module.named_modules():
            if isinstance(part, REFUSED):
                raise ConfigError(
                    f"The layer '{name}' is a {type(part).__name__}, whose statistics mix tasks and whose "
                    "second-order gradient torch.func.vmap gets wrong.",
                    "Use GroupNorm or LayerNorm, or sharewise's ConvNet with its own normalisation.",
                )
        width = out_features if out_features is not None else getattr(module, "out_features", None)
        if not isinstance(width, int):
            raise ConfigError(
                f"The module {type(module).__name__} does not say how many outputs it has.",
                "Set its attribute out_features, or give out_features.",
            )
        self.module, self.out_features = module, width
        self.stacks = not any(isinstance(part, CONVOLUTIONS) for part in module.modules())
        self.vectorise = vectorise
        self.head = f"module.{head}." if head else ""
        if head and not self.head_names():
            raise ConfigError(
                f"The module {type(module).__name__} has no parameters in a layer '{head}'.",
                nearest(head, tuple(name for name, _ in module.named_modules() if name)),
            )

    def run(self, weights: Mapping[str, Tensor], x: Tensor, reference: int = 0) -> Tensor:
        own = {name.removeprefix("module."): value for name, value in weights.items()}
        parameters = dict(self.module.named_parameters())
        stacked = {name: value for name, value in own.items() if value.dim() > parameters[name].dim()}
        if not stacked:
            found: Tensor = functional_call(self.module, own, (x.flatten(0, 1),))
            return torch.unflatten(found, 0, x.shape[:2])
        common = {name: value for name, value in own.items() if name not in stacked}
        if self.vectorise or (self.vectorise is None and (self.stacks or x.device.type != "cpu")):
            return self._all(stacked, common, x)
        each = [
            functional_call(self.module, {**common, **{n: v[t] for n, v in stacked.items()}}, (x[t],))
            for t in range(len(x))
        ]
        return torch.stack(each)

    def _all(self, stacked: dict[str, Tensor], common: dict[str, Tensor], x: Tensor) -> Tensor:
        def one(own: dict[str, Tensor], rows: Tensor) -> Any:
            return functional_call(self.module, {**common, **own}, (rows,))

        found: Tensor = vmap(one, randomness="different")(stacked, x)
        return found
