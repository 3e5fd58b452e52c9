"""The page on ranking names every column and option, and its formulas have the code's numbers."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from sharewise.ranking.log import COLUMNS
from sharewise.ranking.world import WorldOptions
from sharewise.ranking.world.behaviour import EFFECTS, LIKE, STEEP, THRESHOLDS
from sharewise.ranking.world.devices import DEVICES
from sharewise.ranking.world.frames import FEATURES, TRUTH
from sharewise.ranking.world.slates import SOURCES

PAGE = (Path(__file__).parents[2] / "docs" / "ranking.md").read_text(encoding="utf-8").replace("*", "")


@pytest.mark.parametrize(
    "name", [*COLUMNS, *FEATURES, *TRUTH, *(field.name for field in fields(WorldOptions))]
)
def test_every_name_is_explained(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_numbers_are_those_of_the_code() -> None:
    click, watch, good, bad = (EFFECTS[name] for name in ("click", "watch", "satisfaction", "dismiss"))
    for text in (
        f"σ({click.constant} + {click.relevance} r + {click.quality} q + {click.clickbait} b "
        f"+ {click.freshness} f",
        f"σ({watch.relevance} r + {watch.quality} q - {-watch.clickbait} b - {-watch.length} ℓ)",
        f"s = {good.constant} + {good.relevance} r + {good.quality} q - {-good.clickbait} b + g",
        f"σ({bad.constant:g} - {-bad.relevance} r + {bad.clickbait} b)",
        f"σ(s - {-LIKE})",
        f"σ({STEEP} s - t) | t = {', '.join(map(str, THRESHOLDS))}",
        *(f"{device.name} {device.decay}, {device.floor:.2f}" for device in DEVICES),
        *(f"{device.name} {device.length:g}" for device in DEVICES),
        *(f"| `{source.name}` | {source.share:.0%}".replace("%", " %") for source in SOURCES),
    ):
        assert text in PAGE
