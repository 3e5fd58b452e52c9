"""How well a learner does on episodes: a result an episode, and intervals over tasks.

Where a split has no end of tasks, every episode is one of its own, and they are independent. Where it has a
list of them, episodes of one task go together: the tasks are then what varies, and the interval speaks of
other tasks like these (Liang & Zeger 1986: Var = G/(G-1) Σ_g (Σ_{i in g} x_i - x̄)² / n² over G tasks).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.data.episodes import Condition, Episodes, EpisodeSource
from sharewise.data.episodes.condition import ends
from sharewise.errors import ConfigError, DataError
from sharewise.meta import Forecast, Learner
from sharewise.train.devices import device_of

Array = NDArray[np.float64]
#: Is shown episodes and what was predicted for their query rows.
Watcher = Callable[[Episodes, Forecast], None]
#: Episodes drawn at a time, and adapted to if they are small.
TOGETHER = 32
#: Numbers of inputs adapted to at a time, such as 1,300 images of 28 x 28, unless one episode has more.
#: Measured on 20-way episodes and four blocks of convolutions: all 32 at once took 6 to 9 GB and were slower.
NUMBERS = 1 << 20
#: Of a Gaussian within which 90 % lie, on either side.
NINETY = 1.6448536269514722


@dataclass(frozen=True)
class EpisodeScores:
    """Results of a learner, an entry an episode.

    Attributes:
        loss: mean negative log likelihood of the query rows, in standardised units.
        metric: share of right answers for classes; mean squared error for numbers; else, as for yes and no,
            the loss.
        name: of the metric: "accuracy", "mse" or "loss".
        covered: share of query rows within the 90 % interval, where there is one.
        tasks: which task each episode is of, where there is a list of them.
    """

    loss: Array
    metric: Array
    name: str
    covered: Array | None = None
    tasks: NDArray[np.int64] | None = None

    @property
    def higher_is_better(self) -> bool:
        """True for shares of right answers."""
        return self.name == "accuracy"

    @property
    def score(self) -> float:
        """What is chosen by: the mean accuracy, or minus the mean loss; -inf where the loss is no number."""
        loss = float(self.loss.mean())
        if math.isnan(loss):
            return -math.inf
        return float(self.metric.mean()) if self.higher_is_better else -loss

    def summary(self) -> dict[str, Any]:
        """Return means with their 95 % intervals over tasks, as plain values."""
        found = {"episodes": len(self.loss), "metric": self.name, **interval(self.metric, self.tasks)}
        found["loss"] = float(self.loss.mean())
        if self.covered is not None:
            found["covered"] = float(self.covered.mean())
        return found


def interval(values: Array, tasks: NDArray[np.int64] | None = None) -> dict[str, float]:
    """Return the mean of results by episode and its 95 % interval (Student's, at 600 the normal one)."""
    from scipy.stats import t

    mean = float(values.mean())
    error, freedom = standard_error(values, tasks)
    reach = float(t.ppf(0.975, freedom)) * error if freedom else 0.0
    return {"mean": mean, "low": mean - reach, "high": mean + reach}


def standard_error(values: Array, tasks: NDArray[np.int64] | None = None) -> tuple[float, int]:
    """Return the standard error of the mean over episodes and its degrees of freedom, 0 for one episode.

    Args:
        values: a result an episode.
        tasks: which task each is of; of one task alone, or without, episodes count as independent.
    """
    sums = values - values.mean()
    if tasks is not None and (tasks != tasks[0]).any():
        sums = np.bincount(np.unique(tasks, return_inverse=True)[1], sums)
    groups = len(sums)
    if groups < 2:
        return 0.0, 0
    return float(np.sqrt(groups / (groups - 1) * (sums**2).sum()) / len(values)), groups - 1


def evaluate_learner(
    learner: Learner,
    source: EpisodeSource,
    condition: Condition,
    *,
    episodes: int = 600,
    steps: int | None = None,
    seed: int = 0,
    name: str = "test",
    scale: float = 1.0,
    watch: Watcher | None = None,
) -> EpisodeScores:
    """Return a learner's results on episodes of a source.

    The same source, condition, seed and name give the same episodes, so learners can be compared in pairs.

    Args:
        learner: put into evaluation mode, and left in the mode that it was in.
        source: tasks that it was not trained on.
        condition: of the episodes.
        episodes: how many.
        steps: of adaptation, for learners that take steps; by default as in training.
        seed, name: of the stream of episodes.
        scale: of the label, to give errors in its own unit.
        watch: shown every batch of episodes with the forecast for its query rows.

    Raises:
        ConfigError: if no episode is asked for.
        DataError: if there are no such episodes, or the learner cannot read them.
    """
    if episodes < 1:
        raise ConfigError(f"An evaluation of {episodes} episodes was asked for.", "Use at least 1.")
    check_source(learner, source, condition)
    device, was = device_of(learner), learner.training
    learner.eval()
    parts: list[tuple[Tensor, ...]] = []
    tasks: list[Tensor] = []
    drawn = source.batches(condition, min(TOGETHER, episodes), seed, name)
    left = episodes
    metric = ""
    try:
        while left > 0:
            several = next(drawn)
            several = several.take(slice(0, min(left, len(several))))
            left -= len(several)
            for batch in (part.to(device) for part in pieces(several, NUMBERS)):
                learner.check(batch)
                with torch.no_grad():
                    forecast = learner.adapt(batch.support, steps)(batch.query.inputs)
                    metric, found = measure(learner, forecast, batch, scale)
                    if watch is not None:
                        watch(batch, forecast)
                parts.append(found)
                if batch.tasks is not None:
                    tasks.append(batch.tasks)
    finally:
        learner.train(was)
    columns = [torch.cat(column).cpu().double().numpy() for column in zip(*parts, strict=True)]
    return EpisodeScores(
        columns[0],
        columns[1],
        metric,
        columns[2] if len(columns) > 2 else None,
        torch.cat(tasks).cpu().numpy() if tasks else None,
    )


def pieces(episodes: Episodes, numbers: int) -> Iterator[Episodes]:
    """Yield the episodes, as many at a time as have so many numbers of inputs, or one."""
    inputs = (*episodes.support.inputs.values(), *episodes.query.inputs.values())
    each = sum(value[0].numel() for value in inputs)
    step = max(numbers // max(each, 1), 1)
    for start in range(0, len(episodes), step):
        yield episodes.take(slice(start, start + step))


def check_source(learner: Learner, source: EpisodeSource, condition: Condition) -> None:
    """Raise DataError if there are no such episodes, or the learner was made for others."""
    source.check(condition)
    learner.spec.check(source, condition, any_ways=learner.any_ways)
    if ends(condition.shots)[0] == 0 and not learner.from_nothing:
        raise DataError(
            f"Episodes may have no support at all, from which {type(learner).__name__} cannot learn.",
            "Ask for at least one shot, or use a learner that has a prediction before it sees an example.",
        )


def measure(
    learner: Learner, forecast: Forecast, episodes: Episodes, scale: float = 1.0
) -> tuple[str, tuple[Tensor, ...]]:
    """Return the metric's name and, a number an episode, (loss, metric) or (loss, metric, covered)."""
    query, kind = episodes.query, learner.spec.kind
    loss = learner.losses(forecast, query)
    if kind.categorical:
        right = forecast.outputs.argmax(-1) == query.targets
        return "accuracy", (loss, (right * query.weights).sum(1))
    # Yes and no: one of them may be rare, and always saying the other is right most of the time.
    if kind.name != "regression":
        return "loss", (loss, loss)
    residual = (forecast.outputs[..., 0] - query.targets) * scale
    error = (residual.square() * query.weights).sum(1)
    if forecast.variance is None:
        return "mse", (loss, error)
    within = residual.abs() <= NINETY * scale * forecast.variance.sqrt()
    return "mse", (loss, error, (within * query.weights).sum(1))
