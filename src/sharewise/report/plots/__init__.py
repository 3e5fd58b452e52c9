"""Drawings as SVG text, by a few functions of our own: no plotting library, no scripts, a few kilobytes each.

A plot takes plain values of ``metrics.json`` and returns escaped markup with a title and a description.
"""

from sharewise.report.plots.calibration import calibration
from sharewise.report.plots.cosines import cosines
from sharewise.report.plots.curves import curves, swatch
from sharewise.report.plots.forest import forest, marker
from sharewise.report.plots.heat import heat

__all__ = ["calibration", "cosines", "curves", "forest", "heat", "marker", "swatch"]
