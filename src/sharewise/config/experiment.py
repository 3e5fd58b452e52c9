"""The tables of an experiment. Every key has the name of the argument that it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from sharewise.config.load import parse_toml, read_text, validated
from sharewise.config.options import Section, checked, mistake
from sharewise.config.rank_train import as_kind
from sharewise.errors import SharewiseError
from sharewise.ranking.experiment import OUTCOMES, Arm, ExperimentPlan, Outcome
from sharewise.ranking.options import BlendOptions


class ArmConfig(Section):
    """``[[arms]]``: a way to answer; the first one is the control. See `Arm`."""

    name: str
    share: float = 1.0
    ranker: str = ""
    candidates: str = ""
    blend: Annotated[BlendOptions, checked(BlendOptions), BeforeValidator(as_kind)] | None = None

    def build(self) -> Arm:
        """Return the arm."""
        return Arm(self.name, self.share, self.ranker, self.candidates, self.blend)


class ExperimentConfig(Section):
    """All of an experiment, one a file; see `ExperimentPlan`.

    Attributes:
        columns: the log's own name of each column that has another one there.
    """

    name: str
    arms: tuple[ArmConfig, ...]
    traffic: float = ExperimentPlan.traffic
    outcomes: tuple[Annotated[Outcome, checked(Outcome)], ...] = OUTCOMES
    primary: str = ""
    guards: dict[str, float] = Field(default_factory=dict)
    level: float = ExperimentPlan.level
    expected: float = ExperimentPlan.expected
    fewest: int = ExperimentPlan.fewest
    columns: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> ExperimentConfig:
        try:
            self.plan()
        except SharewiseError as error:
            raise mistake(error) from error
        return self

    def plan(self) -> ExperimentPlan:
        """Return the plan."""
        names = [name for name in type(self).model_fields if name not in ("arms", "columns")]
        own = {name: getattr(self, name) for name in names}
        return ExperimentPlan(arms=tuple(arm.build() for arm in self.arms), **own)


def load_experiment(path: str | Path) -> ExperimentConfig:
    """Read an experiment's file.

    Raises:
        ConfigError: if the file cannot be read, is not TOML, or has keys or values that are not valid.
    """
    path = Path(path)
    return parse_experiment(read_text(path), source=path.name)


def parse_experiment(text: str, source: str = "The experiment") -> ExperimentConfig:
    """Turn TOML text into an `ExperimentConfig`; `source` names it in messages.

    Raises:
        ConfigError: as `load_experiment`.
    """
    return validated(parse_toml(text, source), ExperimentConfig, source)
