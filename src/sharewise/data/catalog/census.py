"""Census-Income (KDD): what people earn and whether they ever married, from the surveys of 1994 and 1995.

The tasks are those of Ma et al. (KDD 2018), section 6.1: group 1 is income and marriage, group 2 education
and marriage. Education and marital status are never inputs, in either group, so that results of the two
compare; nor is `instance_weight`, which says how many people a row stands for.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import torch

from sharewise.data.catalog import locate
from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.catalog.locate import Resource
from sharewise.data.schema import Features
from sharewise.data.splits import ColumnSplit
from sharewise.errors import ConfigError
from sharewise.streams import stream
from sharewise.tasks import Task

SOURCE = "https://archive.ics.uci.edu/dataset/117/census+income+kdd"
# The checksum is that of a public copy of the archive's file under the same name.
ORIGINAL = Resource(
    "census-income/census-income.test.gz",
    sha256="5ac4cacd3ca9f1ecb10de1a0a41e4ac68fdc419e3fec190f5c0c6cc03b2ea659",
    address="https://archive.ics.uci.edu/ml/machine-learning-databases/census-income-mld/census-income.test.gz",
)
CONVERTED = Resource(
    "census-income/census_income_test.parquet",
    sha256="cd860aef33ef9aa577a9ff4159ca4d4c3fbb96645ea4312470d9a90bf6eb6fe4",
)

_COLUMNS = """
age class_worker det_ind_code det_occ_code education wage_per_hour hs_college marital_stat
major_ind_code major_occ_code race hisp_origin sex union_member unemp_reason full_or_part_emp
capital_gains capital_losses stock_dividends tax_filer_stat region_prev_res state_prev_res
det_hh_fam_stat det_hh_summ instance_weight mig_chg_msa mig_chg_reg mig_move_reg mig_same
mig_prev_sunbelt num_emp fam_under_18 country_father country_mother country_self citizenship
own_or_self vet_question vet_benefits weeks_worked year income_50k
"""
COLUMNS = tuple(_COLUMNS.split())
NUMERIC = (
    "age",
    "wage_per_hour",
    "capital_gains",
    "capital_losses",
    "stock_dividends",
    "num_emp",
    "weeks_worked",
)
NOT_INPUTS = ("education", "marital_stat", "instance_weight", "income_50k")

COLLEGE = (
    "Some college but no degree",
    "Associates degree-occup /vocational",
    "Associates degree-academic program",
    "Bachelors degree(BA AB BS)",
    "Masters degree(MA MS MEng MEd MSW MBA)",
    "Prof school degree (MD DDS DVM LLB JD)",
    "Doctorate degree(PhD EdD)",
)
_ANY_COLLEGE = "education IN (" + ", ".join(f"'{level}'" for level in COLLEGE) + ")"

INCOME = Task("income", "binary", "income_50k = '50000+.'", text="the person earns more than 50,000 dollars")
COLLEGE_TASK = Task("college", "binary", _ANY_COLLEGE, text="the person has been to college")
NEVER_MARRIED = Task(
    "never_married", "binary", "marital_stat = 'Never married'", text="the person never married"
)
GROUPS = {1: (INCOME, NEVER_MARRIED), 2: (COLLEGE_TASK, NEVER_MARRIED)}


def load(group: int = 1, train_rows: int = 70_000, seed: int = 0) -> CatalogEntry:
    """99,762 people of the US census surveys of 1994 and 1995: income, education, marriage.

    Args:
        group: 1 for income over 50,000 dollars and never married; 2 for college (some college or any degree)
            and never married.
        train_rows: rows to train on; of the others one half validates and one half tests.
        seed: draws the split.

    The rows are the test half of the original (the one most copies carry), split anew: figures
    compare within a run, not with papers that train on the other half.
    """
    if group not in GROUPS:
        raise ConfigError(f"The census has no task group {group}.", "Use group 1 or group 2.")
    table = _table()
    if not 0 < train_rows <= len(table) - 2:
        raise ConfigError(
            f"{train_rows} of {len(table)} rows cannot be trained on.", f"Use 1 to {len(table) - 2} rows."
        )
    inputs = [column for column in COLUMNS if column not in NOT_INPUTS]
    return CatalogEntry(
        name="census-income",
        frame=table.with_columns(_split(len(table), train_rows, seed)),
        tasks=GROUPS[group],
        description=(
            "People of the US census surveys of 1994 and 1995 with 31 categorical and 7 numeric inputs. "
            "Education and marital status are no inputs, as in the MMoE paper."
        ),
        source=SOURCE,
        licence="CC BY 4.0",
        split=ColumnSplit("split"),
        features=Features(
            keep=tuple(inputs),
            kinds={name: "numeric" if name in NUMERIC else "categorical" for name in inputs},
        ),
    )


def _table() -> pl.DataFrame:
    converted = locate.find(CONVERTED)
    if converted is not None:
        return pl.read_parquet(converted)
    return read_original(locate.locate(ORIGINAL))


def read_original(path: Path) -> pl.DataFrame:
    """Read the archive's file: no header, fields padded with blanks, gaps as "?" (a category of its own)."""
    with gzip.open(path) as file:
        table = pl.read_csv(file.read(), has_header=False, new_columns=COLUMNS, infer_schema=False)
    text = table.select(pl.all().str.strip_chars())
    return text.with_columns(pl.col(*NUMERIC).cast(pl.Int32), pl.col("instance_weight").cast(pl.Float32))


def _split(rows: int, train: int, seed: int) -> pl.Series:
    place = torch.empty(rows, dtype=torch.int64)
    place[torch.randperm(rows, generator=stream(seed, "census split"))] = torch.arange(rows)
    test = train + (rows - train) // 2
    part = (place >= train).long() + (place >= test).long()
    names = pl.Series("split", ["train", "valid", "test"])
    return names.gather(pl.Series(part.numpy())).alias("split")
