"""Small convex problems over a Gramian, solved exactly: there are few tasks, so factorising is cheap.

All work in float64 on the CPU, whatever the scale of the gradients: a Gramian is first divided by its largest
entry. Its factor R with RᵀR = G turns quadratic problems into least squares with signs.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from sharewise.balance.weighting import EXACT

Array = NDArray[np.float64]
#: Eigenvalues below this share of the largest are rounding errors.
RANK = 1e-12
#: Regularisation of active-set systems, as a share of the largest diagonal entry.
RIDGE = 1e-11
#: How far signs may be off before an active set is not the solution's.
SLACK = 1e-9
#: Exchanges of active sets before the slower, finite method takes over.
EXCHANGES = 60
#: Newton steps at most, and the relative residual at which they end.
STEPS, DONE = 100, 1e-11
#: Steps that bring nearly nothing after which nothing but rounding is left: near the end each squares the
#: residual.
CLOSE = 8
TINY = 1e-12


def scaled(gramian: Tensor) -> tuple[Float[Tensor, "n n"], float]:
    """Return the symmetric Gramian divided by its largest entry, and that entry (0 for a zero Gramian)."""
    g = gramian.detach().to("cpu", EXACT)
    largest = float(g.abs().max()) if g.numel() else 0.0
    return (g / largest if largest > 0 else g), largest


def normalised(gramian: Tensor) -> tuple[Float[Tensor, "n n"], Float[Tensor, " n"]]:
    """Return the matrix of cosines and the lengths of the gradients; zero gradients have cosine 0 to all.

    Lengths are relative to the longest one, so nothing overflows.
    """
    g, _ = scaled(gramian)
    lengths = g.diagonal().clamp(min=0).sqrt()
    inverse = torch.where(lengths > 0, 1 / lengths, 0.0)
    return g * inverse[:, None] * inverse, lengths


def square_root(gramian: Array) -> Array:
    """Return R with RᵀR = G, of as many rows as G has rank; rounding errors of G's sign are cut off."""
    values, vectors = np.linalg.eigh((gramian + gramian.T) / 2)
    keep = values > RANK * max(float(values[-1]), 0.0)
    root: Array = np.sqrt(values[keep])[:, None] * vectors[:, keep].T
    return root


def min_norm_weights(gramian: Float[Tensor, "n n"]) -> Float[Tensor, " n"]:
    """Return the point of the simplex with the shortest Σ wᵢ gᵢ: min wᵀGw, w ≥ 0, Σ w = 1.

    The non-negative least squares problem min ‖R w‖² + (Σ w - 1)² has its solution on the same ray.
    """
    g, largest = scaled(gramian)
    tasks = len(g)
    if tasks == 1 or largest == 0:
        return torch.full((tasks,), 1 / tasks, dtype=EXACT)
    if tasks == 2:
        return _of_two(*g.flatten().tolist())
    # Lengths may differ by many orders: weigh the sum so that neither term drowns in the other.
    root = square_root(g.numpy())
    weight = np.sqrt(max(float(g.diagonal().clamp(min=0).min()), 1e-12))
    system = np.vstack([root, np.full((1, tasks), weight)])
    target = np.zeros(len(system))
    target[-1] = weight
    found = torch.from_numpy(nnls(system, target)[0])
    total = found.sum()
    if float(total) <= 0:
        return torch.full((tasks,), 1 / tasks, dtype=EXACT)
    return _polished(g, found / total)


def _of_two(first: float, cross: float, _: float, second: float) -> Float[Tensor, " 2"]:
    """Return the weights of the shortest point between two gradients; the middle if they are the same."""
    apart = first + second - 2 * cross
    share = (second - cross) / apart if apart > TINY * (first + second) else 0.5
    share = min(max(share, 0.0), 1.0)
    return torch.tensor([share, 1 - share], dtype=EXACT)


def _polished(g: Tensor, weights: Tensor) -> Tensor:
    """Solve for the weights once more on the places where they are positive, if that keeps them so."""
    on = weights > 0
    part = g[on][:, on]
    found = torch.linalg.solve(
        part + RIDGE * torch.eye(len(part), dtype=EXACT), torch.ones(len(part), dtype=EXACT)
    )
    if not bool((found > 0).all()):
        return weights
    better = torch.zeros_like(weights)
    better[on] = found / found.sum()
    return better if float(better @ g @ better) <= float(weights @ g @ weights) else weights


def dual_cone(
    gramian: Float[Tensor, "n n"], start: Float[Tensor, "k n"], active: Tensor | None = None
) -> tuple[Float[Tensor, "k n"], Tensor]:
    """Project vectors Σ uᵢ gᵢ onto the cone of directions that no gradient opposes.

    The projection has the weights v that solve min vᵀGv, v ≥ u: with v = u + x, x ≥ 0 and y = G(u + x) ≥ 0
    and x·y = 0. All rows at once, by exchanging the whole set of violated signs (block principal pivoting,
    Júdice & Pires 1994); what does not settle is left to non-negative least squares.

    Args:
        gramian: of the gradients.
        start: u, one vector a row.
        active: where x was positive in a similar problem, to start from.

    Returns:
        v, and where x is positive.
    """
    g, lengths = normalised(gramian)  # with w = length · v the problem is that of unit gradients
    n = len(g)
    ridge = g + RIDGE * torch.eye(n, dtype=EXACT)
    begin = start * lengths
    tie = begin @ ridge
    slack = SLACK * begin.abs().amax(1, keepdim=True)
    positive = torch.zeros_like(start, dtype=torch.bool) if active is None else active.clone()
    settled = torch.zeros(len(start), dtype=torch.bool)
    solution = torch.zeros_like(start)
    fewest = torch.full((len(start),), n + 1)
    patience = torch.full((len(start),), 3)
    for _ in range(EXCHANGES):
        rows = (~settled).nonzero().squeeze(1)
        if not len(rows):
            break
        x = _on_set(ridge, tie[rows], positive[rows])
        y = x @ ridge + tie[rows]
        wrong = torch.where(positive[rows], x, y) < -slack[rows]
        count = wrong.sum(1)
        solution[rows] = x
        settled[rows] = count == 0
        better = count < fewest[rows]
        fewest[rows] = torch.where(better, count, fewest[rows])
        patience[rows] = torch.where(better, 3, patience[rows] - 1)
        last = wrong & (wrong.flip(1).cumsum(1).flip(1) == 1)  # one exchange at a time cannot cycle
        positive[rows] ^= torch.where((patience[rows] >= 0)[:, None], wrong, last)
    for row in (~settled).nonzero().flatten().tolist():
        solution[row] = _one_by_one(g, begin[row])
    solution = solution.clamp(min=0)
    return start + torch.where(lengths > 0, solution / lengths, 0.0), solution > 0


def _on_set(g: Tensor, tie: Tensor, positive: Tensor) -> Float[Tensor, "k n"]:
    """Solve G x = -tie on the positive places of each row, x = 0 elsewhere.

    The rows' systems are gathered and padded to the largest of them: with few conflicts they are small.
    """
    size = int(positive.sum(1).max())
    if not size:
        return torch.zeros_like(tie)
    order = torch.argsort(positive.to(torch.int8), dim=1, descending=True, stable=True)[:, :size]
    there = positive.gather(1, order)
    system = g[order[:, :, None], order[:, None, :]]
    system = torch.where(there[:, :, None] & there[:, None, :], system, torch.eye(size, dtype=EXACT))
    target = torch.where(there, -tie.gather(1, order), 0.0)
    return torch.zeros_like(tie).scatter(1, order, torch.linalg.solve(system, target))


def _one_by_one(g: Tensor, start: Tensor) -> Float[Tensor, " n"]:
    root = square_root(g.numpy())
    return torch.from_numpy(nnls(root, -(root @ start.numpy()))[0])


def project_onto_simplex(point: Array) -> Array:
    """Return the nearest point ``[n]`` with entries ≥ 0 that sum to 1 (Held, Wolfe, Crowder 1974)."""
    ordered = np.sort(point)[::-1]
    excess = (ordered.cumsum() - 1) / np.arange(1, len(point) + 1)
    kept = int((ordered > excess).sum())
    nearest: Array = np.maximum(point - excess[kept - 1], 0)
    return nearest


def positive_root(
    gramian: Float[Tensor, "n n"], power: float = 1.0, ridge: float = 1e-13
) -> Float[Tensor, " n"]:
    """Return the a > 0 with G a = a^-power.

    It is where the strictly convex ½ aᵀGa - Σ ∫ a^-power has its minimum; found by Newton's method, in
    coordinates b = length · a of unit gradients, with step lengths that keep b positive, and the best
    multiple of b after each: it is many orders away where gradients nearly cancel. If some positive
    combination of them vanishes there is no minimum; a small multiple of the identity keeps the weights
    finite then.

    Args:
        gramian: its gradients must not be zero.
        power: 1 for Nash-MTL, 1 / alpha for FairGrad.
        ridge: added to the squared length of unit gradients.
    """
    cosines, lengths = normalised(gramian)
    system = cosines.numpy() + ridge * np.eye(len(cosines))
    pull = lengths.numpy() ** (power - 1)  # G a = a^-p becomes C b = length^(p - 1) b^-p
    b = _on_ray(system, pull, pull ** (1 / (1 + power)), power)
    close = 0
    for _ in range(STEPS):
        wanted = pull * b**-power
        residual = system @ b - wanted
        if np.abs(residual / wanted).max() <= DONE or close > CLOSE:
            break
        step = np.linalg.solve(system + np.diag(power * wanted / b), -residual)
        decrease = float(-residual @ step)
        length = min(1.0, 0.9 / max(float((-step / b).max()), TINY))
        value = _potential(system, pull, b, power)
        search = decrease > 1e-9 * abs(value)  # below that, rounding decides which value is smaller
        close += decrease <= 1e-6 * abs(value)
        while (
            search
            and length > TINY
            and _potential(system, pull, b + length * step, power) > value - 1e-4 * length * decrease
        ):
            length /= 2
        if length <= TINY:  # whatever is left is rounding
            break
        b = _on_ray(system, pull, b + length * step, power)
    largest = float(gramian.detach().to(EXACT).abs().max())
    found: Tensor = torch.from_numpy(b) / lengths * largest ** (-1 / (1 + power))
    return found


def _on_ray(system: Array, pull: Array, b: Array, power: float) -> Array:
    """Return the multiple of b with the least potential."""
    square = max(float(b @ system @ b), np.finfo(np.float64).tiny)
    return b * (float(pull @ b ** (1 - power)) / square) ** (1 / (1 + power))  # type: ignore[no-any-return]


def _potential(system: Array, pull: Array, b: Array, power: float) -> float:
    gain = np.log(b) if power == 1 else b ** (1 - power) / (1 - power)
    return float(0.5 * b @ system @ b - pull @ gain)
