"""The tables of a run of candidates. Every key has the name of the argument that it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import model_validator

from sharewise.config.load import located, parse_toml, read_text, validated
from sharewise.config.options import Section, checked, mistake
from sharewise.config.rank_train import RankLogConfig
from sharewise.errors import SharewiseError
from sharewise.ranking.candidates.options import (
    CoWatchOptions,
    ListOptions,
    PopularOptions,
    TopicOptions,
    TowerOptions,
)
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.options import Follow


class CandidatesConfig(Section):
    """All of a run of candidates. `load_candidates_config` reads it from TOML, `to_toml` writes it.

    ``[log]`` is that of a ranker's training; what it says of features does not matter here.
    """

    log: RankLogConfig
    candidates: Annotated[ListOptions, checked(ListOptions)] = ListOptions()
    co_watched: Annotated[CoWatchOptions, checked(CoWatchOptions)] = CoWatchOptions()
    topics: Annotated[TopicOptions, checked(TopicOptions)] = TopicOptions()
    two_tower: Annotated[TowerOptions, checked(TowerOptions)] = TowerOptions()
    popular: Annotated[PopularOptions, checked(PopularOptions)] = PopularOptions()
    follow: Annotated[Follow, checked(Follow)] = Follow()

    @model_validator(mode="after")
    def _check(self) -> CandidatesConfig:
        try:
            self.plan()
        except SharewiseError as error:
            raise mistake(error) from error
        return self

    def plan(self) -> CandidatePlan:
        """Return the plan."""
        names = [name for name in type(self).model_fields if name not in ("log", "follow")]
        return CandidatePlan(log=self.log.build(), **{name: getattr(self, name) for name in names})


def load_candidates_config(path: str | Path) -> CandidatesConfig:
    """Read a configuration file; a relative `source` is taken from the file's folder.

    Raises:
        ConfigError: if the file cannot be read, is not TOML, or has keys or values that are not valid.
    """
    path = Path(path)
    return parse_candidates_config(read_text(path), source=path.name, folder=path.parent)


def parse_candidates_config(
    text: str, source: str = "The configuration", folder: Path = Path()
) -> CandidatesConfig:
    """Turn TOML text into a `CandidatesConfig`; `source` names it in messages.

    Raises:
        ConfigError: as `load_candidates_config`.
    """
    config = validated(parse_toml(text, source), CandidatesConfig, source)
    where = located(config.log.source, (), folder)
    return config.model_copy(update={"log": config.log.model_copy(update={"source": where})})
