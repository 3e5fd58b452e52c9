"""Learners whose adaptation is solved: a linear last layer on features that all tasks share."""

from sharewise.meta.closed_form.alpaca import ALPaCA
from sharewise.meta.closed_form.ridge import R2D2

__all__ = ["R2D2", "ALPaCA"]
