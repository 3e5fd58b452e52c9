"""Tables, images and logs in; batches of tensors out: schema, encoding, splits, samplers, the catalog.

No networks and no training here. A `Table` is encoded once into typed tensors; nothing is done row by row.
"""

from sharewise.data import catalog
from sharewise.data.batches import Batch
from sharewise.data.reading import read_frame, scan
from sharewise.data.sampling import SCHEMES, BatchSource
from sharewise.data.schema import Features, Schema
from sharewise.data.splits import ColumnSplit, FractionSplit, GroupSplit, Split, TimeSplit
from sharewise.data.table import Table

__all__ = [
    "SCHEMES",
    "Batch",
    "BatchSource",
    "ColumnSplit",
    "Features",
    "FractionSplit",
    "GroupSplit",
    "Schema",
    "Split",
    "Table",
    "TimeSplit",
    "catalog",
    "read_frame",
    "scan",
]
