"""The meta-gradient as one compiled function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value

from sharewise.data.episodes import Episodes
from sharewise.meta.learner import Learner
from sharewise.meta.strategy.strategy import Strategy, Whole

#: Kinds of batches that are compiled for.
MOST_COMPILED = 4
Note = Callable[[str], None]


class Compiled(Strategy):
    """The whole meta-gradient as one compiled function: inner and outer derivative are traced together.

    There is a function for each kind of batch (shapes, masks, ways), up to `MOST_COMPILED`; batches of yet
    other kinds are computed without.
    """

    def __init__(
        self, learner: Learner, note: Note = lambda text: None, backend: str | Callable[..., Any] = "inductor"
    ) -> None:
        super().__init__(learner)
        self._note, self._backend = note, backend
        self._ordinary, self._judge = Whole(learner), _Judge(learner)
        self._parameters = dict(learner.named_parameters())
        self._buffers = dict(learner.named_buffers())
        self._compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._most = MOST_COMPILED

    def backward(self, episodes: Episodes) -> Tensor:
        kind = _kind(episodes)
        if kind not in self._compiled and len(self._compiled) >= self._most:
            return self._ordinary.backward(episodes)
        try:
            gradient, (_, losses) = self._function(kind)(
                {name: value.detach() for name, value in self._parameters.items()}, self._buffers, episodes
            )
        except Exception as error:  # the compiler's errors are of many types; without it all is as right
            self._compiled, self._most = {}, 0
            self._note(f"Compiling did not work ({type(error).__name__}); going on without it.")
            return self._ordinary.backward(episodes)
        self._add(gradient)
        return losses  # type: ignore[no-any-return]

    def _function(self, kind: tuple[Any, ...]) -> Callable[..., Any]:
        if kind not in self._compiled:
            self._note("Compiling the meta-gradient; this takes 10 to 60 seconds.")
            # The compiler keeps what it made by code object. It is told not to look whether anything but the
            # tensors has changed (the learner does not while it trains, and looking costs a fifth of a step):
            # so other learners and other kinds of batch need code of their own.
            code = _gradient.__code__.replace()
            own = FunctionType(code, _gradient.__globals__, "meta_gradient")
            options: dict[str, Any] = {"guard_filter_fn": torch.compiler.keep_tensor_guards_unsafe}
            if self._backend == "inductor" and not on_gpu(self.learner):
                from sharewise.meta.strategy.products import SwapTransposed  # loads the compiler

                options |= {"cpp_wrapper": True, "post_grad_custom_post_pass": SwapTransposed()}
            compiled = torch.compile(
                own, dynamic=False, fullgraph=True, backend=self._backend, options=options
            )
            self._compiled[kind] = partial(compiled, self._judge)
        return self._compiled[kind]

    def _add(self, gradient: dict[str, Tensor]) -> None:
        have = [value.grad for value in self._parameters.values() if value.grad is not None]
        if len(have) == len(self._parameters):
            torch._foreach_add_(have, [gradient[name] for name in self._parameters])
            return
        for name, value in self._parameters.items():
            value.grad = gradient[name] if value.grad is None else value.grad + gradient[name]


def _gradient(
    judge: torch.nn.Module, parameters: dict[str, Tensor], buffers: dict[str, Tensor], episodes: Episodes
) -> Any:
    def total(point: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        judged = functional_call(judge, _under("learner", point, buffers), (episodes,))
        return judged.surrogate.mean(), judged.losses.detach()

    return grad_and_value(total, has_aux=True)(parameters)


def _kind(episodes: Episodes) -> tuple[Any, ...]:
    """Return what a compiled function is made for."""
    parts = [
        *[(key, value.shape, value.dtype) for key, value in sorted(episodes.support.inputs.items())],
        *[(key, value.shape, value.dtype) for key, value in sorted(episodes.query.inputs.items())],
    ]
    masks = episodes.support.mask is None, episodes.query.mask is None
    return (*parts, *masks, episodes.ways, episodes.classes is None)


class _Judge(torch.nn.Module):
    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, episodes: Episodes) -> Any:
        return self.learner.judge(episodes)


def _under(prefix: str, *parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for part in parts for name, value in part.items()}


def on_gpu(learner: Learner) -> bool:
    """True if a parameter is on a GPU."""
    return any(p.device.type == "cuda" for p in learner.parameters())
