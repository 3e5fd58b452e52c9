"""The catalog: known data sets, each with tasks, an honest split and honest inputs.

Here lives what is particular to one data set: where its file is found (`locate`), how its columns are read,
and which of them were known at the time of the prediction. Nothing here encodes, trains or measures.
A data set is one file with a `load` function, and one line in `registry.ENTRIES`.
"""

from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.catalog.registry import describe, load, names, options, summarise

__all__ = ["CatalogEntry", "describe", "load", "names", "options", "summarise"]
