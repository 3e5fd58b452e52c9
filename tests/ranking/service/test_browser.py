"""The page in a real browser: by mouse, by keyboard alone, on a phone; nothing is fetched from elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from server_kit import Server
from service_kit import Trained

from sharewise.ranking.experiment import Arm, ExperimentPlan, arm_of

playwright = pytest.importorskip("playwright.sync_api", reason="the browser's driver is not installed")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")

PLAN = ExperimentPlan("rankers", (Arm("first"), Arm("second", ranker="other")))
TOML = """
name = "rankers"
fewest = 20
[[arms]]
name = "first"
[[arms]]
name = "second"
ranker = "other"
"""
START = datetime(2026, 1, 1)


def served(folder: Path) -> None:
    """Write a log of some hours in which the second arm's users watch longer."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for hour in range(6):
        user = np.repeat(rng.choice(400, 200, replace=False), 3)
        arms = [arm_of(PLAN, one) for one in user.tolist()]
        watched = 60 * rng.standard_exponential(len(user)) * np.where(np.array(arms) == "second", 2.0, 1.0)
        frame = pl.DataFrame({"user": user, "watched": watched}).with_columns(
            time=pl.lit(START + timedelta(hours=hour)).cast(pl.Datetime("us")),
            arms=pl.Series([f"rankers={arm}" for arm in arms]) if hour > 1 else pl.lit(None, pl.String),
            clicked=pl.Series(rng.random(len(user)) < 0.5),
            liked=pl.Series(rng.random(len(user)) < 0.2),
            dismissed=pl.Series(rng.random(len(user)) < 0.1),
            rating=pl.Series(rng.integers(1, 6, len(user)).astype(float)),
        )
        frame.write_parquet(folder / f"2026-01-01T{hour:02}.parquet")


@pytest.fixture(scope="module")
def server(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("browsed")
    (folder / "experiments").mkdir()
    (folder / "experiments" / "rankers.toml").write_text(TOML)
    served(folder / "log")
    own = ("--log", folder / "log", "--models", trained.root, "--experiments", folder / "experiments")
    with Server(trained.run, trained.candidates, *own) as running:
        for _ in range(100):
            if (
                running.client.get("/experiments").json()[:1]
                and running.client.get("/experiments").json()[0]["looks"]
            ):
                break
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def page(server: Server, browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    width, height = request.param
    found = browser.new_page(viewport={"width": width, "height": height})
    asked: list[str] = []
    found.on("request", lambda one: asked.append(one.url))
    found.goto(f"http://127.0.0.1:{server.port}/")
    yield found
    assert all(url.startswith(f"http://127.0.0.1:{server.port}/") for url in asked)
    found.close()


def test_lists_side_by_side_by_mouse(page: Any) -> None:
    page.get_by_label("user", exact=True).fill("3")
    page.get_by_label("beside item").fill("5")
    page.get_by_label("device").fill("tv")
    page.get_by_label("list", exact=True).select_option("first of rankers")
    page.get_by_label("beside it", exact=True).select_option("second of rankers")
    page.get_by_role("button", name="Show").click()
    lists = page.locator("table.list")
    assert lists.count() == 2
    assert lists.nth(0).locator("tbody tr").count() == 10
    first, second = (lists.nth(n).inner_text() for n in (0, 1))
    assert first != second
    assert "co_watched" in first or "two_tower" in first
    assert page.get_by_label("user", exact=True).input_value() == "3"


def test_by_keyboard_alone(page: Any) -> None:
    page.get_by_label("user", exact=True).focus()
    page.keyboard.type("3")
    for _ in range(12):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.name || document.activeElement.tagName")
        if name == "context.device":
            page.keyboard.type("tv")
        if name == "BUTTON":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("table.list")
    assert page.locator("table.list").count() == 1


def test_the_dashboard_tells_of_the_experiment(page: Any) -> None:
    page.get_by_role("link", name="Experiments").click()
    assert page.url.endswith("#experiments")
    board = page.get_by_role("region", name="Effects of rankers")
    assert board.is_visible()
    row = board.locator("tr", has_text="decides")
    assert "better" in row.inner_text()
    assert page.locator("figure svg[role=img]").count() >= 5
    page.get_by_role("link", name="Versions").click()
    assert page.locator("#changes tbody tr").count() == 1
    page.get_by_role("link", name="Training").click()
    assert page.get_by_text("before training on it").count() >= 5


def test_nothing_reaches_beyond_the_screen(page: Any) -> None:
    page.get_by_label("user", exact=True).fill("3")
    page.get_by_label("device").fill("tv")
    page.get_by_role("button", name="Show").click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_mistake_is_said_where_it_was_made(page: Any) -> None:
    page.get_by_label("user", exact=True).fill("nobody")
    page.get_by_label("device").fill("tv")
    page.get_by_role("button", name="Show").click()
    assert "Write a number" in page.get_by_role("alert").inner_text()
