"""Balancer: a weighting and an engine, applied step by step: ONE backward pass of the weighted sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sharewise.balance.engines import Engine, Exact, GhostGramian, Scene
from sharewise.balance.engines.graph import Parting, stacked_parting
from sharewise.balance.engines.partings import Parted, part
from sharewise.balance.step import Ask, Halves, Step
from sharewise.balance.weighting import Needs, Signals, Weighting
from sharewise.errors import ConfigError, DivergedError, nearest

PRECISIONS = ("auto", "fp32", "bf16")
#: A Gramian in bf16 whose cosines differ by more than this from those in fp32 is not trusted.
TRUST = 0.02
TINY = 1e-30


@dataclass(frozen=True)
class View:
    """What a look at the gradients is taken of.

    Attributes:
        scene: for the engine.
        index: the tasks that are present; None for all.
        below: where the present tasks part in the graph of the losses, if the model knows.
    """

    scene: Scene
    index: Tensor | None = None
    below: Parting | None = None


@dataclass
class Balancer:
    """Balances step after step.

    A weighting that asks for losses alone weighs the whole loss, heads included, as its paper does. One that
    asks for gradients weighs the gradient of the shared parameters; what belongs to one task gets the plain
    gradient of that task. Where tasks share nothing there is nothing to balance: all weights are 1.

    Attributes:
        weighting: the method.
        engine: for methods that ask for the Gramian.
        every: steps between two looks at the gradients; the weights are kept in between.
        precision: of the Gramian: "fp32" is that of the losses; "bf16" a forward pass of its own in bf16, for
            steps that bring `Ask.again`; "auto" is bf16 where the hardware gains by it, if the first Gramian
            agrees with that in fp32.
    """

    weighting: Weighting
    engine: Engine = field(default_factory=GhostGramian)
    every: int = 1
    precision: str = "auto"
    _steps: int = field(default=0, init=False)
    _kept: Tensor | None = field(default=None, init=False)
    _refused: bool | None = field(default=None, init=False)
    _count: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(
                f"Balancing cannot look at gradients every {self.every} steps.", "Use 1 or more."
            )
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"The Gramian's precision '{self.precision}' is unknown.", nearest(self.precision, PRECISIONS)
            )
        if self.weighting.needs is Needs.JACOBIAN and not isinstance(self.engine, Exact):
            raise ConfigError(
                f"{type(self.weighting).__name__} needs the tasks' gradients themselves, which only the "
                "engine 'exact' has.",
                "Set engine to 'exact', or choose another method.",
            )

    @property
    def halved(self) -> bool:
        """True if steps must come in halves."""
        return self.weighting.needs is Needs.PRODUCT

    def step(self, ask: Ask) -> Step:
        """Add the gradients of one step to the parameters."""
        if self.weighting.needs < Needs.GRAMIAN or not ask.shared:
            return self._from_losses(ask)
        seen = ask.seen
        if not bool(seen.isfinite().all()):  # the caller sees it in the total
            return self._backward(ask, torch.ones_like(seen), None)
        view = self._view(ask) if self._looks else None
        weights, gramian = self._from_gradients(seen, view)
        if ask.own:
            even = torch.full_like(ask.losses, ask.share)
            torch.autograd.backward(ask.losses, even, retain_graph=True, inputs=ask.own)
        keep = ask.penalty.requires_grad
        if view is None or view.below is None:
            torch.autograd.backward(ask.losses, ask.share * weights, retain_graph=keep, inputs=ask.shared)
        else:  # what lies between is differentiated already
            here = weights if view.index is None else weights[view.index]
            down = view.below.weighted(ask.share * here)
            torch.autograd.backward(view.below.edges, down, retain_graph=keep, inputs=ask.shared)
        if ask.penalty.requires_grad:
            (ask.penalty * ask.share).backward()  # type: ignore[no-untyped-call]
        return Step((torch.dot(weights, ask.losses) + ask.penalty).detach(), weights, gramian)

    def step_in_halves(self, halves: Halves) -> Step:
        """Add the gradients of one step to the parameters, and let the weighting hear G a."""
        ask = halves.ask
        weights = self.weighting(Signals(ask.seen))
        if not ask.shared:
            return self._backward(ask, torch.ones_like(weights), None)
        gramian = self._looked(ask)
        if ask.own:
            even = torch.full_like(weights, ask.share)
            torch.autograd.backward(ask.losses, even, retain_graph=True, inputs=ask.own)
        first, second = (
            torch.autograd.grad(half, ask.shared, ask.share * weights, allow_unused=True, retain_graph=keep)
            for half, keep in ((halves.first, True), (halves.second, ask.penalty.requires_grad))
        )
        for parameter, a, b in zip(ask.shared, first, second, strict=True):
            for gradient in (a, b):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        if ask.penalty.requires_grad:
            (ask.penalty * ask.share).backward()  # type: ignore[no-untyped-call]
        reduce = ask.reduce or _as_it_is
        direction = [
            reduce(torch.zeros_like(p) if g is None else g) for p, g in zip(ask.shared, second, strict=True)
        ]
        # Each half's part of a mean over the batch is half of its own mean: times 2 for either factor.
        self.weighting.hear(reduce(halves.derivative(direction)) * (4 / ask.share))
        return Step((torch.dot(weights, ask.losses) + ask.penalty).detach(), weights, gramian)

    def separate(self, losses: Sequence[Tensor], shared: Sequence[Tensor] | None = None) -> Step:
        """Add the gradients of one loss a task to the parameters.

        Args:
            losses: scalars with their graphs.
            shared: in place of what the graph says is shared; all else gets plain gradients.
        """
        seen = torch.stack([loss.detach().float() for loss in losses])
        if self.halved:
            raise ConfigError(
                f"{type(self.weighting).__name__} multiplies gradients of two halves of a batch, which a "
                "list of losses does not show.",
                "Use it in `fit`, or choose another method.",
            )
        self._check_count(len(losses))
        if self.weighting.needs < Needs.GRAMIAN:
            weights = _one_each(self.weighting(Signals(seen)), len(losses))
            total = torch.dot(weights, torch.stack([loss.float() for loss in losses]))
            total.backward()  # type: ignore[no-untyped-call]
            return Step(total.detach(), weights)
        parted = part(losses)
        chosen = _chosen(parted, shared)
        if parted.parting is None or not chosen:
            one = "there is one loss" if len(losses) == 1 else "no two losses depend on a common one"
            raise ConfigError(
                f"No parameter that needs a gradient is shared: {one}.",
                "Pass losses of one model whose tasks share something, or call backward() on each.",
            )
        view = View(Scene(parted.parting, chosen)) if self._looks else None
        weights, gramian = self._from_gradients(seen, view)
        _add(parted, parted.parting, chosen, weights)
        return Step(torch.dot(weights, seen), weights, gramian)

    def _check_count(self, losses: int) -> None:
        remembers = self.weighting.has_memory or self.every > 1
        if remembers and self._count not in (None, losses):
            raise ConfigError(
                f"{losses} losses are given to a method that has seen {self._count} and remembers them.",
                "Give all tasks' losses at every step, or make the method anew.",
            )
        self._count = losses

    def describe(self) -> dict[str, Any]:
        """Return the method with its options, the engine and the rest, as plain values."""
        engine = type(self.engine).__name__ if self.weighting.needs >= Needs.GRAMIAN else None
        return {
            "weighting": self.weighting.describe(),
            "engine": engine,
            "every": self.every,
            "precision": self.precision,
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that the next step depends on."""
        state = {f"weighting.{name}": value for name, value in self.weighting.state_dict().items()}
        if self._refused is not None:
            state["refused"] = torch.tensor(self._refused)
        if self.every > 1:
            state["steps"] = torch.tensor(self._steps)
            if self._kept is not None:
                state["kept"] = self._kept
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on as the balancer that returned `state` would."""
        start = "weighting."
        own = {name[len(start) :]: value for name, value in state.items() if name.startswith(start)}
        self.weighting.load_state_dict(own)
        self._steps = int(state["steps"]) if "steps" in state else 0
        self._kept = state.get("kept")
        self._refused = bool(state["refused"]) if "refused" in state else None

    def _from_losses(self, ask: Ask) -> Step:
        plain = self.weighting.needs >= Needs.GRAMIAN  # nothing is shared
        weights = torch.ones_like(ask.seen) if plain else self.weighting(Signals(ask.seen))
        return self._backward(ask, weights, self._looked(ask))

    def _looked(self, ask: Ask) -> Tensor | None:
        """Return the Gramian for those who only watch."""
        if not (ask.look and ask.shared):
            return None
        view = self._view(ask)
        return _spread(self.engine.gramian(view.scene), view.index, len(ask.losses))

    @staticmethod
    def _backward(ask: Ask, weights: Tensor, gramian: Tensor | None) -> Step:
        total = torch.dot(weights, ask.losses) + ask.penalty
        (total if ask.share == 1.0 else total * ask.share).backward()  # type: ignore[no-untyped-call]
        return Step(total.detach(), weights, gramian)

    @property
    def _looks(self) -> bool:
        """Whether the next step looks at the gradients."""
        return self._kept is None or self._steps % self.every == 0

    def _from_gradients(self, losses: Tensor, view: View | None) -> tuple[Tensor, Tensor | None]:
        self._steps += 1
        if view is None:
            assert self._kept is not None
            return self._kept.to(losses.device), None
        signals = self._signals(losses, view.scene)
        self._kept = self._weights(signals, view.index)
        return self._kept, _spread(signals.gramian, view.index, len(losses))

    def _view(self, ask: Ask) -> View:
        every = ask.present is None or bool(ask.present.all())
        index = None if every else ask.present.nonzero().squeeze(1)  # type: ignore[union-attr]
        parting, low_down = _parting(ask, ask.losses, index)
        scene, below = Scene(parting, ask.shared, ask.reduce), parting if low_down else None
        if ask.again is None or not self._wants_bf16(ask):
            return View(scene, index, below)
        with torch.autocast(ask.losses.device.type, torch.bfloat16):
            losses = ask.again()
        low = Scene(_parting(ask, losses, index)[0], ask.shared, ask.reduce)
        if self._refused is None:
            self._refused = not _agree(self.engine.gramian(low), self.engine.gramian(scene))
        return View(scene if self._refused and self.precision == "auto" else low, index, below)

    def _wants_bf16(self, ask: Ask) -> bool:
        return self.precision == "bf16" or (self.precision == "auto" and ask.fast_bf16 and not self._refused)

    def _signals(self, losses: Tensor, scene: Scene) -> Signals:
        if self.weighting.needs is Needs.JACOBIAN and isinstance(self.engine, Exact):
            jacobian = self.engine.jacobian(scene)
            signals = Signals(losses, jacobian @ jacobian.T, jacobian)
        else:
            signals = Signals(losses, self.engine.gramian(scene))
        if not bool(signals.gramian.isfinite().all()):  # type: ignore[union-attr]
            raise DivergedError(
                "The gradients of the losses are not finite numbers, so they cannot be balanced.",
                "Lower the learning rate, clip the gradient, or look for extreme values in the data.",
            )
        return signals

    def _weights(self, signals: Signals, index: Tensor | None) -> Tensor:
        """Return weights of all tasks, given gradients of those at `index`."""
        tasks = len(signals.losses)
        if index is None:
            return self.weighting(signals)
        if not self.weighting.has_memory:
            weights = self.weighting(Signals(signals.losses[index], signals.gramian, signals.jacobian))
            return torch.ones_like(signals.losses).index_copy(0, index, weights)
        jacobian = signals.jacobian  # one with a memory tells tasks apart by their places
        if jacobian is not None:
            jacobian = jacobian.new_zeros(tasks, jacobian.shape[1]).index_copy(0, index, jacobian)
        return self.weighting(Signals(signals.losses, _spread(signals.gramian, index, tasks), jacobian))


def _parting(ask: Ask, losses: Tensor, index: Tensor | None) -> tuple[Parting, bool]:
    """Return where the tasks at `index` part, and whether it is further down than at the losses."""
    found = None if ask.parting is None else ask.parting(losses)
    if found is None:
        return stacked_parting(losses, index), False
    edges = tuple(torch.autograd.graph.get_gradient_edge(tensor) for tensor, _ in found)
    return Parting(edges, tuple(g if index is None else g[index] for _, g in found)), True


def _spread(gramian: Tensor | None, index: Tensor | None, tasks: int) -> Tensor | None:
    """Return a Gramian of all tasks, given that of some; the others' gradients are zero."""
    if gramian is None or index is None:
        return gramian
    rows = gramian.new_zeros(tasks, len(index)).index_copy(0, index, gramian)
    return gramian.new_zeros(tasks, tasks).index_copy(1, index, rows)


def _agree(low: Tensor, full: Tensor) -> bool:
    """Return whether two Gramians have the same cosines, up to `TRUST`."""
    if not bool(low.isfinite().all()):
        return False
    a, b = (g / torch.outer(d, d) for g in (low, full) for d in [g.diagonal().clamp(min=TINY).sqrt()])
    return float((a - b).abs().max()) <= TRUST


def _one_each(weights: Tensor, losses: int) -> Tensor:
    if weights.shape != (losses,):
        raise ConfigError(
            f"The method gives {tuple(weights.shape)} weights for {losses} losses.",
            "Give one weight a loss.",
        )
    return weights


def _as_it_is(value: Tensor) -> Tensor:
    return value


def _chosen(parted: Parted, shared: Sequence[Tensor] | None) -> list[Tensor]:
    if shared is None:
        return list(parted.shared)
    wanted = {id(p) for p in shared}
    if not wanted:
        raise ConfigError("The list of shared parameters is empty.", "Name some, or leave `shared` out.")
    found = [p for p in parted.shared if id(p) in wanted]
    if len(found) < len(wanted):
        raise ConfigError(
            f"{len(wanted) - len(found)} of {len(wanted)} parameters given as shared are not: at most one "
            "loss depends on them.",
            "Give only those of the part that tasks share, or leave `shared` out.",
        )
    return found


def _add(parted: Parted, parting: Parting, shared: list[Tensor], weights: Tensor) -> None:
    for own in parted.own:
        for parameter, gradient in zip(own.parameters, own.gradients, strict=True):
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
    chosen = {id(p) for p in shared}
    plain = [p for p in parted.shared if id(p) not in chosen]
    if plain:
        even = parting.weighted(torch.ones_like(weights))
        torch.autograd.backward(parting.edges, even, retain_graph=True, inputs=plain)
    torch.autograd.backward(parting.edges, parting.weighted(weights), inputs=shared)
