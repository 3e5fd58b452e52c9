"""The catalog of episodes: known collections of tasks, apart in three splits.

An entry is one file with a `load` function, and one line in `registry.ENTRIES`.
"""

from sharewise.data.episodes.catalog.registry import describe, load, names, options, summarise

__all__ = ["describe", "load", "names", "options", "summarise"]
