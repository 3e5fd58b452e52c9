"""The ranking system on a real log: MovieLens-100k in the order of time.

Claim: candidates find, and a multi-objective ranker orders, what people watch next, beside popularity,
item-item similarity and rankers of one objective each; every figure is of a day that nothing had been learnt
from.

Ratings become lists by `sharewise.ranking.ratings`: the film that was rated next among 9 others that the
user had not rated by then. Three objectives: `next` (engagement: it was watched next), `like` and `rating`
(satisfaction: four stars or more, and the stars, of what was watched). Seeds draw the others, the order of
ratings of the same second, first weights and the order of training.

Figures: `candidates` with recall by source and length of the list; `ranker` with every method's measures;
`differences` of the mixture of experts from the others, paired by seeds, with 95 % intervals.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import torch
from ranking_baselines import baselines

import common
from sharewise.data import catalog
from sharewise.nn import ModelOptions
from sharewise.ranking.candidates import (
    CandidatePlan,
    CoWatchOptions,
    ListOptions,
    PopularOptions,
    TopicOptions,
    TowerOptions,
    fit_candidates,
)
from sharewise.ranking.candidates.annotate import annotate_log
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.options import BiasOptions, BlendOptions, LogOptions, MeasureOptions, StreamOptions
from sharewise.ranking.plan import MODEL, RankPlan
from sharewise.ranking.ratings import RatingsOptions, write_ratings_log
from sharewise.tasks import Task, TaskSet

TASKS = (
    Task("next", "binary", "clicked"),
    Task("like", "binary", "liked"),
    Task("rating", "regression", "rating"),
)
USER, ITEM = ("age", "gender", "occupation", "zip_region"), ("release_year", "genres")
DAY = 24.0
#: Films of a list beside the one that was watched.
OTHERS = 9


#: Of the merged list: more for sources that find more.
SHARES = {"co_watched": 4.0, "topics": 0.5, "two_tower": 3.0, "popular": 1.0, "fresh": 0.25}


def candidate_plan(seed: int) -> CandidatePlan:
    """Return the sources of candidates: films are rated once, so none is proposed again."""
    return CandidatePlan(
        candidates=ListOptions(
            count=300,
            sources=SHARES,
            repeat=False,
            history=800,
            recent=20,
            recall_at=(10, 100),
            recall_rows=100,
            seed=seed,
        ),
        co_watched=CoWatchOptions(window=10, half_life=90 * DAY, shrink=5.0, neighbours=400, beside=3.0),
        topics=TopicOptions(columns=("genres",), separator=" "),
        two_tower=TowerOptions(passes=4, batch_size=256),
        popular=PopularOptions(half_life=14 * DAY),
    )


def rank_plan(tasks: Sequence[Task], sharing: str, seed: int) -> RankPlan:
    """Return a ranker of some of the tasks."""
    named = [task.name for task in tasks]
    gain = {"next": 1.0} if "next" in named else {named[0]: 1.0}
    model = MODEL if sharing == "mmoe" else ModelOptions(**{**vars(MODEL), "sharing": sharing, "experts": 1})
    return RankPlan(
        tasks=TaskSet(tasks),
        log=LogOptions(drop=("clicked", "liked", "rating")),
        model=model,
        bias=BiasOptions("none"),
        blend=BlendOptions("product", {named[0]: 1.0}),
        measure=MeasureOptions(gain=gain),
        train=StreamOptions(batch_size=512, seed=seed, device="cpu"),
    )


def measured(log: Path, tasks: Sequence[Task], sharing: str, seed: int) -> dict[str, float]:
    """Return the measures of a ranker's training: of every task its own, and of lists."""
    found = fit_stream(log, rank_plan(tasks, sharing, seed)).measures
    figures = {"rows": float(found["rows"])}
    for task in tasks:
        own = found["tasks"][task.name]
        names = ("auc",) if task.kind.name == "binary" else ("squared_error",)
        figures.update({f"{task.name}.{name}": own[name] for name in names})
    if any(task.name == "next" for task in tasks):
        figures.update({name: found["lists"][name] for name in ("ndcg@10", "gauc.next")})
    return figures


def one_seed(ratings: pl.DataFrame, seed: int, parts: Sequence[str]) -> dict[str, Any]:
    """Return all figures of one seed."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        log, plain = Path(folder) / "log", Path(folder) / "plain"
        write_ratings_log(ratings, plain, RatingsOptions(others=OTHERS, seed=seed, user=USER, item=ITEM))
        annotate_log(plain, candidate_plan(seed), log)
        if "candidates" in parts:
            found["candidates"] = fit_candidates(log, candidate_plan(seed)).recall
            common.say(f"seed {seed}: recall@100 {found['candidates']['merged']['@100']:.3f}")
        if "ranker" in parts:
            rankers = {
                "mmoe": measured(log, TASKS, "mmoe", seed),
                "single_task": {
                    name: value
                    for task in TASKS
                    for name, value in measured(log, [task], "shared_bottom", seed).items()
                },
            }
            found["ranker"] = {**baselines(log), **rankers}
            common.say(f"seed {seed}: NDCG@10 {found['ranker']['mmoe']['ndcg@10']:.3f}")
    return found


def together(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means over seeds, and the mixture's differences from the others, paired by seeds."""
    found: dict[str, Any] = {"seeds": len(runs)}
    if "candidates" in runs[0]:
        first = runs[0]["candidates"]
        found["candidates"] = {
            name: {at: common.spread([run["candidates"][name][at] for run in runs]) for at in own}
            for name, own in first.items()
            if isinstance(own, dict)
        }
        found["candidates"]["requests"] = first["requests"]
        found["candidates"]["new"] = first["new"]
    if "ranker" in runs[0]:
        methods = [run["ranker"] for run in runs]
        found["ranker"] = {
            name: {key: common.spread([run[name][key] for run in methods]) for key in methods[0][name]}
            for name in methods[0]
        }
        found["differences"] = {
            name: {
                key: common.paired([run["mmoe"][key] - run[name][key] for run in methods])
                for key in own
                if key in methods[0]["mmoe"] and key != "rows"
            }
            for name, own in methods[0].items()
            if name != "mmoe"
        }
    return found


def load(arguments: argparse.Namespace) -> pl.DataFrame:
    """Return the ratings, under the names that a log has."""
    frame = catalog.load("movielens-100k").frame.rename({"user_id": "user", "item_id": "item"})
    ratings = frame.select("user", "item", "time", "rating", *USER, *ITEM)
    return ratings.sort("time").head(10_000) if arguments.quick else ratings


def in_process(work: tuple[pl.DataFrame, int, Sequence[str], int]) -> dict[str, Any]:
    """Return `one_seed` in a process of its own, which knows nothing of threads yet."""
    ratings, seed, parts, threads = work
    torch.set_num_threads(threads)
    return one_seed(ratings, seed, parts)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time")
    parser.add_argument(
        "--parts", nargs="+", choices=("candidates", "ranker"), default=["candidates", "ranker"]
    )
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.seeds = min(chosen.seeds, 2)
    ratings = load(chosen)
    work = [(ratings, seed, chosen.parts, chosen.threads) for seed in range(chosen.seeds)]
    with ProcessPoolExecutor(chosen.jobs, multiprocessing.get_context("spawn")) as pool:
        runs = list(pool.map(in_process, work))
    common.finish(together(runs))


if __name__ == "__main__":
    main()
