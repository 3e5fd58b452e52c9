"""Drawings as SVG text, by a few functions of our own: no plotting library, no scripts, a few kilobytes each.

A plot takes plain values of ``metrics.json`` and returns escaped markup with a title and a description.
"""

from sharewise.report.plots.band import band
from sharewise.report.plots.calibration import calibration
from sharewise.report.plots.cosines import cosines
from sharewise.report.plots.course import course
from sharewise.report.plots.coverage import coverage, transform
from sharewise.report.plots.curves import curves, swatch
from sharewise.report.plots.episodes import fits, guesses
from sharewise.report.plots.forest import forest, marker
from sharewise.report.plots.front import trade_off
from sharewise.report.plots.heat import heat
from sharewise.report.plots.lines import lines
from sharewise.report.plots.pictures import cards

__all__ = [
    "band",
    "calibration",
    "cards",
    "cosines",
    "course",
    "coverage",
    "curves",
    "fits",
    "forest",
    "guesses",
    "heat",
    "lines",
    "marker",
    "swatch",
    "trade_off",
    "transform",
]
