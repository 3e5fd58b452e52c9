"""iMAML: conjugate gradients that stop in time, and the unrolled meta-gradient in the limit."""

from __future__ import annotations

import torch
from small_episodes import episodes, forward, half_squares, learner, meta_gradient

from sharewise.data.episodes import Condition, Sinusoids
from sharewise.meta import Learner, NetOptions, Spec, make_learner
from sharewise.meta.gradient.imaml import LEAST_CURVATURE
from sharewise.meta.solvers import ConjugateGradient, Product
from sharewise.meta.strategy import Whole
from sharewise.streams import stream


def truncated_cg(product: Product, right: torch.Tensor, steps: int) -> torch.Tensor:
    return ConjugateGradient(steps, least_curvature=LEAST_CURVATURE).solve(product, right).vector


def test_conjugate_gradients_solve_every_task_by_itself() -> None:
    root = torch.randn(3, 6, 6, generator=stream(0, "root"), dtype=torch.float64)
    matrix = root @ root.transpose(1, 2) + torch.eye(6, dtype=torch.float64)
    right = torch.randn(3, 6, generator=stream(0, "right"), dtype=torch.float64)
    found = truncated_cg(lambda v: (matrix @ v.unsqueeze(2)).squeeze(2), right, 20)
    expected = torch.linalg.solve(matrix, right)
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-8)
    one = truncated_cg(lambda v: (matrix[1:2] @ v.unsqueeze(2)).squeeze(2), right[1:2], 20)
    torch.testing.assert_close(one[0], found[1])


def test_conjugate_gradients_stop_where_nothing_curves() -> None:
    """Along a direction of negative curvature the solution so far stays; the first one is the right side."""
    diagonal = torch.tensor([[2.0, 4.0, 8.0], [-1.0, -1.0, -1.0], [2.0, 4.0, -3.0], [0.0, 0.0, 0.0]])
    right = torch.tensor([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [3.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    found = truncated_cg(lambda v: diagonal * v, right, 10)
    torch.testing.assert_close(found[0], right[0] / diagonal[0])
    assert torch.equal(found[1], right[1])
    assert torch.equal(found[3], right[3])
    # The first direction of the third task curves upward, a later one does not.
    first = right[2] * right[2].square().sum() / (diagonal[2] * right[2].square()).sum()
    assert found.isfinite().all()
    assert float(found[2] @ right[2]) > 0
    assert float((found[2] - first).norm()) < float(right[2].norm())


def test_the_right_side_zero_gives_zero() -> None:
    assert torch.equal(truncated_cg(lambda v: v, torch.zeros(2, 3), 4), torch.zeros(2, 3))


def test_sinusoids_train_with_finite_losses() -> None:
    """With the inner problem far from solved I + H/λ is indefinite, which blew up at the first step."""
    source = Sinusoids()
    learner = make_learner("imaml", Spec(source.inputs, source.kind), net=NetOptions(hidden=(40, 40)))
    strategy, optimizer = Whole(learner), torch.optim.Adam(learner.parameters(), lr=1e-3)
    batches = source.batches(Condition(shots=10, queries=10), 16, 0, "train")
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        losses.append(float(strategy.backward(next(batches)).mean()))
        norm = torch.nn.utils.get_total_norm([p.grad for p in learner.parameters() if p.grad is not None])
        assert norm.isfinite()
        optimizer.step()
    assert all(loss < 1e3 for loss in losses), losses
    assert sum(losses[-20:]) < sum(losses[:20])


def unrolled(made: Learner, batch: Episodes, steps: int, regularisation: float) -> list[torch.Tensor]:
    """Return the meta-gradient through all steps of the inner problem, task after task."""
    theta = {n.removeprefix("net."): p.detach().clone().requires_grad_() for n, p in made.named_parameters()}
    total = torch.zeros(())
    for task in range(len(batch)):
        phi = theta
        for _ in range(steps):
            fit = half_squares(
                forward(phi, batch.support.inputs["numeric"][task]), batch.support.targets[task]
            )
            near = sum((phi[name] - theta[name]).square().sum() for name in theta)
            slopes = torch.autograd.grad(
                fit + 0.5 * regularisation * near, list(phi.values()), create_graph=True
            )
            phi = {n: v - 0.2 * slope for (n, v), slope in zip(phi.items(), slopes, strict=True)}
        found = forward(phi, batch.query.inputs["numeric"][task])
        total = total + half_squares(found, batch.query.targets[task]) / len(batch)
    return list(torch.autograd.grad(total, list(theta.values())))


def test_the_meta_gradient_is_the_unrolled_one_in_the_limit() -> None:
    """The more the inner loop converges the nearer they are; neither follows the steps of the other."""
    batch, off = episodes(), []
    for steps in (3, 12, 100):
        made = learner("imaml", steps=steps, rate=0.2, regularisation=1.0, cg_steps=30)
        found = torch.cat([g.flatten() for g in meta_gradient(made, batch).values()])
        expected = torch.cat([g.flatten() for g in unrolled(made, batch, 100, 1.0)])
        off.append(float((found - expected).norm() / expected.norm()))
    assert off[0] > off[1] > off[2]
    assert off[2] < 1e-6, off


def test_the_inner_gradient_in_closed_form_is_autograds() -> None:
    """The closed form of the inner gradient is that of autograd, with the pull to the start."""
    made, batch = learner("imaml", regularisation=1.5), episodes()
    fast = {name: value.detach() + 0.1 for name, value in made.stacked(made.start(3), 3).items()}  # type: ignore
    x = made.reader(batch.support.inputs)  # type: ignore[operator]
    closed = made.slopes(fast, x, batch.support)  # type: ignore[operator]
    leaves = {name: value.clone().requires_grad_() for name, value in fast.items()}
    expected = torch.autograd.grad(made.inner(leaves, x, batch.support), list(leaves.values()))  # type: ignore
    for name, value in zip(leaves, expected, strict=True):
        torch.testing.assert_close(closed[name], value)
