"""Small episodes in float64 for the laws of single learners, and a network written out plainly."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sharewise.data.episodes import Episodes, Shots
from sharewise.meta import Learner, NetOptions, Spec, make_learner
from sharewise.streams import stream
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind
from sharewise.tasks.kinds import Regression

COLUMNS = InputSpec(bins=((-1.0, 1.0), (-1.0, 1.0)))
IMAGES = InputSpec(image=(1, 6, 6))


def learner(name: str = "maml", kind: Kind | None = None, **options: object) -> Learner:
    """Return a learner of numbers from two columns, in float64."""
    spec = Spec(COLUMNS, kind or Regression(), 3 if kind and kind.categorical else 0)
    options = {"net": NetOptions(hidden=(4,)), **options}
    return make_learner(name, spec, **options).double()  # type: ignore[arg-type]


def rows(tasks: int, count: int, name: str, ways: int = 0, image: bool = False) -> Shots:
    generator = stream(0, "small", name)
    shape = (1, 6, 6) if image else (2,)
    x = torch.randn(tasks, count, *shape, generator=generator, dtype=torch.float64)
    y = torch.randn(tasks, count, generator=generator, dtype=torch.float64)
    if ways:
        y = (torch.arange(count) % ways).double().expand(tasks, -1)
    return Shots({"image" if image else "numeric": x}, y)


def episodes(
    tasks: int = 3, shots: int = 5, queries: int = 4, ways: int = 0, image: bool = False
) -> Episodes:
    support, query = (rows(tasks, *part, ways, image) for part in ((shots, "support"), (queries, "query")))
    return Episodes(support, query, ways)


def meta_gradient(made: Learner, batch: Episodes) -> dict[str, Tensor]:
    """Return the gradient of the mean surrogate by every parameter."""
    made.zero_grad()
    made.judge(batch).surrogate.mean().backward()  # type: ignore[no-untyped-call]
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in made.named_parameters()
    }


def slope_along(made: Learner, loss: Callable[[], Tensor], direction: dict[str, Tensor]) -> float:
    """Return the central difference of a loss along a direction of the parameters."""
    step, found = 1e-6, []
    with torch.no_grad():
        for sign in (1.0, -2.0):
            for name, parameter in made.named_parameters():
                parameter.add_(direction[name], alpha=sign * step)
            found.append(float(loss()))
        for name, parameter in made.named_parameters():
            parameter.add_(direction[name], alpha=step)
    return (found[0] - found[1]) / (2 * step)


def random_direction(made: Learner, seed: int) -> dict[str, Tensor]:
    generator = stream(seed, "direction")
    return {
        name: torch.randn(p.shape, generator=generator, dtype=p.dtype) for name, p in made.named_parameters()
    }


def forward(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """Run the two-layer perceptron of `learner` on one task's rows ``[rows, features]``."""
    hidden = torch.relu(x @ weights["layers.0.weight"].T + weights["layers.0.bias"])
    return (hidden @ weights["layers.1.weight"].T + weights["layers.1.bias"])[:, 0]


def half_squares(found: Tensor, y: Tensor) -> Tensor:
    return 0.5 * (found - y).square().mean()
