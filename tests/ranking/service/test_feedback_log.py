"""From lists and feedback to partitions: every impression once, whenever the process dies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sharewise import files
from sharewise.errors import ConfigError, DataError, SharewiseError
from sharewise.ranking.log import COLUMNS
from sharewise.ranking.prepared import Shown
from sharewise.ranking.service import FeedbackLog
from sharewise.ranking.tables import plain

#: 2026-01-01T10:30, in microseconds.
START = 1_767_263_400_000_000
HOUR = 3_600_000_000
NAME = "2026-01-01T10.parquet"


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


def listed(items: list[Any], **features: list[Any]) -> Shown:
    own = {"item": items, "source": ["new"] * len(items)}
    frame = plain(pl.DataFrame({**own, **features}))
    types = {name: str(dtype) for name, dtype in frame.schema.items() if dtype != pl.Null}
    types |= {"user": "Int64", "query": "Int64"}
    return Shown([], types, {"user": 7, "query": None}, frame.to_dict(as_series=False))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_partition_has_the_logs_columns_and_every_impression_once(tmp_path: Path, clock: Clock) -> None:
    log = FeedbackLog(tmp_path, now=clock)
    first = log.serve(listed([4, 5, 6], length=[1.5, float("nan"), 3.0], kind=["a", "a", "a"]), {}, "v")
    clock.now += 1
    second = log.serve(listed([9], length=[2.0], kind=[None]), {}, "v")
    assert (first, second) == (START, START + 1)
    log.take(second, [{"item": 9, "clicked": True}])
    log.take(first, [{"item": 4, "clicked": True}, {"item": 6, "dismissed": True, "position": 9}])
    log.take(first, [{"item": 4, "watched": 12.0, "liked": True}])  # what came later
    log.take(first, [{"item": 4, "clicked": True}])  # and once more
    clock.now += 2 * HOUR
    assert log.collect() == [tmp_path / NAME]
    frame = pl.read_parquet(tmp_path / NAME)
    assert {name: frame.schema[name] for name in COLUMNS if name in frame.columns} == {
        name: dtype for name, (dtype, _) in COLUMNS.items() if name in frame.columns
    }
    assert frame["request"].to_list() == [first, first, second]
    assert frame["item"].to_list() == [4, 6, 9]
    assert frame["position"].to_list() == [1, 9, 1]
    assert frame["clicked"].to_list() == [True, False, True]
    assert frame["watched"].to_list() == [12.0, None, None]
    assert frame["liked"].to_list() == [True, False, False]
    assert frame["length"].to_list() == [1.5, 3.0, 2.0]
    assert frame["kind"].to_list() == ["a", "a", None]
    assert frame["time"].dt.epoch("us").to_list() == frame["request"].to_list()
    assert log.collect() == []
    assert log.state() == {}


def test_names_of_ones_own_are_written(tmp_path: Path, clock: Clock) -> None:
    log = FeedbackLog(tmp_path, now=clock)
    request = log.serve(listed(["x"], length=[1.0]), {"user": "member", "clicked": "played"}, "v")
    log.take(request, [{"item": "x", "clicked": True, "next": True}])
    clock.now += 2 * HOUR
    frame = pl.read_parquet(log.collect()[0])
    assert {"member", "played", "next", "length"} <= set(frame.columns)
    assert not {"user", "clicked"} & set(frame.columns)


def test_what_cannot_be_is_refused_and_nothing_of_it_counts(tmp_path: Path, clock: Clock) -> None:
    log = FeedbackLog(tmp_path, now=clock)
    request = log.serve(listed([1, 2]), {}, "v")
    for wrong, events, words in (
        (request + 5, [{"item": 1}], "no request"),
        (request, [{"item": 1, "clicked": True}, {"item": 3}], "not in the list"),
        (request - HOUR, [{"item": 1}], "is over"),
        (2**63 - 1, [{"item": 1}], "no request"),
    ):
        with pytest.raises(DataError, match=words):
            log.take(wrong, events)
    clock.now += 2 * HOUR
    assert log.collect() == []
    with pytest.raises(DataError, match="is over"):
        log.take(request, [{"item": 1}])
    assert not list(tmp_path.glob("*.parquet"))  # a list that nobody told of is no impression


def test_lists_take_feedback_until_their_hour_has_settled(tmp_path: Path, clock: Clock) -> None:
    log = FeedbackLog(tmp_path, settle=60.0, now=clock)
    request = log.serve(listed([1]), {}, "v")
    clock.now = START + HOUR // 2 + 59_000_000
    assert log.collect() == []
    log.take(request, [{"item": 1, "clicked": True}])
    clock.now += 1_000_000
    assert len(log.collect()) == 1


@pytest.mark.parametrize("moment", ["before", "written", "hour over"])
def test_a_process_that_dies_loses_and_repeats_nothing(
    tmp_path: Path, clock: Clock, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = FeedbackLog(tmp_path, now=clock)
    request = log.serve(listed([1, 2]), {}, "v")
    log.take(request, [{"item": 1, "clicked": True}])
    if moment == "written":  # dies between the partition and the end of its journal
        clock.now += 2 * HOUR
        with monkeypatch.context() as patched:
            patched.setattr(files, "remove", _dies)
            with pytest.raises(KeyboardInterrupt):
                log.collect()
        assert (tmp_path / NAME).exists()
    log.close()
    if moment == "hour over":
        clock.now += 2 * HOUR
    again = FeedbackLog(tmp_path, now=clock)
    if moment == "before":
        assert again.serve(listed([3]), {}, "v") > request  # numbers never come again
        again.take(request, [{"item": 2}])
        clock.now += 2 * HOUR
    again.collect()
    frame = pl.read_parquet(tmp_path / NAME)
    assert frame["item"].to_list() == ([1, 2] if moment == "before" else [1])
    assert frame["clicked"].to_list()[0] is True
    assert not list((tmp_path / "journal").glob("*.jsonl"))


def _dies(path: Path) -> None:
    if path.suffix == ".jsonl":
        raise KeyboardInterrupt


def test_a_partition_that_cannot_be_written_is_tried_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = FeedbackLog(tmp_path, now=clock)
    request = log.serve(listed([1]), {}, "v")
    log.take(request, [{"item": 1}])
    clock.now += 2 * HOUR
    with monkeypatch.context() as patched:
        patched.setattr(files, "write_bytes", _full)
        with pytest.raises(SharewiseError, match="no space"):
            log.collect()
    assert len(log.collect()) == 1


def _full(*_: object) -> None:
    raise SharewiseError("There is no space.", "Free some.")


def test_one_service_alone_writes_a_log(tmp_path: Path, clock: Clock) -> None:
    log = FeedbackLog(tmp_path, now=clock)
    with pytest.raises(ConfigError, match="Another service"):
        FeedbackLog(tmp_path, now=clock)
    log.close()
    FeedbackLog(tmp_path, now=clock).close()


def test_a_clock_that_is_set_back_doubles_no_number(tmp_path: Path, clock: Clock) -> None:
    log = FeedbackLog(tmp_path, now=clock)
    first = log.serve(listed([1]), {}, "v")
    clock.now -= 1000
    assert log.serve(listed([1]), {}, "v") == first + 1
