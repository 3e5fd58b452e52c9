"""The two objectives in the plane of the CAGrad, Nash-MTL and FAMO papers: who reaches the Pareto front?

Two valleys with a steep wall between them, in which each objective's gradient is hundreds of times the
other's, and far below a front of two parabolas. The first objective is scaled by 0.1 (Nash-MTL, section 5.1;
the functions are given in CAGrad's appendix). Five starts; Adam at 1e-3 for 50,000 steps on the weighted sum,
as in those papers. Methods that read losses are shown them above a lower bound, for logarithms and ratios
mean nothing below 0: the bound of FAMO's authors, whose γ, 0 on this problem, is taken too.

A run has *reached the front* if some point of it is better in both objectives by at most 1 % of the front's
range. The front is computed on a grid of 0.01. Every method is used with its defaults, but for OPTIONS.

Figures: `<method>.reached` of 5, `<method>.gap` (by start: the 1 % above, as a share of the range),
`<method>.ends` (objectives by start). `--figure FILE.svg` draws the paths.
"""

from __future__ import annotations

from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from paths import draw
from torch import Tensor

import common
from sharewise.balance import METHOD_CLASSES, Needs, Signals

Array = NDArray[np.float64]
STARTS = np.array([[-8.5, 7.5], [0.0, 0.0], [9.0, 9.0], [-7.5, -0.5], [9.0, -1.0]])
SCALE = np.array([0.1, 1.0])
#: No value of the scaled objectives is below these, nor near: FAMO's weights go with 1 / (loss - bound).
BOTTOM = np.array([-2.1, -21.0])
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
TOLERANCE = 0.01
#: FAMO's decay keeps its weights nearly equal where losses change by less than it in a step, as they do here.
OPTIONS: dict[str, dict[str, float]] = {"famo": {"decay": 0.0}, "famo_free": {"decay": 0.0}}
#: Without those that are another one's special case here.
METHODS = tuple(name for name in METHOD_CLASSES if name not in ("fixed",))


def objectives(x: Array) -> tuple[Array, Array]:
    """Return values ``[points, 2]`` and gradients ``[points, 2 objectives, 2]`` at ``x [points, 2]``."""
    a, b = x[:, 0], x[:, 1]
    t = np.tanh(b)
    inner = np.stack([0.5 * (-a - 7) + t, 0.5 * (-a + 3) - t + 2], 1)
    floor = 5e-6
    size = np.maximum(np.abs(inner), floor)
    wall = np.log(size) + 6
    slope = np.where(np.abs(inner) > floor, 1 / inner, 0.0)
    bent = (1 - t**2)[:, None] * np.array([1.0, -1.0])
    wall_a, wall_b = -0.5 * slope, slope * bent
    centre = np.array([7.0, -7.0])
    off = a[:, None] - centre
    bowl = (off**2 + 0.1 * (b[:, None] + 8) ** 2) / 10 - 20
    bowl_a, bowl_b = off / 5, np.repeat((b[:, None] + 8) / 50, 2, 1)
    half = np.tanh(b / 2)[:, None]
    high, low = np.maximum(half, 0), np.maximum(-half, 0)
    turn = 0.5 * (1 - half**2)
    values = wall * high + bowl * low
    by_a = wall_a * high + bowl_a * low
    by_b = wall_b * high + bowl_b * low + turn * np.where(half > 0, wall, -bowl)
    return values * SCALE, np.stack([by_a, by_b], 2) * SCALE[:, None]


def front() -> Array:
    """Return the points of the front, objectives ``[points, 2]``, by the first."""
    a, b = np.meshgrid(np.arange(-10, 10.005, 0.01), np.arange(-12, 0.005, 0.01))
    values = objectives(np.stack([a.ravel(), b.ravel()], 1))[0]
    values = values[np.lexsort((values[:, 1], values[:, 0]))]
    best = np.minimum.accumulate(np.concatenate([[np.inf], values[:-1, 1]]))
    return values[values[:, 1] < best]


def gap(values: Array, points: Array) -> Array:
    """Return how much better in both some point of the front is, as a share of its range; ``[starts]``."""
    extent = points.max(0) - points.min(0)
    return np.maximum(((values[:, None] - points) / extent).min(2).max(1), 0)


class Descent:
    """All starts side by side: Adam along the method's directions, with a method each."""

    def __init__(self, name: str) -> None:
        self.methods = [METHOD_CLASSES[name](**OPTIONS.get(name, {})) for _ in STARTS]
        self.x = STARTS.copy()
        self.mean, self.square = np.zeros_like(self.x), np.zeros_like(self.x)
        self.values, self.jacobians = objectives(self.x)

    def step(self, number: int) -> None:
        """Take a step, the first with number 1."""
        gramians = torch.from_numpy(self.jacobians @ self.jacobians.transpose(0, 2, 1))
        jacobians, losses = torch.from_numpy(self.jacobians), torch.from_numpy(self.values - BOTTOM)
        weights = torch.stack(
            [
                method(Signals(*signals))
                for method, *signals in zip(self.methods, losses, gramians, jacobians, strict=True)
            ]
        ).double()
        direction = (weights.unsqueeze(1) @ jacobians).squeeze(1).numpy()
        self.mean += (1 - BETA1) * (direction - self.mean)
        self.square += (1 - BETA2) * (direction**2 - self.square)
        root = np.sqrt(self.square / (1 - BETA2**number)) + EPSILON
        self.x -= RATE / (1 - BETA1**number) * self.mean / root
        self.values, self.jacobians = objectives(self.x)
        if self.methods[0].needs is Needs.PRODUCT:
            for method, gramian, own in zip(self.methods, gramians, weights, strict=True):
                method.hear(gramian @ own)
        if self.methods[0].looks_back:
            for method, after in zip(self.methods, torch.from_numpy(self.values - BOTTOM), strict=True):
                method.look_back(after)


def paths(name: str, steps: int, every: int, cache: Path | None) -> Array:
    """Return the places of all starts, ``[starts, kept, 2]``, one in `every` steps and the last.

    With a folder as `cache` they are kept there, and read if they are there.
    """
    file = None if cache is None else cache / f"{name}-{steps}.npy"
    if file is None or not file.exists():
        found = walked(name, steps, every)
        if file is not None:
            temporary = file.with_suffix(".part")
            with temporary.open("wb") as stream:
                np.save(stream, found)
            temporary.replace(file)
        return found
    kept: Array = np.load(file, allow_pickle=False)
    return kept


def walked(name: str, steps: int, every: int) -> Array:
    """Walk the paths."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    descent = Descent(name)
    kept = [descent.x.copy()]
    for number in range(1, steps + 1):
        descent.step(number)
        if number % every == 0 or number == steps:
            kept.append(descent.x.copy())
        if number % 1000 == 0:
            for method in descent.methods:
                method.end_epoch()
    return np.array(kept).transpose(1, 0, 2)


def check() -> None:
    """Compare the gradients with automatic ones."""
    x = torch.from_numpy(STARTS + 0.1).requires_grad_()
    a, b = x.unbind(1)
    walls = [0.5 * (-a - 7) - torch.tanh(-b), 0.5 * (-a + 3) + torch.tanh(-b) + 2]
    losses: list[Tensor] = []
    for wall, centre, scale in zip(walls, (7.0, -7.0), SCALE, strict=True):
        bowl = ((-a + centre) ** 2 + 0.1 * (-b - 8) ** 2) / 10 - 20
        above, below = torch.tanh(b / 2).clamp(min=0), torch.tanh(-b / 2).clamp(min=0)
        losses.append(scale * ((wall.abs().clamp(min=5e-6).log() + 6) * above + bowl * below))
    values, gradients = objectives(x.detach().numpy())
    for i, loss in enumerate(losses):
        np.testing.assert_allclose(loss.detach().numpy(), values[:, i], rtol=1e-12)
        (found,) = torch.autograd.grad(loss.sum(), x, retain_graph=True)
        np.testing.assert_allclose(found.numpy(), gradients[:, i], rtol=1e-9, atol=1e-12)


def measure(chosen: Namespace) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the figures, and the paths by method."""
    points, found, drawn = front(), {}, {}
    with ProcessPoolExecutor(chosen.jobs, mp_context=get_context("spawn")) as pool:
        every = chosen.steps // 250
        jobs = {n: pool.submit(paths, n, chosen.steps, every, chosen.cache) for n in chosen.methods}
        for name, job in jobs.items():
            drawn[name] = job.result()
            ends = objectives(drawn[name][:, -1])[0]
            gaps = gap(ends, points)
            found[name] = {
                "reached": int((gaps <= TOLERANCE).sum()),
                "gap": gaps.round(4).tolist(),
                "ends": ends.round(3).tolist(),
            }
            common.say(f"{name}: {found[name]['reached']} of {len(STARTS)}, gaps {found[name]['gap']}")
    return found, drawn


def main() -> None:
    """Measure, draw and print."""
    parser = common.parser(__doc__)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--jobs", type=int, default=2, help="methods at a time, of one thread each")
    parser.add_argument("--cache", type=Path, help="folder of what has run, for a run that was cut to go on")
    parser.add_argument("--figure", type=Path, help="write the paths as SVG")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.steps = min(chosen.steps, 2_000)
    if chosen.cache is not None:
        chosen.cache.mkdir(parents=True, exist_ok=True)
    check()
    found, drawn = measure(chosen)
    if chosen.figure is not None:
        titles = {f"{name}: {found[name]['reached']} of 5": path for name, path in drawn.items()}
        chosen.figure.write_text(draw(titles, objectives), encoding="utf-8")
    common.finish({**found, "steps": chosen.steps})


if __name__ == "__main__":
    main()
