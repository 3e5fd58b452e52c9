"""Meta-learning in tasks per second: Sharewise against learn2learn's way and against plain loops, in one run.

Claim: second-order MAML on the sinusoid's 1-40-40-1 network at least 25 times learn2learn's MAML compiled and
8 times uncompiled, with 1 and with 5 inner steps; the paper's whole training run of it (70,000 iterations of
25 tasks) in 60 s on two cores; Conv4-64 on 28 x 28 images, 5-way 1-shot, at least 1.2 times; training a
prototypical network at least 1.4 times a plain loop at 5-way 1-shot and nowhere slower; sampling episodes at
least 10 times a Dataset of images with a DataLoader, as learn2learn and easyfsl have it.

The peer is learn2learn's own MAML from a source distribution (--learn2learn FOLDER), or the same algorithm
written plainly; see meta_peers.py. `peer` in the result says which.

Every side runs in a process of its own, so that no side's threads or allocator settings touch another's; the
sides take turns, round by round, and a ratio is the median over rounds of tasks per second by those of the
peer in the same round. Both sides see the same shapes, compute the same meta-gradient (`agreement`: largest
difference of the gradients relative to the largest entry, from the same weights) and take the outer step with
Adam, which is counted. Conv4 normalises with the statistics of the rows at hand on both sides. Peers may use
all threads, as torch does by default.

Batches: sinusoid 32 tasks, K = 10, 10 queries; Conv4 16 tasks, 5 queries a class; prototypical networks 16
episodes to a step, 5 queries a class, which the plain loop takes one after another. Images are random: speed
does not depend on them. All keep them as floats, ours for the sampling also as bytes, as its Omniglot has.

Figures: `sinusoid.steps1.ratio`, `sinusoid.steps5.ratio` (compiled) and `.ratio_uncompiled`; `run.seconds`
with `run.mse` after 0, 1, 5, 10 steps; `conv4.steps1.ratio`, `conv4.steps5.ratio`; `protonet.<ways>way_
<shots>shot.ratio`; `sampling.<ways>way_<shots>shot.ratio` (by the faster of loaders with and without worker
processes), `.ratio_bytes` (ours from bytes) and `.ratio_episode` (by a leaner data set, whose items are whole
episodes); every one with quartiles and both sides' tasks per second.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import meta_peers as peers
import numpy as np
import torch
from torch import Tensor, nn

import common
from sharewise.data.episodes import Condition, Episodes, LabelledExamples, Shots
from sharewise.data.episodes.functions import Sinusoids
from sharewise.meta import Learner, NetOptions, Spec, make_learner
from sharewise.meta.strategy import make_strategy, tune_allocator
from sharewise.tasks import InputSpec
from sharewise.train.flat import flatten_parameters
from sharewise.train.meta import fit_learner
from sharewise.train.meta_evaluate import evaluate_learner
from sharewise.train.meta_options import MetaOptions

PARTS = ("sinusoid", "run", "conv4", "protonet", "sampling")
SHAPES = ((5, 1), (5, 5), (20, 1), (20, 5))
#: Inner rates of MAML's paper: for sinusoids 0.01 of the squared error, which is 0.02 of its half, a negative
#: log likelihood.
RATES = {"sinusoid": 0.02, "conv4": 0.4}
MANY = 1_000_000  # iterations ahead, so that compiling is worth it
#: Seconds before a turn, in which workers of the loader before it fill their queues (to its gain) and rest.
SETTLE = 0.2

Runner = Callable[[int], None]


@dataclass(frozen=True)
class Side:
    """What a process of its own is to run.

    Attributes:
        problem: one of `PARTS`.
        who: "peer", a strategy of ours, or for the sampling "ours" or a loader's item and workers.
        steps: inner steps.
        ways, shots: of an episode of images.
        folder: of learn2learn, or None.
        threads: that it may use.
        device: to compute on.
    """

    problem: str
    who: str
    steps: int = 1
    ways: int = 5
    shots: int = 1
    folder: str | None = None
    threads: int = 1
    device: str = "cpu"

    @property
    def batch(self) -> int:
        return 32 if self.problem == "sinusoid" else 16

    @property
    def condition(self) -> Condition:
        if self.problem == "sinusoid":
            return Condition(shots=10, queries=10)
        return Condition(shots=self.shots, queries=5, ways=self.ways)


def images(as_bytes: bool = False) -> LabelledExamples:
    """Return 964 classes of 20 random images, as many as Omniglot's background characters."""
    values = torch.rand(964 * 20, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    if as_bytes:
        values = (values * 255).round().to(torch.uint8)
    labels = torch.arange(964).repeat_interleave(20)
    return LabelledExamples(
        InputSpec(image=(1, 28, 28)), {"image": values}, labels, [str(i) for i in range(964)]
    )


def batches(side: Side) -> list[Episodes]:
    source = Sinusoids() if side.problem == "sinusoid" else images()
    drawn = source.batches(side.condition, side.batch, 0, "speed")
    return [next(drawn).to(side.device) for _ in range(4)]


def ours(side: Side) -> Learner:
    """Return the learner, in training."""
    source = Sinusoids() if side.problem == "sinusoid" else images()
    spec = Spec(source.inputs, source.kind, side.ways if side.problem != "sinusoid" else 0)
    net = NetOptions() if side.problem != "conv4" else NetOptions(norm="transductive")
    if side.problem in ("protonet", "sampling"):
        return make_learner("protonet", spec, net=net).to(side.device).train()
    return (
        make_learner("maml", spec, net=net, steps=side.steps, rate=RATES[side.problem])
        .to(side.device)
        .train()
    )


def our_step(side: Side) -> Callable[[Episodes], None]:
    """Return a step as `fit_learner` takes it."""
    learner = ours(side)
    tune_allocator(learner)
    optimizer = torch.optim.AdamW(
        [flatten_parameters(list(learner.parameters()))], lr=1e-3, weight_decay=0, fused=True
    )
    strategy = make_strategy(
        side.who, learner, iterations=MANY, cores=side.threads, tasks=side.batch, note=print_nothing
    )

    def step(episodes: Episodes) -> None:
        optimizer.zero_grad(set_to_none=False)
        strategy.backward(episodes)
        optimizer.step()

    return step


def print_nothing(text: str) -> None:
    pass


def tasks_of(shots: Shots) -> list[tuple[Tensor, Tensor]]:
    """Return (x, y) task by task."""
    x = next(iter(shots.inputs.values()))
    y = shots.targets.long() if x.dim() > 3 else shots.targets
    return list(zip(x.unbind(), y.unbind(), strict=True))


def peer_net(side: Side) -> nn.Module:
    """Return the peer's network with our learner's initial weights."""
    if side.problem == "sinusoid":
        net = peers.mlp()
    else:
        net = peers.conv4(side.ways if side.problem == "conv4" else None)
    with torch.no_grad():
        for own, its in zip(net.parameters(), ours(side).net.parameters(), strict=True):
            own.copy_(its)
    return net.to(side.device)


def peer_step(side: Side) -> Callable[[Episodes], None]:
    """Return a step as it is written with learn2learn, or as a plain loop."""
    net = peer_net(side)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    backward = peer_backward(side, net)

    def step(episodes: Episodes) -> None:
        optimizer.zero_grad()
        backward(episodes)
        optimizer.step()

    return step


def peer_backward(side: Side, net: nn.Module) -> Callable[[Episodes], None]:
    if side.problem == "protonet":

        def prototypes(episodes: Episodes) -> None:
            support, query = tasks_of(episodes.support), tasks_of(episodes.query)
            for (x, _), (query_x, query_y) in zip(support, query, strict=True):
                (peers.prototype_loss(net, x, query_x, query_y, side.ways) / len(support)).backward()

        return prototypes
    loss = peers.half_squares if side.problem == "sinusoid" else nn.functional.cross_entropy
    maml = peers.load_maml(side.folder)[1](net, lr=RATES[side.problem])

    def adapt(episodes: Episodes) -> None:
        support, query = tasks_of(episodes.support), tasks_of(episodes.query)
        peers.maml_loss(
            maml, loss, side.steps, [(*s, *q) for s, q in zip(support, query, strict=True)]
        ).backward()

    return adapt


def runner(side: Side) -> Runner:
    """Return what runs so many batches."""
    if side.problem == "sampling":
        drawn = sampler(side)

        def draw(count: int) -> None:
            for _ in range(count):
                next(drawn)

        return draw
    prepared = batches(side)
    step = peer_step(side) if side.who == "peer" else our_step(side)

    def run(count: int) -> None:
        for number in range(count):
            step(prepared[number % len(prepared)])
        if side.device != "cpu":
            torch.cuda.synchronize()

    return run


def sampler(side: Side) -> Iterator[Any]:
    if side.who.startswith("ours"):
        tune_allocator(ours(side))  # as `fit_learner` does
        source = images(as_bytes=side.who == "ours_bytes")
        return source.batches(side.condition, side.batch, 0, "speed")
    apart = images().values["image"].reshape(964, 20, 1, 28, 28)
    item, workers = side.who.split()
    return iter(peers.loader(apart, side.ways, side.shots, 5, side.batch, int(workers), item))


def serve(side: Side, line: Connection) -> None:
    """Run batches as they are asked for, and answer with the seconds they took; no more for 0."""
    torch.set_num_threads(side.threads)
    run = runner(side)
    run(1)
    line.send(0.0)
    while count := line.recv():
        began = time.perf_counter()
        run(count)
        line.send(time.perf_counter() - began)


def race(sides: dict[str, Side], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return each side's tasks per second, round by round, in turns of about so many seconds."""
    context = multiprocessing.get_context("spawn")
    lines, processes = {}, []
    for name, side in sides.items():
        lines[name], other = context.Pipe()
        process = context.Process(target=serve, args=(side, other), daemon=side.problem != "sampling")
        process.start()
        lines[name].recv()  # one after another: compiling and first steps disturb nobody
        processes.append(process)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    counts = {name: fitting(lines[name], seconds) for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            rates[name].append(counts[name] * side.batch / ask(lines[name], counts[name]))
    for name, process in zip(sides, processes, strict=True):
        lines[name].send(0)
        process.join()
    return rates


def fitting(line: Connection, seconds: float) -> int:
    """Return how many batches take about so many seconds."""
    count, taken = 1, ask(line, 1)
    while taken < seconds / 8:
        count *= 4
        taken = ask(line, count)
    return max(round(count * seconds / taken), 1)


def ask(line: Connection, count: int) -> float:
    time.sleep(SETTLE)
    line.send(count)
    return float(line.recv())


def ratio(rates: dict[str, list[float]], name: str, other: str) -> dict[str, float]:
    return common.spread(np.divide(rates[name], rates[other]).tolist())


def figures(rates: dict[str, list[float]], main: str, other: str = "peer") -> dict[str, Any]:
    """Return the ratio, its quartiles and everybody's tasks per second."""
    found = ratio(rates, main, other)
    return {
        "ratio": round(found["median"], 3),
        "quartiles": [round(found["q25"], 3), round(found["q75"], 3)],
        "tasks_per_second": {name: round(float(np.median(each)), 1) for name, each in rates.items()},
    }


def maml(chosen: Any, problem: str) -> dict[str, Any]:
    """Return the figures of MAML on one problem."""
    strategies = ["whole", "compiled"] if problem == "sinusoid" else ["auto", *chosen.strategies]
    made: dict[str, Any] = {}
    for steps in (1, 5):
        common_parts = {"steps": steps, "threads": chosen.threads, "device": chosen.device}
        sides = {name: Side(problem, name, **common_parts) for name in strategies}
        sides["peer"] = Side(problem, "peer", folder=chosen.learn2learn, **common_parts)
        rates = race(sides, chosen.rounds, chosen.seconds)
        made[f"steps{steps}"] = found = figures(rates, strategies[-1] if problem == "sinusoid" else "auto")
        if problem == "sinusoid":
            found["ratio_uncompiled"] = round(ratio(rates, "whole", "peer")["median"], 3)
        found["agreement"] = agreement(sides["peer"])
        common.say(f"{problem}, {steps} steps: {found}")
    return made


def agreement(side: Side) -> float:
    """Return the largest difference of the two sides' meta-gradients by their largest entry."""
    learner, net, episodes = ours(side), peer_net(side), batches(side)[0]
    make_strategy("whole", learner).backward(episodes)
    peer_backward(side, net)(episodes)
    own = torch.cat([p.grad.flatten() for p in learner.parameters() if p.grad is not None])
    its = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
    return float((own - its).abs().max() / its.abs().max())


def whole_run(chosen: Any) -> dict[str, Any]:
    """Train MAML on sinusoids as a user does, at the paper's size, and test it."""
    source, condition = Sinusoids(), Condition(shots=10, queries=10)
    learner = make_learner("maml", Spec(source.inputs, source.kind), steps=1, rate=RATES["sinusoid"])
    iterations = 2_000 if chosen.quick else 70_000
    options = MetaOptions(
        iterations=iterations, tasks_per_batch=25, eval_every=iterations, device=chosen.device
    )
    began = time.perf_counter()
    fit_learner(learner, source, condition, options)
    seconds = time.perf_counter() - began
    mse = {
        str(steps): round(float(evaluate_learner(learner, source, condition, steps=steps).metric.mean()), 4)
        for steps in (0, 1, 5, 10)
    }
    found = {"iterations": iterations, "tasks": 25, "seconds": round(seconds, 2), "mse": mse}
    common.say(f"whole run: {found}")
    return found


def shapes(chosen: Any, problem: str) -> dict[str, Any]:
    """Return the figures of prototypical networks, or of sampling, at every shape of episodes."""
    made: dict[str, Any] = {}
    names = ["auto", *chosen.strategies, "peer"]
    if problem == "sampling":
        loaders = [f"{item} {workers}" for item in ("image", "episode") for workers in (0, 2)]
        names = ["ours", "ours_bytes", *loaders]
    for ways, shots in SHAPES[:1] if chosen.quick else SHAPES:
        sides = {
            name: Side(problem, name, ways=ways, shots=shots, threads=chosen.threads, device=chosen.device)
            for name in names
        }
        rates = race(sides, chosen.rounds, chosen.seconds)
        if problem == "sampling":
            for item, name in (("image", "peer"), ("episode", "peer_episode")):
                rates[name] = np.maximum(rates[f"{item} 0"], rates[f"{item} 2"]).tolist()
        made[f"{ways}way_{shots}shot"] = found = figures(rates, names[0])
        if problem == "sampling":
            found["ratio_episode"] = round(ratio(rates, "ours", "peer_episode")["median"], 3)
            found["ratio_bytes"] = round(ratio(rates, "ours_bytes", "peer")["median"], 3)
        common.say(f"{problem}, {ways}-way {shots}-shot: {found}")
    return made


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.7, help="of a side's turn")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--learn2learn", metavar="FOLDER", help="its unpacked source distribution")
    parser.add_argument("--strategies", nargs="*", default=[], help="others to race with, on images")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.seconds = 3, 0.3
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    common.start(chosen)
    found: dict[str, Any] = {"peer": peers.load_maml(chosen.learn2learn)[0], "device": chosen.device}
    for part in chosen.parts:
        if part == "run":
            found[part] = whole_run(chosen)
        else:
            found[part] = maml(chosen, part) if part in ("sinusoid", "conv4") else shapes(chosen, part)
    common.finish(found)


if __name__ == "__main__":
    main()
