"""A live A/B test, rehearsed: MMoE against a shared bottom on a simulated platform, learning as they serve.

Without arguments a few hours of a tiny platform, in a folder that is gone afterwards. `make demo-online`
lives through three days and keeps the dashboard.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from sharewise import files
from sharewise.ranking.options import StreamOptions
from sharewise.ranking.plan import MODEL, RankPlan
from sharewise.ranking.rehearsal import Rehearsal, RehearsalOptions
from sharewise.ranking.service.page import page_state
from sharewise.ranking.world import WorldOptions
from sharewise.report import render_service

#: The same user's list in both arms, on the page.
ASKED = {"user": "7", "left": "rehearsal=bottom", "right": "rehearsal=mmoe", "context.device": "phone"}


def rehearse(out: Path, users: int, hours: int) -> None:
    """Live through an experiment, tell of it hour by hour, and keep its dashboard."""
    mmoe = RankPlan(train=StreamOptions(device="cpu"))
    # As many multiplications as the MMoE: what differs is how the objectives share.
    bottom = replace(MODEL, sharing="shared_bottom", match="multiplications", match_to="mmoe")
    world = WorldOptions(users=users, videos=max(users // 3, 100), requests_per_hour=users // 2)
    options = RehearsalOptions(before=min(hours, 24), hours=hours, learn=12, requests=max(users // 15, 10))
    outcomes = {"guards": {"survey": 0.01}, "fewest": 50}
    rankers = {"bottom": replace(mmoe, model=bottom), "mmoe": mmoe}
    run = Rehearsal(world, rankers, out, options, outcomes, heard=print)
    for look in run.run():
        found = {one.outcome: one for one in look.readings}
        told = [f"{name} {one.change:+.1%} [{one.low:+.1%}, {one.high:+.1%}]" for name, one in found.items()]
        print(f"{look.time}  users {sum(look.users.values())}  {', '.join(told[:3])}  {look.advice}")
    assert run.service is not None
    asked = {**ASKED, **{f"context.{name}": "" for name in run.service.health()["context"]["must"]}}
    page = render_service(page_state(run.service, {**asked, "context.device": "phone"}, 200))
    files.write_bytes(out / "dashboard.html", page.encode())
    print(f"The dashboard is {(out / 'dashboard.html').absolute()}")
    print(f"The same, live: sharewise rank serve {out}/models/mmoe {out}/models/candidates --log {out}/live")


def main() -> None:
    parser = argparse.ArgumentParser(description="A live A/B test, rehearsed.")
    parser.add_argument("--out", type=Path, help="a new folder; left out, nothing is kept")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--hours", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.out is not None:
        rehearse(chosen.out, chosen.users, chosen.hours)
        return
    with tempfile.TemporaryDirectory() as folder:
        rehearse(Path(folder) / "online", chosen.users, chosen.hours)


if __name__ == "__main__":
    main()
