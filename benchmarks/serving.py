"""Speed of the ranking service: one request in Python, then a load over HTTP, with models swapped under it.

Claim: ranking 300 candidates by five objectives takes at most 3.5 ms at the median on one thread; the service
answers 100 requests a second with a p99 of at most 25 ms; swaps, broken models among them, fail no request.

A simulated world gives the log, a ranker and candidates of 300 items learn from it, the ranker is exported.
Part `python`: the steps of a request in this process, on one thread: `rank_only.p50_ms` (features -> inputs
-> network -> blend), `network.p50_ms` (the network alone), `candidates.p50_ms`, `recommend.p50_ms` (all of a
request). Part `retrieval`: the two-tower source over 100,000 items, `retrieval.p50_ms` by codes of four
bits (faiss, if it is installed), of which `retrieval.recall` are the best indeed, and
`retrieval_exact.p50_ms`. Part `load`: requests to
`sharewise rank serve` in a process of its own at fixed rates, sent on time whether others were answered or
not; `r100.p99_ms` and so on, counted from when a request was due; `shed` were answered with 503. Part `hold`:
the highest rate at which a minute's p99 stays below 50 ms, `held.rate`. Part `swap`: at 100 requests a
second, models change 20 times, 5 of the offers broken; `swap.failed_requests`: all that did not get a whole
list, those answered with 503 among them. Part `killed`: `kill -9` while feedback comes; `killed.lost` and
`killed.doubled` of what was acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import torch
from load import Sender, at_rate

import common
from sharewise.errors import ConfigError
from sharewise.export import write_export
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.candidates import CandidatePlan, ListOptions, fit_candidates
from sharewise.ranking.candidates.asking import Asking
from sharewise.ranking.candidates.index import INDEX_CLASSES, Index
from sharewise.ranking.candidates.requests import Found, Requests
from sharewise.ranking.candidates.towers import TwoTowers
from sharewise.ranking.export import export_ranker
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.options import LogOptions, StreamOptions
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.service import FeedbackLog, load_version
from sharewise.ranking.service.feedback_log import microseconds
from sharewise.ranking.world import WorldOptions, write_world

ITEM = ("item_topic", "item_seconds", "item_hours", "item_impressions", "item_clicks", "item_likes")
USER = ("user_hours", "user_impressions", "user_clicks")
#: What no request and no memory can say when serving.
DROP = ("user_topic_clicks", "source")
CONTEXT = {"device": "phone", "hour_of_day": 20}
SECONDS, QUICK = 20.0, 4.0
#: Items that a source is asked for.
COUNT = 300
#: Milliseconds that a p99 must stay below to be held.
LATE = 50.0


def prepare(root: Path, quick: bool) -> None:
    """Leave ``a`` and ``b``, exported rankers, ``cut``, a broken one, and ``candidates`` in a folder."""
    world = WorldOptions(hours=2 if quick else 6)
    write_world(world, root / "world")
    log = root / "world" / "log"
    lists = ListOptions(
        remember_item=(*ITEM, "item_dismissals"), remember_query=("query_topic",), remember_user=USER
    )
    fit_candidates(str(log), CandidatePlan(candidates=lists), folder=root / "candidates")
    for name, seed in (("a", 0), ("b", 1)):
        plan = RankPlan(log=LogOptions(drop=DROP), train=StreamOptions(device="cpu", seed=seed))
        fit_stream(log, plan, folder=root / f"run-{name}")
        write_export(export_ranker(load_ranker(root / f"run-{name}")), root / "models" / name)
    write_export(export_ranker(load_ranker(root / "run-a")), root / "models" / "cut")
    network = root / "models" / "cut" / "model.onnx"
    network.write_bytes(network.read_bytes()[:-100])
    common.say("a ranker and candidates are there")


def python(root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how long the steps of a request take here, in milliseconds."""
    version = load_version(root / "models" / "a", root / "candidates")
    prepared, ranker = version.prepared, version.ranker
    asked = version.asking.values(3, 7, CONTEXT)
    proposed = prepared.propose(asked)
    inputs = prepared.inputs(asked, proposed)
    chance = np.random.default_rng(0)
    times = 50 if arguments.quick else 400

    def candidates() -> object:
        return prepared.propose({**asked, "user": int(chance.integers(20_000))})

    steps: dict[str, Callable[[], object]] = {
        "rank_only": lambda: prepared.rank(ranker, asked, proposed),
        "network": lambda: ranker.predict_inputs(inputs),
        "candidates": candidates,
        "recommend": lambda: version.recommend(int(chance.integers(20_000)), 7, CONTEXT, 10),
    }
    return {"rows": len(proposed.rows)} | {name: _timed(step, times) for name, step in steps.items()}


def retrieval(root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how long the two-tower source takes over many items, in milliseconds."""
    items, users = (10_000 if arguments.quick else 100_000), 20_000
    towers = TwoTowers(32, (64,), seed=0)
    towers.grow(users + 1, items + 1, 1)
    chance = np.random.default_rng(0)
    with torch.no_grad():
        towers.users.table.normal_(generator=torch.Generator().manual_seed(0))
        towers.items.table.normal_(generator=torch.Generator().manual_seed(1))
        topics = torch.full((items, 1), -1)
        vectors = towers.candidates(torch.arange(items), topics)
    asking = Asking(towers, users)
    found: dict[str, Any] = {"items": items}
    exact = INDEX_CLASSES["exact"](vectors)
    for name, kind in (("retrieval", "faiss"), ("retrieval_exact", "exact")):
        try:
            index = INDEX_CLASSES[kind](vectors)
        except ConfigError as error:
            common.say(str(error))
            continue

        def asked() -> torch.Tensor:
            user, query = chance.integers(users, size=1), chance.integers(items, size=1)
            return torch.from_numpy(
                asking.vectors(Requests(user, query, chance.integers(items, size=(1, 20))))
            )

        def step(index: Index = index) -> object:
            return index.search(asked(), COUNT)

        found[name] = _timed(step, 50 if arguments.quick else 400)
        queries = torch.cat([asked() for _ in range(100)])
        found[name]["recall"] = _recall(index.search(queries, COUNT), exact.search(queries, COUNT))
    return found


def _recall(found: Found, right: Found) -> float:
    """Return the share of the best items that were found."""
    pairs = zip(found.items, right.items, strict=True)
    return float(np.mean([len(np.intersect1d(*pair)) / COUNT for pair in pairs]))


def _timed(step: Callable[[], object], times: int) -> dict[str, float]:
    found = []
    for _ in range(times + 10):
        began = time.perf_counter()
        step()
        found.append(1000 * (time.perf_counter() - began))
    return percentiles(found[10:])


def percentiles(values: list[float]) -> dict[str, float]:
    """Return the median and the tail of times."""
    if not values:
        return {}
    p50, p95, p99 = np.quantile(values, [0.5, 0.95, 0.99]).tolist()
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99}


class Served:
    """The service in a process of its own."""

    def __init__(self, root: Path, log: Path) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        models = root / "models"
        command = [sys.executable, "-m", "sharewise", "rank", "serve", models / "a", root / "candidates"]
        own = ["--log", log, "--port", port, "--models", models]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [*map(str, command), *map(str, own)], env=environment, stdout=subprocess.DEVNULL
        )
        self.url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(f"{self.url}/health")
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise SystemExit("the service did not start")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait()


async def send(
    url: str, rate: float, seconds: float, goes_on: Callable[[], bool] = lambda: True
) -> dict[str, Any]:
    """Send requests at a rate, on time; return how long after it was due each was answered, and failures."""
    chance, late, failed, shed = np.random.default_rng(0), [], [], []
    sender = Sender("127.0.0.1", int(url.rsplit(":", 1)[1]))

    async def one(due: float) -> None:
        user, query = (int(n) for n in chance.integers(0, 5000, 2))
        body = {"user": user, "query": query, "context": CONTEXT, "count": 10}
        try:
            status, answer = await sender.post("/recommend", body)
            right = status == 200 and len(json.loads(answer)["items"]) == 10
            kind = late if right else shed if status == 503 else failed
        except (OSError, asyncio.TimeoutError, ValueError, KeyError):
            kind = failed
        kind.append(1000 * (time.perf_counter() - due))

    took = await at_rate(rate, seconds, one, goes_on)
    sender.close()
    return {**percentiles(late), "failed": len(failed), "shed": len(shed), "answered_per_s": len(late) / took}


def load(root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what requests at several rates met."""
    served, found = Served(root, root / "served"), {}
    try:
        asyncio.run(send(served.url, 20, 1))  # the first ones are untimed
        for rate in arguments.rates:
            found[f"r{rate}"] = asyncio.run(send(served.url, rate, QUICK if arguments.quick else SECONDS))
            common.say(f"{rate} requests/s: {found[f'r{rate}']}")
    finally:
        served.end()
    return found


def hold(root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the highest rate that is held."""
    served, best = Served(root, root / "held"), {}
    try:
        asyncio.run(send(served.url, 20, 1))
        rate = arguments.hold_from
        while True:
            found = asyncio.run(send(served.url, rate, 2.0 if arguments.quick else 60.0))
            common.say(f"{rate} requests/s for a minute: {found}")
            if found["failed"] or found["shed"] or found.get("p99_ms", np.inf) >= LATE:
                return {"rate": best.get("rate", 0), "held": best, "not_held": {"rate": rate, **found}}
            best = {"rate": rate, **found}
            rate += 25
    finally:
        served.end()


def swap(root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how many requests failed while models changed."""
    served = Served(root, root / "swapped")
    names = ["b", "cut", "a", "b"] * (1 if arguments.quick else 5)

    async def change() -> list[int]:
        codes = []
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
            for name in names:
                codes.append((await client.post("/models", json={"ranker": name})).status_code)
                await asyncio.sleep(0.3)
        return codes

    async def both() -> tuple[dict[str, Any], list[int]]:
        await send(served.url, 20, 1)  # the first ones are untimed
        changes = asyncio.create_task(change())
        return await send(served.url, arguments.swap_rate, 600.0, lambda: not changes.done()), await changes

    try:
        found, codes = asyncio.run(both())
    finally:
        served.end()
    wrong = sum((code == 200) == (name == "cut") for code, name in zip(codes, names, strict=True))
    failed = found["failed"] + found["shed"]
    return {**found, "failed_requests": failed, "offered": len(names), "wrongly_decided": wrong}


def killed(root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what of acknowledged feedback was lost, and what is there twice, after several `kill -9`."""
    log, acknowledged = root / "killed", set()
    kills = 2 if arguments.quick else 10

    async def tell(url: str, ended: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=5) as client:
            while not ended.is_set():
                try:
                    answer = await client.post("/recommend", json={"user": 3, "context": CONTEXT, "count": 5})
                    found = answer.json()
                    events = [{"item": one["item"], "clicked": True} for one in found["items"]]
                    body = {"request": found["request"], "events": events}
                    if (await client.post("/feedback", json=body)).status_code == 200:
                        acknowledged.update((found["request"], one["item"]) for one in events)
                except (httpx.HTTPError, ValueError, KeyError):
                    return

    async def once(served: Served, turn: int) -> None:
        ended = asyncio.Event()
        tellers = [asyncio.create_task(tell(served.url, ended)) for _ in range(4)]
        await asyncio.sleep(0.5 + 0.13 * turn)
        await asyncio.to_thread(served.end, signal.SIGKILL)
        ended.set()
        await asyncio.gather(*tellers)

    for turn in range(kills):
        asyncio.run(once(Served(root, log), turn))
    later = microseconds() + 7_200_000_000
    FeedbackLog(log, now=lambda: later).close()
    rows = pl.read_parquet(log / "*.parquet").select("request", "item").rows()
    return {
        "kills": kills,
        "acknowledged": len(acknowledged),
        "lost": len(acknowledged - set(rows)),
        "doubled": len(rows) - len(set(rows)),
    }


PARTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "python": python,
    "retrieval": retrieval,
    "load": load,
    "hold": hold,
    "swap": swap,
    "killed": killed,
}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--rates", nargs="+", type=int, default=[1, 50, 100, 200])
    parser.add_argument("--swap-rate", type=int, default=100)
    parser.add_argument("--hold-from", type=int, default=25)
    chosen = parser.parse_args()
    common.start(chosen)
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), chosen.quick)
        figures: dict[str, Any] = {}
        for name in chosen.parts:
            found = PARTS[name](Path(folder), chosen)
            figures |= (
                found
                if name in ("python", "retrieval", "load")
                else {"held" if name == "hold" else name: found}
            )
    common.finish(figures)


if __name__ == "__main__":
    main()
