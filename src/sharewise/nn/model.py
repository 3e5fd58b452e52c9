"""MultiTaskModel: encoder -> sharing structure -> towers and heads. A plain module for anyone's own loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sharewise.errors import ConfigError
from sharewise.nn.cost import Cost, matched, measure
from sharewise.nn.dropout import Dropout
from sharewise.nn.encoders import Encoder, Members, make_encoder
from sharewise.nn.growing import grow
from sharewise.nn.heads import Heads
from sharewise.nn.initial import Initial
from sharewise.nn.offset import KEY as OFFSET
from sharewise.nn.offset import Offset
from sharewise.nn.options import ModelOptions
from sharewise.nn.picks import Picks
from sharewise.nn.routing import Gate
from sharewise.nn.sharing import Setting, Sharing
from sharewise.nn.structures import STRUCTURES
from sharewise.tasks import InputSpec, TaskSet, describe

#: The name of a weight in the state, and rows of it.
Part = tuple[str, slice]


class MultiTaskModel(nn.Module):
    """f(y | x, zᵢ) for all tasks of a set.

    Args:
        tasks: what is predicted.
        inputs: what it is predicted from.
        options: the structure and its sizes.
        encoder: a module of one's own in place of the built-in encoder: inputs -> ``[rows, features]``, with
            an attribute `out_features`.
        seed: initial weights depend on it and on the tasks' names, not on the tasks' order.
        descriptors: ``[tasks, size]`` in place of what `describe` makes of attributes or texts.
        offset: what the circumstances of joint rows add to the outputs, where they are known.

    Attributes:
        options: as given, with `hidden` solved if costs were matched.
        own_encoder: whether the encoder is the user's.

    Example:
        >>> from sharewise.tasks import Task
        >>> tasks = TaskSet([Task("late"), Task("delay", "regression")])
        >>> model = MultiTaskModel(tasks, InputSpec(bins=((-1.0, 0.0, 1.0),) * 3))
        >>> model({"numeric": torch.zeros(5, 3)}).shape
        torch.Size([5, 2])
    """

    descriptors: Tensor | None

    def __init__(
        self,
        tasks: TaskSet,
        inputs: InputSpec,
        options: ModelOptions | None = None,
        *,
        encoder: nn.Module | None = None,
        seed: int = 0,
        descriptors: Float[Tensor, "tasks size"] | None = None,
        offset: Offset | None = None,
    ) -> None:
        super().__init__()
        options = options or ModelOptions()
        z = describe(tasks, options.descriptor) if descriptors is None else descriptors
        if options.match is not None:
            options = matched(options, _builder(tasks, inputs, encoder, z))
        self.tasks, self.inputs, self.options = tasks, inputs, options
        self.own_encoder = encoder is not None
        self.register_buffer("descriptors", None if options.descriptor == "index" else z)
        self._keeps = False
        self._parting: tuple[Tensor, Tensor] | None = None
        initial = Initial(seed)
        structure = STRUCTURES[options.sharing]
        copies = None if structure.traits.shares_encoder else tasks.names
        self.encoder: Encoder = make_encoder(inputs, options, copies, initial.at("encoder"), encoder)
        features = self.encoder.out_features
        self.members = (
            Members(features, options, copies, initial.at("members")) if options.members > 1 else None
        )
        self.input_dropout = Dropout(options.input_dropout)
        size = None if self.descriptors is None else self.descriptors.shape[1]
        self.sharing: Sharing = structure(
            Setting(features, tasks.names, size, options, initial.at("sharing"))
        )
        self.heads = Heads(self.sharing.width, tasks, options, options.heads_per_kind, initial)
        self.offset = offset

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        task: Int[Tensor, " rows"] | None = None,
        descriptor: Float[Tensor, "rows size"] | None = None,
    ) -> Tensor:
        """Return the outputs before the link.

        Args:
            inputs: rows, by the keys of `InputSpec`.
            task: each row's task, for disjoint rows; None if rows are for all tasks.
            descriptor: each row's z in place of its task's, for disjoint rows of structures that read it
                (others ignore it); with it, `task` only says the kind, and may be left out if all tasks are
                of one kind.

        Returns:
            Joint ``[*members, rows, tasks.columns]``; disjoint ``[*members, rows, tasks.width]``, padded on
            the right.

        Raises:
            ConfigError: if there is a descriptor but no task, and the model cannot do without.
        """
        if task is None and descriptor is not None:
            task = self._any_task(descriptor)
        picks = None if task is None else Picks(task, len(self.tasks))
        x = self._encode(inputs, picks)
        many = self.options.members
        z = self.descriptors if picks is None else self._row_descriptors(picks, descriptor)
        representation = self.sharing(x, picks and picks.repeat(many), z)
        self._parting = None
        if self._keeps and picks is None and not self.options.heads_per_kind:
            read = representation
            if read.dim() == 2:  # one for each task, so that their gradients stay apart
                read = read.expand(len(self.tasks), -1, -1)
            self._parting, representation = (representation, read), read
        outputs: Tensor = self.heads(representation, picks)
        if self.offset is not None and picks is None and OFFSET in inputs:
            outputs = outputs + self.offset(inputs)
        return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs

    def _encode(self, inputs: Mapping[str, Tensor], picks: Picks | None) -> Tensor:
        picks = None if self.sharing.traits.reads_all else picks
        x: Tensor = self.input_dropout(self.encoder(inputs, picks))
        return x if self.members is None else cast("Tensor", self.members(x, picks))

    def _row_descriptors(self, picks: Picks, own: Tensor | None) -> Tensor | None:
        if self.descriptors is None:
            return None
        z = self.descriptors[picks.copy] if own is None else own.to(self.descriptors)
        return z if self.options.members == 1 else z.repeat_interleave(self.options.members, 0)

    def _any_task(self, descriptor: Tensor) -> Int[Tensor, " rows"]:
        if not self.options.conditional:
            raise ConfigError(
                f"Rows have descriptors but no task, and sharing '{self.options.sharing}' with descriptor "
                f"'{self.options.descriptor}' cannot tell tasks apart by descriptor.",
                "Give each row's task, or use concat, add or multiply with attributes or text.",
            )
        if len(self.tasks.groups) > 1:
            raise ConfigError(
                "Rows have descriptors but no task, and there are tasks of several kinds.",
                "Give for each row any task of the kind to predict.",
            )
        return torch.zeros(len(descriptor), dtype=torch.int64, device=descriptor.device)

    @contextmanager
    def parted(self) -> Iterator[None]:
        """Return the context in which a forward pass keeps what `parting` needs."""
        self._keep(True)
        try:
            yield
        finally:
            self._keep(False)

    def _keep(self, keeps: bool) -> None:
        self._keeps = keeps
        for module in self.sharing.modules():
            if isinstance(module, Sharing | Gate):
                module.keeps = keeps

    def parting(self, losses: Float[Tensor, " tasks"]) -> list[tuple[Tensor, Tensor]] | None:
        """Return tensors below which tasks share everything, each with every task's gradient of it.

        It is that of the last forward pass, if that was within `parted`, over joint rows, and if each task
        has a head of its own; else None. Used up by the call.

        Args:
            losses: one a task, of that pass, with their graph.
        """
        if self._parting is None:
            return None
        (representation, read), self._parting = self._parting, None
        (gradients,) = torch.autograd.grad(losses.sum(), read, retain_graph=True)
        return self.sharing.parting(representation, gradients)

    def penalty(self) -> Tensor:
        """Return the scalar to add to the loss: soft sharing, importance; or 0.

        It is that of the last forward pass in training mode.
        """
        found = self.sharing.penalty(self.encoder)
        return torch.zeros((), device=next(self.parameters()).device) if found is None else found

    def grow(self, rows: int) -> None:
        """Make room for so many rows in growing embeddings; see `GrowingTable.grow`.

        What the last forward pass left for `penalty` and `parting` is forgotten: its graph would go on to
        expect the tables as they were.
        """
        self._parting = None
        for module in self.sharing.modules():
            if isinstance(module, Sharing | Gate):
                module.forget()
        grow(self.encoder, rows)

    @torch.no_grad()
    def gates(
        self, inputs: Mapping[str, Tensor], task: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "tasks experts"] | None:
        """Return each task's mean weight of each expert over these rows, or None for structures without
        gates; the rows may lie on another device than the model.

        Disjoint rows count for their own task; a task without rows has NaN. CGC and PLE list the shared
        experts first.
        """
        device = next(self.parameters()).device
        picks = None if task is None else Picks(task.to(device), len(self.tasks))
        was_training = self.training
        self.eval()
        x = self._encode({key: value.to(device) for key, value in inputs.items()}, picks)
        found = self.sharing.gate_weights(x, picks and picks.repeat(self.options.members))
        self.train(was_training)
        return found

    @torch.no_grad()
    def retarget(self, tasks: TaskSet) -> None:
        """Take the same tasks with labels standardised otherwise; every prediction stays as it is.

        The heads change by what the standardisation does (PopArt, van Hasselt et al. 2016, eq. 6).

        Raises:
            ConfigError: if tasks share a head, which cannot change for one of them.
        """
        ratio = self.tasks.scales / tasks.scales
        self.heads.rescale(ratio, (self.tasks.means - tasks.means) / tasks.scales)
        self.tasks = tasks

    def own_parameters(self) -> list[nn.Parameter]:
        """Return the trained parameters whose every entry is one task's alone: heads, towers, own gates."""
        parts = [self.heads.own_parameters(), self.sharing.own_parameters()]
        traits = self.sharing.traits
        if not (traits.shares_encoder or traits.reads_all):
            parts.append(self.encoder.parameters())
            parts.append(iter(()) if self.members is None else self.members.parameters())
        if self.offset is not None:
            parts.append(self.offset.parameters())
        return [p for p in chain(*parts) if p.requires_grad]

    def task_parts(self) -> list[list[Part]] | None:
        """Return each task's part of the weights, if tasks share nothing and do not pull."""
        tasks = len(self.tasks)
        if tasks == 1 or self.shared_parameters() or self.sharing.traits.soft or self.offset is not None:
            return None
        parts: list[list[Part]] = [[] for _ in range(tasks)]
        for name, value in self.state_dict().items():
            for task, rows in self._owners(name, len(value) if value.dim() else 1):
                parts[task].append((name, rows))
        return parts

    def _owners(self, name: str, length: int) -> Iterator[tuple[int, slice]]:
        """Yield whose the rows of a stacked weight are: each of its tasks has as many, in order."""
        places = name.split(".")
        if name == "descriptors":
            return
        if "modules_" in places:  # deep copies of the user's module
            yield int(places[places.index("modules_") + 1]), slice(None)
            return
        own = tuple(range(len(self.tasks)))
        if places[:2] == ["heads", "groups"]:
            own = self.tasks.groups[int(places[2])].index
        each = length // len(own)
        for place, task in enumerate(own):
            yield task, slice(place * each, (place + 1) * each)

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the trained parameters that several tasks read: what balancing weighs."""
        own = {id(p) for p in self.own_parameters()}
        return [p for p in self.parameters() if p.requires_grad and id(p) not in own]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return groups ``{"params", "lr_factor", "decay"}`` for an optimizer.

        Gates and cross-stitch units learn at `gate_rate` times the rate, an offset at its own. Weight decay
        is for weight matrices: not for biases, embeddings, tables of descriptors, scalings or cross-stitch
        units.
        """
        rates = {id(p): self.options.gate_rate for p in self.sharing.route_parameters()}
        if self.offset is not None:
            rates |= {id(p): self.offset.rate for p in self.offset.parameters()}
        groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            rate = rates.get(id(parameter), 1.0)
            decay = "weight" in name.split(".")[-2:] and parameter.dim() > 1
            groups.setdefault((rate, decay), []).append(parameter)
        return [{"params": params, "lr_factor": r, "decay": d} for (r, d), params in groups.items()]

    def cost(self) -> Cost:
        """Return parameters, and multiplications to predict all tasks of one row."""
        return measure(self, self.inputs)


class _Stub(nn.Module):
    """Stands for an encoder of the user's while widths are solved: it costs nothing."""

    def __init__(self, out_features: int) -> None:
        super().__init__()
        self.out_features = out_features

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        rows = len(next(iter(inputs.values())))
        return torch.zeros(rows, self.out_features, device="meta")


def _builder(tasks: TaskSet, inputs: InputSpec, encoder: nn.Module | None, z: Tensor | None) -> Any:
    """Return options -> cost of a model on the meta device, where tensors have a shape and nothing else."""

    def build(options: ModelOptions) -> Cost:
        with torch.device("meta"):
            own = None if encoder is None else _Stub(int(encoder.out_features))  # type: ignore[arg-type]
            empty = None if z is None else torch.empty(z.shape)
            model = MultiTaskModel(
                tasks, inputs, replace(options, match=None), encoder=own, descriptors=empty
            )
        return measure(model, inputs)

    return build
