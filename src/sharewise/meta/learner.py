"""Learner: the one interface. A learner reads support sets and gives predictors; all else is how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.data.episodes import Condition, Episodes, EpisodeSource, Shots
from sharewise.errors import ConfigError, DataError
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind

Inputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Spec:
    """What episodes look like, as far as a learner has to know before it sees one.

    Attributes:
        inputs: a row.
        kind: of the label.
        ways: classes of a task, where labels are classes; the most of them where tasks differ.
        classes: classes of the training split that tasks are drawn from; 0 where labels are their own.
    """

    inputs: InputSpec
    kind: Kind
    ways: int = 0
    classes: int = 0

    @classmethod
    def of(cls, source: EpisodeSource, condition: Condition) -> Spec:
        """Return what a learner has to know of episodes of a source, drawn in that condition."""
        return cls(source.inputs, source.kind, source.ways(condition), source.drawn_classes)

    def check(self, source: EpisodeSource, condition: Condition, any_ways: bool = False) -> None:
        """Raise DataError if episodes of a source are others than these.

        Args:
            source: of the episodes.
            condition: in which they are drawn.
            any_ways: the number of ways may differ.
        """
        other = Spec.of(source, condition)
        if other.kind.name != self.kind.name:
            raise DataError(
                f"The episodes have labels of kind '{other.kind.name}', but the learner was made for "
                f"'{self.kind.name}'.",
                "Use episodes of the kind that it was trained on.",
            )
        if other._rows != self._rows:
            raise DataError(
                f"The episodes have {other._rows}, but the learner was made for {self._rows}.",
                "Encode the rows as those that it was trained on.",
            )
        if other.inputs.cardinalities != self.inputs.cardinalities:
            raise DataError(
                f"The episodes' categories have {list(other.inputs.cardinalities)} values, but the learner "
                f"was made for {list(self.inputs.cardinalities)}.",
                "Encode the rows as those that it was trained on.",
            )
        if other.ways > self.ways and not any_ways:
            raise DataError(
                f"A task has {other.ways} classes, but the learner was made for {self.ways}.",
                "Give tasks of as many classes as it was trained on, or use a metric learner.",
            )

    @property
    def _rows(self) -> str:
        """What a row is, in words."""
        if self.inputs.image is not None:
            return f"images of {list(self.inputs.image)}"
        return f"rows of {len(self.inputs.bins)} numbers and {len(self.inputs.cardinalities)} categories"

    @property
    def width(self) -> int:
        """Outputs for a row."""
        return self.kind.width(self.ways)


class Forecast(NamedTuple):
    """What a predictor says of query rows.

    Attributes:
        outputs: ``[tasks, rows, width]``, before the kind's link.
        variance: ``[tasks, rows]`` of the prediction, noise included, where the learner knows it; regression
            only.
    """

    outputs: Float[Tensor, "tasks rows width"]
    variance: Float[Tensor, "tasks rows"] | None = None


#: What `adapt` returns: inputs ``[tasks, rows, ...]`` -> forecast.
Predictor = Callable[[Inputs], Forecast]


class Judged(NamedTuple):
    """A learner's result on episodes.

    Attributes:
        losses: ``[tasks]`` mean negative log likelihood of the query rows.
        surrogate: ``[tasks]`` whose mean's gradient is the meta-gradient; often the same.
    """

    losses: Float[Tensor, " tasks"]
    surrogate: Float[Tensor, " tasks"]


class Learner(nn.Module, ABC):
    """Learns from support sets, having learned how.

    A subclass defines `adapt`; what it predicts for one query row must not depend on the others, unless it
    says that it is `transductive`.
    """

    #: Kinds of label that it can learn, by name; empty for all.
    kinds: ClassVar[frozenset[str]] = frozenset()
    #: False where nothing is learned before a support set is seen.
    trained: ClassVar[bool] = True
    #: True where the number of ways may differ from that in training.
    any_ways: ClassVar[bool] = False
    #: True where `judge` can be compiled as a whole: no look at a value decides what is computed.
    traceable: ClassVar[bool] = False
    #: True where there is a prediction before any example is seen: of the initial model, or of a prior.
    from_nothing: ClassVar[bool] = False
    #: Prediction steps that `adapt` may be asked for.
    stepwise: ClassVar[bool] = False
    #: Prefixes of the parameters that weight decay should leave alone, such as learned rates.
    undecayed: ClassVar[tuple[str, ...]] = ()

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        if self.kinds and spec.kind.name not in self.kinds:
            raise ConfigError(
                f"The learner {type(self).__name__} cannot learn labels of kind '{spec.kind.name}'.",
                f"Choose another learner, or one of the kinds {', '.join(sorted(self.kinds))}.",
            )
        if spec.kind.categorical and spec.ways < 2 and not self.any_ways:
            raise ConfigError(
                f"The learner {type(self).__name__} was asked for {spec.ways} ways.",
                "A task of classification has at least 2 classes: say how many.",
            )
        if not (spec.inputs.image or spec.inputs.bins or spec.inputs.cardinalities):
            raise ConfigError("A row of inputs is empty.", "Give an image, or at least one column.")
        self.spec = spec

    @property
    def transductive(self) -> bool:
        """True if a row's prediction may depend on the other query rows."""
        return False

    @abstractmethod
    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        """Learn from the support sets of some tasks, all at once.

        Args:
            support: of the tasks.
            steps: of adaptation, for learners that are `stepwise`; by default as many as in training.
        """

    def judge(self, episodes: Episodes) -> Judged:
        """Adapt to the support sets and return the query sets' losses."""
        forecast = self.adapt(episodes.support)(episodes.query.inputs)
        losses = self.losses(forecast, episodes.query)
        return Judged(losses, losses)

    def losses(self, forecast: Forecast, query: Shots) -> Float[Tensor, " tasks"]:
        """Return the mean negative log likelihood of every task's query rows."""
        return (self.row_losses(forecast, query.known) * query.weights).sum(1)

    def row_losses(
        self, forecast: Forecast, targets: Float[Tensor, "tasks rows"]
    ) -> Float[Tensor, "tasks rows"]:
        """Return the negative log likelihood of every row; Gaussian where there is a variance."""
        if forecast.variance is None:
            return self.spec.kind.loss(forecast.outputs, targets)
        residual = targets - forecast.outputs[..., 0]
        return 0.5 * (residual.square() / forecast.variance + forecast.variance.log())

    def set_progress(self, share: float) -> None:
        """Hear which share of training is done; for methods that change on the way."""

    def check(self, episodes: Episodes) -> None:
        """Raise DataError if the learner cannot read episodes like these."""
        check_inputs(self.spec.inputs, episodes.query.inputs, "query set")
        check_support(self.spec, episodes.support, episodes.ways, self.any_ways, self.from_nothing)


def check_inputs(spec: InputSpec, inputs: Inputs, part: str) -> None:
    """Raise DataError if rows are of another sort than the learner was made for, or not finite."""
    wanted: dict[str, tuple[int, ...]] = {"image": spec.image} if spec.image else {}
    wanted |= {"numeric": (len(spec.bins),)} if spec.bins else {}
    wanted |= {"categorical": (len(spec.cardinalities),)} if spec.cardinalities else {}
    for key, shape in wanted.items():
        if key not in inputs or tuple(inputs[key].shape[2:]) != shape:
            found = f"of shape {list(inputs[key].shape[2:])}" if key in inputs else "missing"
            raise DataError(
                f"The {part}'s inputs '{key}' are {found}, but the learner was made for {list(shape)}.",
                "Encode the rows as those that it was trained on.",
            )
    for key, value in inputs.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise DataError(f"The {part}'s inputs '{key}' are not all finite.", "Mend these values.")
    if spec.cardinalities and inputs["categorical"].numel():
        ids = inputs["categorical"].flatten(0, 1)
        sizes = torch.tensor(spec.cardinalities, device=ids.device)
        if bool(((ids < 0) | (ids >= sizes)).any()):
            raise DataError(
                f"A category of the {part} is none of those that the learner was made for.",
                "Encode the rows as those that it was trained on.",
            )


def check_support(
    spec: Spec, support: Shots, ways: int, any_ways: bool = False, from_nothing: bool = False
) -> None:
    """Raise DataError if a support set is empty, or of other rows or classes than the learner's."""
    empty = not support.rows or (support.mask is not None and not bool(support.mask.any(1).all()))
    if not len(support) or (empty and not from_nothing):
        raise DataError("A support set is empty.", "Give at least one example of every task.")
    check_inputs(spec.inputs, support.inputs, "support set")
    targets = support.targets if support.mask is None else support.targets[support.mask]
    if not bool(targets.isfinite().all()):
        raise DataError("The support set's targets are not all finite.", "Leave such examples out.")
    if not targets.numel():
        return
    if not spec.kind.categorical:
        problem = spec.kind.problem(targets.detach().double().flatten().cpu().numpy())
        if problem is not None:
            raise DataError(f"A target of the support set {problem}.", "Mend the targets.")
        return
    if bool(((targets < 0) | (targets != targets.floor())).any()):
        raise DataError("A class in the support set is no whole number from 0 on.", "Number the classes.")
    found = max(ways, int(targets.max()) + 1)
    if found > spec.ways and not any_ways:
        raise DataError(
            f"A task has {found} classes, but the learner was made for {spec.ways}.",
            "Give tasks of as many classes as it was trained on, or use a metric learner.",
        )


def one_hot(spec: Spec, targets: Tensor, ways: int | None = None) -> Tensor:
    """Return targets as numbers to regress on: one-hot classes ``[..., ways]``, or ``[..., 1]``."""
    if not spec.kind.categorical:
        return targets.unsqueeze(-1)
    return torch.nn.functional.one_hot(targets.long(), ways or spec.ways).to(targets.dtype)
