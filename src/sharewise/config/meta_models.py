"""The tables of a meta-learning configuration. Every key has the name of the argument that it becomes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from sharewise.config.models import LabelConfig, SplitConfig
from sharewise.config.options import Section, checked, mistake
from sharewise.data import Features
from sharewise.data.episodes import Condition
from sharewise.errors import ConfigError, SharewiseError, nearest
from sharewise.meta import LEARNERS, Learner, NetOptions, Spec, make_learner, options_of
from sharewise.meta.make import BASELINES
from sharewise.study.fewshot import FewShotPlan
from sharewise.train.meta_options import MetaOptions


def _span(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    pair = isinstance(value, (list, tuple)) and len(value) == 2 and all(type(v) is int for v in value)
    if not (whole or pair):
        raise mistake(
            ConfigError(f"{value!r} is no number of them.", "Use a whole number, or a pair [2, 5].")
        )
    return tuple(value) if pair else value


#: A whole number, or a pair (from, to) that is drawn from anew for every batch of episodes.
Span = Annotated[int | tuple[int, int], BeforeValidator(_span)]


class EpisodeDataConfig(Section):
    """``[data]``: where tasks come from.

    Attributes:
        source: a name of the episode catalog; or a path or glob of tables; or a folder of images with a
            sub-folder a class. Paths are relative to the configuration's folder.
        options: of a catalog name (``split`` of omniglot), or of a folder of images (``size``, ``colour``,
            ``valid``, ``test``, ``seed``, ``within``).
        task_column: of a table: whose value is a row's task.
        split: of a table's *tasks*; by default a tenth of them each to choose by and to test.
        features: of a table: which columns are inputs, and of what kind.
        order: of a table: the column, such as the time, by which support rows come before query rows.
    """

    source: str
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    task_column: str | None = None
    split: SplitConfig | None = None
    features: Annotated[Features, checked(Features)] | None = None
    order: str | None = None


class EpisodesConfig(Section):
    """``[episodes]``: what an episode looks like; what is left out is as usual for the data."""

    shots: Span | None = None
    queries: int | None = None
    ways: Span | None = None

    @model_validator(mode="after")
    def _check(self) -> EpisodesConfig:
        try:
            self.over(Condition())
        except SharewiseError as error:
            raise mistake(error) from error
        return self

    def over(self, usual: Condition) -> Condition:
        """Return the condition, with what is left out taken from `usual`."""
        own = {key: value for key, value in self.model_dump().items() if value is not None}
        return Condition(**{**usual.to_dict(), **own})


class LearnerConfig(Section):
    """``[learner]``: what learns; the learner's own options are keys beside its name.

    Attributes:
        name: of `sharewise list`.
        seed: of its initial weights.
        net: what its network is made of.
    """

    model_config = ConfigDict(extra="allow")

    name: str = "maml"
    seed: int = 0
    net: Annotated[NetOptions, checked(NetOptions)] = NetOptions()

    @model_validator(mode="after")
    def _check(self) -> LearnerConfig:
        if self.name not in LEARNERS:
            error = ConfigError(f"Learner '{self.name}' is unknown.", nearest(self.name, tuple(LEARNERS)))
            raise mistake(error)
        problems = [text for key, value in self.own.items() if (text := self._problem(key, value))]
        if problems:
            raise mistake(ConfigError(" ".join(problems[:-1]), problems[-1]))
        return self

    @property
    def own(self) -> dict[str, Any]:
        """The learner's own options that were given."""
        return dict(self.model_extra or {})

    @property
    def options(self) -> dict[str, Any]:
        """All of the learner's own options, defaults among them."""
        return {**options_of(self.name), **self.own}

    def build(self, spec: Spec) -> Learner:
        """Return the learner, untrained."""
        return make_learner(self.name, spec, seed=self.seed, net=self.net, **self.own)

    def _problem(self, key: str, value: Any) -> str | None:
        defaults = options_of(self.name)
        if key not in defaults:
            hint = nearest(key, [*defaults, *LearnerConfig.model_fields])
            return f"Learner '{self.name}' takes no '{key}'. {hint}"
        wanted = type(defaults[key])
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if fits and (wanted is bool or not isinstance(value, bool)):
            return None
        words = {bool: "true or false", int: "a whole number", float: "a number"}
        return f"Learner '{self.name}' has {key} = {value!r}. Use {words.get(wanted, 'a text')}."


class EvaluateConfig(Section):
    """``[evaluate]``: how the learner is tested, beside baselines.

    Attributes:
        episodes: test episodes at every number of shots.
        shots: numbers of examples to test with; by default 1, 5 and 10, as far as the data has so many.
        steps: of adaptation to test after, for learners that take steps.
        baselines: what the learner is compared with; by default all that can learn the labels.
        seed: of the test episodes.
    """

    episodes: int = 600
    shots: tuple[int, ...] | None = None
    steps: tuple[int, ...] = (0, 1, 5, 10)
    baselines: tuple[str, ...] | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _check(self) -> EvaluateConfig:
        try:
            self.plan()
        except SharewiseError as error:
            raise mistake(error) from error
        for name in self.baselines or ():
            if name not in BASELINES:
                raise mistake(ConfigError(f"Baseline '{name}' is unknown.", nearest(name, BASELINES)))
        return self

    def plan(self) -> FewShotPlan:
        """Return the plan of the measurement."""
        return FewShotPlan(self.episodes, self.shots or (), self.steps, self.seed)


class MetaConfig(Section):
    """All of a meta-learning run. `load_meta_config` reads it from TOML, `to_toml` writes it."""

    data: EpisodeDataConfig
    task: LabelConfig | None = None
    episodes: EpisodesConfig = EpisodesConfig()
    learner: LearnerConfig = LearnerConfig()
    train: Annotated[MetaOptions, checked(MetaOptions)] = MetaOptions()
    evaluate: EvaluateConfig = EvaluateConfig()
