"""Evidence -> a page and terminal tables. Nothing is computed here that ``metrics.json`` does not hold.

Lives here: the template, plots, how numbers look. Not here: what is said of them (study), who asks (cli).
"""

from sharewise.report.experiment import render_experiment, write_experiment_page
from sharewise.report.fewshot import render_fewshot, write_fewshot_page
from sharewise.report.page import render, write_report
from sharewise.report.ranking import render_ranking, write_ranking_page
from sharewise.report.service import render_service
from sharewise.report.terminal import print_comparison

__all__ = [
    "print_comparison",
    "render",
    "render_experiment",
    "render_fewshot",
    "render_ranking",
    "render_service",
    "write_experiment_page",
    "write_fewshot_page",
    "write_ranking_page",
    "write_report",
]
