"""ExperimentPlan: all that decides who sees what, and what is looked at, fixed before the first look."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sharewise.errors import ConfigError, nearest
from sharewise.ranking.experiment.outcomes import OUTCOMES, Outcome
from sharewise.ranking.options import BlendOptions

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Arm:
    """One way to answer.

    Args:
        name: of it.
        share: of the users who take part, relative to the other arms'.
        ranker, candidates: folders of models; "" for those that serve everybody else.
        blend: how predictions become the score; None for the ranker's own way.

    Raises:
        ConfigError: if the name or the share cannot be used.
    """

    name: str
    share: float = 1.0
    ranker: str = ""
    candidates: str = ""
    blend: BlendOptions | None = None

    def __post_init__(self) -> None:
        _check_name("arm", self.name)
        if not (math.isfinite(self.share) and self.share > 0):
            raise ConfigError(f"The share of arm '{self.name}' is {self.share}.", "Use a number above 0.")


@dataclass(frozen=True)
class ExperimentPlan:
    """An experiment.

    Args:
        name: of it; another name divides users anew.
        arms: the first is the control.
        traffic: share of all users who take part; may grow, which moves nobody.
        outcomes: what is looked at.
        primary: the outcome that decides; by default the first.
        guards: outcomes that must not get worse, and by how much they may, as a share of the control's.
        level: chance of a false alarm of each outcome and arm, over all looks together.
        expected: the effect to be found, as a share of the control's, by which intervals are made narrowest
            where they must be to find it; 0 for what the first look could find, which is seldom much worse.
        fewest: users of each arm with anything of an outcome before a word is said of it: errors of fewer are
            not those of a normal distribution.

    Raises:
        ConfigError: for what cannot be used.
    """

    name: str
    arms: tuple[Arm, ...]
    traffic: float = 1.0
    outcomes: tuple[Outcome, ...] = OUTCOMES
    primary: str = ""
    guards: dict[str, float] = field(default_factory=dict)
    level: float = 0.05
    expected: float = 0.0
    fewest: int = 100

    def __post_init__(self) -> None:
        _check_name("experiment", self.name)
        if len(self.arms) < 2:
            raise ConfigError(f"Experiment '{self.name}' has {len(self.arms)} arms.", "Give it 2 or more.")
        if not self.outcomes:
            raise ConfigError(f"Experiment '{self.name}' has no outcome.", "Say what is looked at.")
        for what, names in (("arms", self.arm_names), ("outcomes", self.outcome_names)):
            if len(set(names)) < len(names):
                raise ConfigError(f"Two {what} of experiment '{self.name}' have one name.", "Rename one.")
        object.__setattr__(self, "primary", self.primary or self.outcomes[0].name)
        for name in (self.primary, *self.guards):
            if name not in self.outcome_names:
                raise ConfigError(
                    f"Experiment '{self.name}' has no outcome '{name}'.", nearest(name, self.outcome_names)
                )
        self._check_numbers()

    @property
    def arm_names(self) -> list[str]:
        """Names of the arms; the control's is the first."""
        return [arm.name for arm in self.arms]

    @property
    def outcome_names(self) -> list[str]:
        """Names of the outcomes."""
        return [outcome.name for outcome in self.outcomes]

    @property
    def same(self) -> bool:
        """Whether all arms answer alike: an A/A test, in which every finding is a false alarm."""
        answers = [replace(arm, name="x", share=1.0) for arm in self.arms]
        return all(one == answers[0] for one in answers)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> ExperimentPlan:
        """Inverse of `to_dict`, also after a way through JSON."""
        arms = tuple(_arm(arm) for arm in values["arms"])
        outcomes = tuple(Outcome(**outcome) for outcome in values["outcomes"])
        return ExperimentPlan(**{**values, "arms": arms, "outcomes": outcomes})

    def _check_numbers(self) -> None:
        for name, low, high in (("traffic", 0, 1), ("level", 1e-6, 0.5), ("expected", 0, 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(
                    f"Experiment option '{name}' is {value}.", f"Use a number from {low} to {high}."
                )
        if self.fewest < 2:
            raise ConfigError(f"Experiment option 'fewest' is {self.fewest}.", "Use 2 or more.")
        for name, margin in self.guards.items():
            if not 0 <= margin < 1:
                raise ConfigError(f"The guard on '{name}' is {margin}.", "Use a share from 0 to below 1.")


def check_apart(plans: Sequence[ExperimentPlan]) -> None:
    """Refuse experiments that cannot run beside each other.

    Raises:
        ConfigError: if two have one name, or both change the same part of what answers.
    """
    taken: dict[str, str] = {}
    for plan in plans:
        parts = {
            part for arm in plan.arms for part in ("ranker", "candidates", "blend") if getattr(arm, part)
        }
        for part in (f"the name '{plan.name}'", *sorted(f"the {part}" for part in parts)):
            if part in taken:
                raise ConfigError(
                    f"Experiments '{taken[part]}' and '{plan.name}' both have {part}.",
                    "Let them run one after the other.",
                )
            taken[part] = plan.name


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"An {what} is called '{name:.60}'.", "Use up to 64 letters, digits, '_', '.' and '-'."
        )


def _arm(values: dict[str, Any]) -> Arm:
    blend = values["blend"]
    return Arm(**{**values, "blend": None if blend is None else BlendOptions(**blend)})
