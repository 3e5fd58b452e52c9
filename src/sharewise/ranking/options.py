"""What can be chosen about a ranker and its training, table by table; `RankPlan` is all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from sharewise.errors import ConfigError, nearest
from sharewise.ranking.log import COLUMNS
from sharewise.train.devices import PRECISIONS
from sharewise.train.options import TrainOptions


@dataclass(frozen=True)
class LogOptions:
    """How a log is read. Every column without another meaning is a feature, of a kind by its type: texts and
    truth values by vocabulary, as are users, queries, items, devices and sources; whole numbers as counts, by
    their logarithm; other numbers as they are.

    Args:
        columns: names of one's own for the log's columns: ``{"user": "uid"}``.
        drop: columns that are no features.
        categorical: columns of numbers that are names, such as those of topics.
        numeric: columns of whole numbers that are no counts.
        hashed: columns kept by hash instead of vocabulary: name -> buckets.
        most: rows of the vocabulary in all, over all columns; values that come later stay unknown.
    """

    columns: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    hashed: dict[str, int] = field(default_factory=dict)
    most: int = 4_000_000

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in COLUMNS:
                raise ConfigError(f"A log has no column '{name}' to rename.", nearest(name, tuple(COLUMNS)))
        for name, buckets in self.hashed.items():
            _check(1 <= buckets <= 1 << 24, f"buckets of the hashed column '{name}'", buckets, "1 to 2^24")
        _check(self.most >= 1, "most", self.most, "a whole number from 1 on")


@dataclass(frozen=True)
class BiasOptions:
    """What is done about the place where an item was shown, which draws clicks by itself.

    Args:
        kind: "tower": a shallow tower's logit is added to the main one; "feature": an input like others;
            "none". Where nothing is shown yet, as when serving, the place is missing.
        tasks: those that the tower is for; by default the first binary one.
        drop: share of the rows that are trained on with the place missing.
        size, hidden: of the tower.
        rate: factor of the tower's learning rate.
    """

    kind: str = "tower"
    tasks: tuple[str, ...] = ()
    drop: float = 0.1
    size: int = 16
    hidden: tuple[int, ...] = (16,)
    rate: float = 1.0

    def __post_init__(self) -> None:
        _check_known("bias", self.kind, ("tower", "feature", "none"))
        _check(0 <= self.drop < 1, "drop", self.drop, "a share from 0 to less than 1")
        _check(self.size >= 1, "size", self.size, "a whole number from 1 on")
        _check(0 < self.rate < math.inf, "rate", self.rate, "a positive number")


@dataclass(frozen=True)
class BlendOptions:
    """How predictions become one score.

    Args:
        kind: "product": of predictions, each to the power of its weight; "sum": of weight times prediction.
        weights: by task; tasks left out do not count. By default all of the usual objectives, dismissal
            against the others; of tasks of one's own the first.
    """

    kind: str = "product"
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_known("blend", self.kind, ("product", "sum"))
        for name, weight in self.weights.items():
            _check(math.isfinite(weight), f"weight of '{name}' in the blend", weight, "a finite number")


@dataclass(frozen=True)
class MeasureOptions:
    """What is measured of every partition before it is trained on.

    Args:
        group: the column whose rows are ranked against each other, "request" or "user"; "none" for neither
            GAUC nor NDCG.
        gain: what feedback is worth in NDCG, by task; by default 1 for the first binary one.
        k: rows of a list that NDCG counts.
        cohort: the column by whose known and unknown values measures are told apart; "none" for not.
        alarm: a gate is polarised if it gives one expert more than this of its weight.
        keep: of so many partitions, the last ones, the run keeps what was predicted before they were trained
            on: what the score's weights are tuned on, and what is compared with a truth.
    """

    group: str = "request"
    gain: dict[str, float] = field(default_factory=dict)
    k: int = 10
    cohort: str = "user"
    alarm: float = 0.9
    keep: int = 24

    def __post_init__(self) -> None:
        _check(self.k >= 1, "k", self.k, "a whole number from 1 on")
        _check(0 < self.alarm <= 1, "alarm", self.alarm, "a share from 0 to 1")
        _check(self.keep >= 0, "keep", self.keep, "a whole number from 0 on")
        for name, gain in self.gain.items():
            _check(0 <= gain < math.inf, f"gain of '{name}'", gain, "a number from 0 on")


@dataclass(frozen=True)
class StreamOptions:
    """How a stream is trained on: every row once. Larger batches are a little faster, and learn later.

    Args:
        batch_size, learning_rate, weight_decay, warmup, clip, precision, seed, device: as in `TrainOptions`.
        checkpoint_every: rows after which the next end of a partition has a checkpoint; 0 for all of them.
        piece: rows of a partition that are tested on and trained on at a time; bounds the memory.
        spread: with several processes, each holds a part of the rows of the table of embeddings, and of the
            optimizer's state of it; the result is the same.
    """

    batch_size: int = 2048
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    warmup: int = 0
    clip: float | None = None
    precision: str = "fp32"
    seed: int = 0
    device: str = "auto"
    checkpoint_every: int = 400_000
    piece: int = 1 << 19
    spread: bool = False

    def __post_init__(self) -> None:
        for name, least in (("checkpoint_every", 0), ("piece", 1)):
            wanted = f"a whole number from {least} on"
            _check(getattr(self, name) >= least, name, getattr(self, name), wanted)
        _check_known("precision", self.precision, PRECISIONS)
        self.training()

    def training(self) -> TrainOptions:
        """Return the options of the steps."""
        own = asdict(self)
        return TrainOptions(
            **{key: own[key] for key in own if key not in ("checkpoint_every", "piece", "spread")}
        )


@dataclass(frozen=True)
class Follow:
    """Wait for partitions to come.

    Args:
        poll: seconds between two looks.
        idle: seconds without anything new after which to end; None for never.
        settle: seconds for which a file that cannot be read must not have changed, until it counts as broken.
    """

    poll: float = 2.0
    idle: float | None = None
    settle: float = 60.0

    def __post_init__(self) -> None:
        _check(0 < self.poll < math.inf, "poll", self.poll, "a positive number")
        _check(self.idle is None or self.idle >= 0, "idle", self.idle, "a number from 0 on, or none")
        _check(self.settle >= 0, "settle", self.settle, "a number from 0 on")


def _check(right: bool, name: str, value: object, wanted: str) -> None:
    if not right:
        raise ConfigError(f"Ranking option '{name}' is {value}.", f"Use {wanted}.")


def _check_known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(
            f"Ranking option '{name}' is '{value}', which is unknown.", nearest(value, tuple(known))
        )
