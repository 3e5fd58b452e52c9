"""Two small classics that come with the package river (BSD): 14 labels a row, and three counts a row."""

from __future__ import annotations

import gzip
import io
import zipfile

import polars as pl

from sharewise.data.catalog import locate
from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.schema import Features
from sharewise.data.splits import FractionSplit
from sharewise.tasks import Task

YEAST_FEATURES = tuple(f"Att{i}" for i in range(1, 104))
YEAST_LABELS = tuple(f"Class{i}" for i in range(1, 15))
FLARES = {"c_class_flares": "common", "m_class_flares": "moderate", "x_class_flares": "severe"}


def load_yeast(seed: int = 0) -> CatalogEntry:
    """2,417 genes of yeast with 103 measurements and 14 functional classes (Elisseeff and Weston, 2002).

    Args:
        seed: draws the split.
    """
    content = gzip.decompress(locate.package_file("river", "datasets/yeast.csv.gz", "catalog").read_bytes())
    return CatalogEntry(
        name="yeast",
        frame=pl.read_csv(io.BytesIO(content), schema_overrides=dict.fromkeys(YEAST_FEATURES, pl.Float32)),
        tasks=tuple(Task(name, "binary", text=f"the gene has function {name}") for name in YEAST_LABELS),
        description="Genes of yeast: micro-array expression and phylogenetic profiles; 14 binary tasks.",
        source="https://www.openml.org/d/40597",
        licence="public; the copy comes with river (BSD-3-Clause)",
        split=FractionSplit(valid=0.2, test=0.2, seed=seed),
        features=Features(keep=YEAST_FEATURES, kinds=dict.fromkeys(YEAST_FEATURES, "numeric")),
    )


def load_solar_flare(seed: int = 0) -> CatalogEntry:
    """1,066 active regions of the sun: how many flares of three classes each produces in 24 hours.

    Args:
        seed: draws the split.
    """
    path = locate.package_file("river", "datasets/solar-flare.csv.zip", "catalog")
    with zipfile.ZipFile(path) as archive:
        table = pl.read_csv(io.BytesIO(archive.read(archive.namelist()[0])))
    table = table.rename(lambda name: name.replace("-", "_"))
    inputs = tuple(name for name in table.columns if name not in FLARES)
    return CatalogEntry(
        name="solar-flare",
        frame=table,
        tasks=tuple(Task(name, "count", text=f"{how} flares in 24 hours") for name, how in FLARES.items()),
        description="Active regions of the sun, described by ten categories; three counts of flares.",
        source="https://archive.ics.uci.edu/dataset/89/solar+flare",
        licence="CC BY 4.0; the copy comes with river (BSD-3-Clause)",
        split=FractionSplit(valid=0.2, test=0.2, seed=seed),
        features=Features(keep=inputs, kinds=dict.fromkeys(inputs, "categorical")),
    )
