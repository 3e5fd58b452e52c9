"""What a balanced step costs: Sharewise, torchjd and the plain sum of losses, step by step in one run.

Claim, at 40 tasks against the plain sum: the ghost Gramian at most 12 times in fp32 and 5 times in bf16, the
last shared layer at most 2.2 times, matrix-free at most 1.6 times, weightings of losses at most 1.05 times;
and every engine faster than torchjd from 16 tasks on.

`trunk`: 64-512-512-512 with ReLUs and a linear head a task, squared error, 256 rows, SGD. The plain sum and
torchjd run it with a module a head, as their users write it; Sharewise runs it as its own model, whose heads
are stacked (`native`), and by `backward` on the very modules of the plain sum (`loop`). `mmoe`: 8 experts of
64-64 on 64 inputs. `conv`: three convolutions of 16 and 32 channels on 1 x 16 x 16 images. There the plain
sum is that of the same Sharewise model, and only `native` is run.

Where the processor has no instruction for bf16 at all, emulating it takes a hundred plain steps and more: the
engine in bf16 is left out there, and its figure is null.

All steps take turns, round by round; a ratio is the median over rounds of a step's time by that of the plain
sum in the same round. Peak memory is that of a process of its own, above the process before its first step.

Figures: `T<tasks>.<engine>` (trunk, native), `T<tasks>.torchjd` (UPGrad by `mtl_backward`),
`T<tasks>.torchjd_autogram`; under `detail` all problems, both forms, quartiles, milliseconds and megabytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import common
from sharewise.balance import Ask, Halves, Needs, backward, make_balancer, make_weighting
from sharewise.balance.engines.forward import derivative
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.tasks import InputSpec, Task, TaskSet

TASKS = (4, 16, 40)
#: Engine -> (method, arguments of `make_balancer`).
NATIVE: dict[str, dict[str, Any]] = {
    "ghost_fp32": {"method": "upgrad", "engine": "ghost"},
    "ghost_bf16": {"method": "upgrad", "engine": "ghost", "precision": "bf16"},
    "exact": {"method": "upgrad", "engine": "exact"},
    "last_shared": {"method": "upgrad", "engine": "last_shared"},
    "matrix_free": {"method": "modo"},
    "loss_only": {"method": "famo_free"},
}
LOOP = {"ghost_fp32": "ghost", "exact": "exact", "last_shared": "last_shared"}
Stepper = Callable[[], None]


def make_tasks(count: int) -> TaskSet:
    return TaskSet([Task(f"t{i}", "regression") for i in range(count)])


def engines(device: torch.device) -> dict[str, dict[str, Any]]:
    """Return those of NATIVE that the device has instructions for."""
    emulated = device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return {name: how for name, how in NATIVE.items() if not (emulated and how.get("precision") == "bf16")}


class Native:
    """A Sharewise model, balanced as `fit` does it."""

    def __init__(self, model: MultiTaskModel, inputs: dict[str, Tensor], targets: Tensor) -> None:
        self.model, self.inputs, self.targets = model, inputs, targets
        self.shared, self.own = model.shared_parameters(), model.own_parameters()
        self.optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
        self.zero = torch.zeros((), device=targets.device)

    def losses(self, rows: slice = slice(None)) -> Tensor:
        inputs = {key: value[rows] for key, value in self.inputs.items()}
        return (self.model(inputs) - self.targets[rows]).square().sum(0) / len(self.targets)

    def parted(self) -> Tensor:
        with self.model.parted():
            return self.losses()

    def plain(self) -> None:
        self.optimizer.zero_grad()
        self.losses().sum().backward()
        self.optimizer.step()

    def balanced(self, **options: Any) -> Stepper:
        balancer = make_balancer(self.model.tasks, **options)
        middle = len(self.targets) // 2
        first, second = slice(0, middle), slice(middle, None)

        def along(direction: Sequence[Tensor]) -> Tensor:
            return derivative(self.model, lambda: self.losses(first), self.shared, direction)

        def step() -> None:
            self.optimizer.zero_grad()
            if balancer.halved:
                a, b = self.losses(first), self.losses(second)
                balancer.step_in_halves(Halves(Ask(a + b, self.zero, self.shared, self.own), a, b, along))
            elif balancer.weighting.needs < Needs.GRAMIAN:
                balancer.step(Ask(self.losses(), self.zero, self.shared, self.own))
            else:
                losses, parting = self.parted(), self.model.parting
                balancer.step(
                    Ask(losses, self.zero, self.shared, self.own, again=self.parted, parting=parting)
                )
            self.optimizer.step()

        return step

    def torchjd(self) -> Stepper:
        from torchjd.aggregation import UPGrad
        from torchjd.autojac import backward as jacobian_backward
        from torchjd.autojac import jac_to_grad

        aggregator = UPGrad()

        def step() -> None:
            self.optimizer.zero_grad()
            losses = self.losses()
            torch.autograd.backward(losses.sum(), retain_graph=True, inputs=self.own)
            jacobian_backward(list(losses), inputs=self.shared)
            jac_to_grad(self.shared, aggregator, optimize_gramian_computation=True)
            self.optimizer.step()

        return step


class Modules:
    """The trunk as everyone writes it: a `Sequential`, and a `Linear` a task."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y
        widths, layers = (64, 512, 512, 512), []
        for into, out in pairwise(widths):
            layers += [nn.Linear(into, out), nn.ReLU()]
        self.trunk = nn.Sequential(*layers).to(x.device)
        self.heads = nn.ModuleList(nn.Linear(512, 1) for _ in range(y.shape[1])).to(x.device)
        parameters = [*self.trunk.parameters(), *self.heads.parameters()]
        self.optimizer = torch.optim.SGD(parameters, lr=1e-4)

    def losses(self, features: Tensor) -> list[Tensor]:
        return [(head(features)[:, 0] - self.y[:, i]).square().mean() for i, head in enumerate(self.heads)]

    def plain(self) -> None:
        self.optimizer.zero_grad()
        torch.stack(self.losses(self.trunk(self.x))).sum().backward()
        self.optimizer.step()

    def balanced(self, engine: str) -> Stepper:
        def step() -> None:
            self.optimizer.zero_grad()
            backward(self.losses(self.trunk(self.x)), method="upgrad", engine=engine)
            self.optimizer.step()

        return step

    def loss_only(self) -> Stepper:
        method = make_weighting("famo_free", make_tasks(len(self.heads)))

        def step() -> None:
            self.optimizer.zero_grad()
            backward(self.losses(self.trunk(self.x)), method=method)
            self.optimizer.step()

        return step

    def torchjd(self) -> Stepper:
        from torchjd.aggregation import UPGrad
        from torchjd.autojac import jac_to_grad, mtl_backward

        aggregator = UPGrad()

        def step() -> None:
            self.optimizer.zero_grad()
            features = self.trunk(self.x)
            mtl_backward(self.losses(features), features=features)
            jac_to_grad(list(self.trunk.parameters()), aggregator, optimize_gramian_computation=True)
            self.optimizer.step()

        return step

    def torchjd_autogram(self) -> Stepper:
        from torchjd.aggregation import UPGradWeighting
        from torchjd.autogram import Engine

        engine, weighting = Engine(self.trunk, batch_dim=None), UPGradWeighting()

        def step() -> None:
            self.optimizer.zero_grad()
            losses = torch.stack(self.losses(self.trunk(self.x)))
            losses.backward(weighting(engine.compute_gramian(losses)))
            self.optimizer.step()

        return step


def trunk(tasks: int, device: torch.device) -> dict[str, Stepper]:
    """Return the steps on the trunk, the plain sum first."""
    torch.manual_seed(0)
    x, y = torch.randn(256, 64, device=device), torch.randn(256, tasks, device=device)
    options = ModelOptions(sharing="shared_bottom", hidden=(512, 512, 512), numeric="linear")

    def native() -> Native:
        model = MultiTaskModel(make_tasks(tasks), InputSpec(bins=((-1.0, 1.0),) * 64), options)
        return Native(model.to(device), {"numeric": x}, y)

    steps: dict[str, Stepper] = {"plain": Modules(x, y).plain, "native.plain": native().plain}
    steps |= {f"native.{name}": native().balanced(**how) for name, how in engines(device).items()}
    steps |= {f"loop.{name}": Modules(x, y).balanced(engine) for name, engine in LOOP.items()}
    steps["loop.loss_only"] = Modules(x, y).loss_only()
    steps["torchjd"] = Modules(x, y).torchjd()
    steps["torchjd_autogram"] = Modules(x, y).torchjd_autogram()
    return steps


def mmoe(tasks: int, device: torch.device) -> dict[str, Stepper]:
    """Return the steps on a mixture of experts."""
    options = ModelOptions(sharing="mmoe", hidden=(64, 64), experts=8, numeric="linear")
    return _natives(InputSpec(bins=((-1.0, 1.0),) * 64), options, "numeric", (64,), tasks, device)


def conv(tasks: int, device: torch.device) -> dict[str, Stepper]:
    """Return the steps on a small convolutional network."""
    options = ModelOptions(sharing="shared_bottom", hidden=(64,), channels=(16, 32, 32))
    return _natives(InputSpec(image=(1, 16, 16)), options, "image", (1, 16, 16), tasks, device)


def _natives(
    spec: InputSpec, options: ModelOptions, key: str, shape: tuple[int, ...], tasks: int, device: torch.device
) -> dict[str, Stepper]:
    torch.manual_seed(0)
    x, y = torch.randn(256, *shape, device=device), torch.randn(256, tasks, device=device)

    def native() -> Native:
        return Native(MultiTaskModel(make_tasks(tasks), spec, options).to(device), {key: x}, y)

    made: dict[str, Stepper] = {"plain": native().plain}
    made |= {f"native.{name}": native().balanced(**how) for name, how in engines(device).items()}
    return made | {"torchjd": native().torchjd()}


PROBLEMS = {"trunk": trunk, "mmoe": mmoe, "conv": conv}


def race(steps: dict[str, Stepper], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Return each step's seconds, round by round; two rounds go before."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 2):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn > 1:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def measure(problem: str, tasks: int, rounds: int, device: torch.device, memory: bool) -> dict[str, Any]:
    """Return ratios, milliseconds and megabytes of one problem."""
    steps = PROBLEMS[problem](tasks, device)
    seconds = race(steps, rounds, device)
    return {
        name: {
            "ratio": common.spread(np.divide(taken, seconds["plain"]).tolist()),
            "ms": float(np.median(taken)) * 1e3,
            "peak_mb": peak_of(problem, tasks, name) if memory else None,
        }
        for name, taken in seconds.items()
    }


def peak_of(problem: str, tasks: int, name: str) -> float:
    """Return the peak memory of a step in a process of its own, in MB."""
    command = [sys.executable, __file__, "--peak", problem, str(tasks), name]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(found.stdout.splitlines()[-1]))


def print_peak(problem: str, tasks: int, name: str) -> None:
    """Print by how much three steps raise this process's peak memory, in MB."""
    steps = PROBLEMS[problem](tasks, torch.device("cpu"))
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = resident("VmRSS")
    for _ in range(3):
        steps[name]()
    print((resident("VmHWM") - before) / 1024)


def resident(line: str) -> int:
    """Return a line of this process's status, in KiB."""
    for found in Path("/proc/self/status").read_text().splitlines():
        if found.startswith(line):
            return int(found.split()[1])
    raise RuntimeError(f"this system does not tell {line}")


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--no-memory", action="store_true", help="leave the processes for peak memory out")
    parser.add_argument("--peak", nargs=3, metavar=("PROBLEM", "TASKS", "STEP"), help="measure one peak")
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.peak:
        print_peak(chosen.peak[0], int(chosen.peak[1]), chosen.peak[2])
        return
    if chosen.quick:
        chosen.rounds, chosen.no_memory = 3, True
    device = torch.device(chosen.device)
    memory = not chosen.no_memory and device.type == "cpu"
    detail: dict[str, dict[str, Any]] = {}
    for problem in chosen.problems:
        for tasks in TASKS:
            detail[f"{problem}.T{tasks}"] = measure(problem, tasks, chosen.rounds, device, memory)
            found = detail[f"{problem}.T{tasks}"]
            ratios = {name: round(one["ratio"]["median"], 2) for name, one in found.items()}
            common.say(f"{problem} T={tasks}: {ratios}")
    figures = {
        f"T{tasks}": {
            "ghost_bf16": None,
            **{
                name.removeprefix("native."): round(one["ratio"]["median"], 3)
                for name, one in detail[f"trunk.T{tasks}"].items()
                if not name.startswith("loop.") and name != "plain"
            },
        }
        for tasks in TASKS
        if f"trunk.T{tasks}" in detail
    }
    common.finish({**figures, "device": str(device), "rounds": chosen.rounds, "detail": detail})


if __name__ == "__main__":
    main()
