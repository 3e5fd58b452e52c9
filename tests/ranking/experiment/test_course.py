"""Experiments in a log: who counts, what comes before, looks, alarms, the command and its page."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sharewise.cli.main import main
from sharewise.config.experiment import parse_experiment
from sharewise.errors import ConfigError
from sharewise.ranking.experiment import Arm, ExperimentPlan, UserSums, Watch, arm_of
from sharewise.ranking.experiment.course import Course

START = datetime(2026, 1, 1)
PLAN = ExperimentPlan("pace", (Arm("slow"), Arm("fast")), fewest=20)
TOML = 'name = "pace"\nfewest = 20\n[[arms]]\nname = "slow"\n[[arms]]\nname = "fast"\n'


def hour(
    number: int, plan: ExperimentPlan | None = None, lift: float = 1.0, users: int = 300
) -> pl.DataFrame:
    """Return an hour's rows; the second arm watches `lift` times as long."""
    rng = np.random.default_rng(number)
    user = np.repeat(rng.choice(users, users // 2, replace=False), 4)
    arms = [None if plan is None else arm_of(plan, one) for one in user.tolist()]
    factor = np.array([lift if plan and arm == plan.arm_names[1] else 1.0 for arm in arms])
    clicked = rng.random(len(user)) < 0.5
    taste = np.exp(0.5 * np.random.default_rng(99).standard_normal(users))[user]
    watched = np.where(clicked, 60 * taste * factor * rng.standard_exponential(len(user)), np.nan)
    rating = np.where(clicked & (rng.random(len(user)) < 0.5), rng.integers(1, 6, len(user)), np.nan)
    return pl.DataFrame(
        {
            "time": pl.Series([START + timedelta(hours=number)] * len(user)).cast(pl.Datetime("us")),
            "user": user,
            "arms": pl.Series(
                [f"other=x;{plan.name}={a}" if plan and a else None for a in arms], dtype=pl.String
            ),
            "clicked": clicked,
            "watched": pl.Series(watched, nan_to_null=True),
            "liked": clicked & (rng.random(len(user)) < 0.3),
            "dismissed": ~clicked & (rng.random(len(user)) < 0.1),
            "rating": pl.Series(rating, nan_to_null=True),
        }
    )


def write(folder: Path, plan: ExperimentPlan = PLAN, hours: int = 12, lift: float = 1.0) -> Path:
    """Write a log whose first third is before the experiment."""
    folder.mkdir()
    for number in range(hours):
        frame = hour(number, plan if 3 * number >= hours else None, lift)
        frame.write_parquet(folder / f"2026-01-01T{number:02}.parquet")
    return folder


def test_sums_are_those_of_each_user(tmp_path: Path) -> None:
    frames = [hour(n, PLAN if n >= 2 else None) for n in range(5)]
    sums = UserSums(PLAN)
    for frame in frames:
        sums.see(frame)
    before, since = pl.concat(frames[:2]), pl.concat(frames[2:])
    users = since.select("user", "arms").unique()
    assert sums.users() == {
        arm: users.filter(pl.col("arms").str.ends_with(f"={arm}")).height for arm in PLAN.arm_names
    }
    for place, name in enumerate(("watched", "clicked", "liked", "dismissed")):
        for arm, own in sums.arms().items():
            rows = since.filter(pl.col("arms").str.ends_with(f"={arm}"))
            assert own.by(place).value.sum() == pytest.approx(rows[name].cast(pl.Float64).sum())
            known = before.join(rows.select("user").unique(), on="user")
            assert own.by(place).value_before.sum() == pytest.approx(known[name].cast(pl.Float64).sum())
            assert own.by(place).rows_before.sum() == len(known)
    survey = sums.arms()["fast"].by(4)
    rated = since.filter(pl.col("arms").str.ends_with("=fast"))["rating"].drop_nulls()
    assert survey.value.sum() / survey.per.sum() == pytest.approx(rated.mean())


def test_the_order_of_stretches_is_all_that_counts() -> None:
    frames = [hour(n, PLAN if n >= 1 else None) for n in range(3)]
    apart, whole = UserSums(PLAN), UserSums(PLAN)
    for frame in frames:
        apart.see(frame)
    whole.see(pl.concat(frames))
    one, two = (Watch(PLAN).look(sums, "now") for sums in (apart, whole))
    assert one.users == two.users
    for first, second in zip(one.readings, two.readings, strict=True):
        assert first.change == pytest.approx(second.change)
        assert first.low == pytest.approx(second.low)


def test_users_in_two_arms_count_in_none() -> None:
    frame = hour(0, PLAN)
    turned = frame.head(4).with_columns(
        arms=pl.lit("pace=" + ("slow" if frame["arms"][0].endswith("fast") else "fast"))
    )
    sums = UserSums(PLAN)
    sums.see(pl.concat([frame, turned]))
    assert sums.crossed() == 1
    assert sum(sums.users().values()) == frame["user"].n_unique() - 1


def test_rows_outside_of_the_experiment_count_only_before_it() -> None:
    sums = UserSums(PLAN)
    sums.see(hour(0))
    sums.see(hour(1, PLAN))
    once = sums.arms()["slow"].by(0).value_before.sum()
    sums.see(hour(2))
    assert sums.arms()["slow"].by(0).value_before.sum() == once > 0


def test_an_effect_is_found_and_stays_found(tmp_path: Path) -> None:
    course = Course(PLAN, write(tmp_path / "log", lift=1.6))
    looks = course.advance()
    assert [look.time[-2:] for look in looks] == [f"{n:02}" for n in range(4, 12)]
    last = {reading.outcome: reading for reading in looks[-1].readings}
    assert last["time_spent"].verdict == "better"
    assert last["time_spent"].low > 0
    assert last["time_spent"].saved > 0.1
    assert last["clicks"].verdict == "can't tell yet"
    assert (looks[-1].advice, looks[-1].winner) == ("winner", "fast")
    p = [r.p for look in looks for r in look.readings if r.outcome == "time_spent"]
    assert p == sorted(p, reverse=True)
    assert course.advance() == []  # nothing new


def test_a_guard_speaks_before_the_winner(tmp_path: Path) -> None:
    arms = (Arm("slow"), Arm("fast"))
    plan = ExperimentPlan("pace", arms, primary="clicks", guards={"time_spent": 0.05}, fewest=20)
    look = Course(plan, write(tmp_path / "log", plan, lift=0.5)).advance()[-1]
    assert (look.advice, look.winner) == ("guard", "fast")
    assert [r.outcome for r in look.readings if r.breached] == ["time_spent"]


def test_lost_users_are_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    for number in range(6):
        frame = hour(number, PLAN, users=4000)
        lost = pl.col("arms").str.ends_with("=fast") & (pl.col("user") % 3 == 0)
        frame.filter(~lost).write_parquet(folder / f"{number}.parquet")
    assert Course(PLAN, folder).advance()[-1].advice == "mismatch"


def test_partitions_that_cannot_be_read_are_set_aside(tmp_path: Path) -> None:
    folder = write(tmp_path / "log")
    (folder / "2026-01-01T05.parquet").write_bytes(b"no parquet")
    hour(7).drop("user").write_parquet(folder / "2026-01-01T07.parquet")
    course = Course(PLAN, folder)
    assert len(course.advance()) == 6
    assert [entry.name[-10:-8] for entry in course.ledger.aside] == ["05", "07"]
    assert "no column 'user'" in course.ledger.aside[1].reason


def test_other_names_of_columns(tmp_path: Path) -> None:
    plain, renamed = write(tmp_path / "one"), tmp_path / "two"
    renamed.mkdir()
    for path in plain.glob("*.parquet"):
        pl.read_parquet(path).rename({"user": "member", "watched": "secs"}).write_parquet(renamed / path.name)
    one = Course(PLAN, plain).advance()
    two = Course(PLAN, renamed, {"user": "member", "watched": "secs"}).advance()
    assert one == two


@pytest.mark.parametrize(
    "change, words",
    [
        ('[[outcomes]]\nname = "x"\nvalue = "nope"\n', "reads 'nope'"),
        ('[[outcomes]]\nname = "x"\nvalue = "watched +"\n', "no SQL"),
        ('[[outcomes]]\nname = "x"\nvalue = "SUM(watched)"\n', "not one a row"),
        ('[[outcomes]]\nname = "x"\nvalue = "1 / (watched - watched)"\n', "no finite number"),
    ],
)
def test_outcomes_that_cannot_be_computed(tmp_path: Path, change: str, words: str) -> None:
    plan = parse_experiment(TOML + change).plan()
    with pytest.raises(ConfigError, match=words):
        Course(plan, write(tmp_path / "log", plan)).advance()


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "name"),
        (TOML.replace("pace", "p=p"), "p=p"),
        (TOML + 'ranker = "a"\nrankr = "b"\n', "Did you mean 'ranker'"),
        (TOML.replace("fewest", "fewst"), "Did you mean 'fewest'"),
        (TOML + "[guards]\nlikes = 2.0\n", "guard on 'likes'"),
        (TOML + 'blend = { kind = "max" }\n', "blend"),
        (TOML + "blend = { wieghts = {} }\n", "wieghts"),
        (TOML + '[[outcomes]]\nname = "x"\nvalue = "1"\nbetter = "up"\n', "better 'up'"),
        (TOML + '[[outcomes]]\nname = "x"\nvalue = " "\n', "has no value"),
        ("name = ", "not valid TOML"),
    ],
)
def test_files_that_cannot_be_used(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_experiment(text)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run the command; return its code and what it printed."""
    with pytest.raises(SystemExit) as left:
        main(["rank", "experiment", *map(str, arguments)])
    printed = capsys.readouterr()
    return int(left.value.code or 0), " ".join((printed.out + printed.err).split())


def test_the_command_and_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write(tmp_path / "log", lift=1.6)
    (tmp_path / "pace.toml").write_text(TOML)
    out = tmp_path / "pages" / "pace.html"
    code, said = run(capsys, tmp_path / "pace.toml", log, "--out", out)
    assert code == 0, said
    assert "fast is better" in said
    numbers = json.loads(out.with_suffix(".json").read_text())
    assert numbers["looks"][-1]["winner"] == "fast"
    page = out.read_text()
    assert "time_<wbr>spent" in page
    assert "A false alarm" in page  # both arms answer alike, as far as the file says


@pytest.mark.parametrize(
    "change, words",
    [
        ({"log": "nowhere"}, "no folder"),
        ({"plan": "nowhere.toml"}, "There is no file"),
        ({"out": "page.txt"}, ".html"),
    ],
)
def test_a_command_that_cannot_be_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], words: str
) -> None:
    write(tmp_path / "log", hours=3)
    (tmp_path / "pace.toml").write_text(TOML)
    given = {"plan": "pace.toml", "log": "log", "out": "page.html", **change}
    plan, log, out = (tmp_path / value for value in given.values())
    code, said = run(capsys, plan, log, "--out", out)
    assert code == 2
    assert words in said
    assert not (tmp_path / "page.html").exists()
