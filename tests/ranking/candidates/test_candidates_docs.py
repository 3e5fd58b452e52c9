"""The page on ranking names every option of candidates, with its default."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from sharewise.ranking.candidates import (
    CoWatchOptions,
    ListOptions,
    PopularOptions,
    TopicOptions,
    TowerOptions,
)
from sharewise.ranking.candidates.options import SOURCES

PAGE = (Path(__file__).parents[3] / "docs" / "ranking.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Candidates")[1].split("\n## ")[0]
OPTIONS = [ListOptions, CoWatchOptions, TopicOptions, TowerOptions, PopularOptions]


@pytest.mark.parametrize("name", [*SOURCES, *(field.name for own in OPTIONS for field in fields(own))])
def test_every_option_and_source_is_explained(name: str) -> None:
    assert f"`{name}`" in SECTION


def test_defaults_are_those_of_the_code() -> None:
    lists, pairs, towers = ListOptions(), CoWatchOptions(), TowerOptions()
    for text in (
        f"| {lists.count}, all alike |",
        f"| {lists.history}, {lists.recent} |",
        f"| {lists.recall_at[0]} and {lists.recall_at[1]}, {lists.recall_rows:,} |",
        f"| {lists.seed}, {lists.checkpoint_every:,} |",
        f"| {pairs.window}, {pairs.half_life:g}, {pairs.shrink:g}, {pairs.neighbours}, {pairs.beside} |",
        f"| {towers.size}, {list(towers.hidden)}, {towers.temperature} |",
        f"| true, {towers.gap_rate}, {towers.drop} |",
        f"| {towers.batch_size}, {towers.learning_rate:g}, {towers.passes}, {towers.most} |",
        f"| {PopularOptions().half_life:g} |",
    ):
        assert text in SECTION
