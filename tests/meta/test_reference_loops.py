"""Each gradient learner against its paper's loop, written out plainly: one task, one step at a time."""

from __future__ import annotations

import torch
from small_episodes import episodes, forward, half_squares, learner, meta_gradient
from torch import Tensor

from sharewise.data.episodes import Episodes
from sharewise.meta import Learner
from sharewise.meta.gradient.maml_plus import MAMLPlus
from sharewise.meta.gradient.reptile import minibatch

RATE, STEPS = 0.1, 3
Weights = dict[str, Tensor]
Data = tuple[Tensor, Tensor]


def tasks_of(batch: Episodes) -> list[tuple[Data, Data]]:
    parts = [(part.inputs["numeric"], part.targets) for part in (batch.support, batch.query)]
    return [tuple((x[t], y[t]) for x, y in parts) for t in range(len(batch))]  # type: ignore[misc]


def own_weights(made: Learner) -> Weights:
    """Return leaves like the network's parameters."""
    return {
        name.removeprefix("net."): value.detach().clone().requires_grad_()
        for name, value in made.named_parameters()
        if name.startswith("net.")
    }


def compare(made: Learner, batch: Episodes, loss: Tensor, leaves: Weights, prefix: str = "net.") -> None:
    """Hold the learner's meta-gradient to that of a loss of the leaves."""
    found = meta_gradient(made, batch)
    expected = torch.autograd.grad(loss, list(leaves.values()))
    for name, value in zip(leaves, expected, strict=True):
        torch.testing.assert_close(found[prefix + name], value, msg=lambda text, n=name: f"{n}: {text}")


def slope(weights: Weights, names: list[str], data: Data, create: bool = True) -> Weights:
    loss = half_squares(forward(weights, data[0]), data[1])
    found = torch.autograd.grad(loss, [weights[name] for name in names], create_graph=create)
    return dict(zip(names, found, strict=True))


def test_maml() -> None:
    for second_order in (True, False):
        made, batch = learner(steps=STEPS, rate=RATE, second_order=second_order), episodes()
        theta, total = own_weights(made), torch.zeros(())
        for support, query in tasks_of(batch):
            phi = theta
            for _ in range(STEPS):
                found = slope(phi, list(theta), support)
                phi = {
                    name: value - RATE * (found[name] if second_order else found[name].detach())
                    for name, value in phi.items()
                }
            total = total + half_squares(forward(phi, query[0]), query[1])
        compare(made, batch, total / len(batch), theta)


def test_anil() -> None:
    made, batch = learner("anil", steps=STEPS, rate=RATE), episodes()
    theta, total = own_weights(made), torch.zeros(())
    head = ["layers.1.weight", "layers.1.bias"]
    for support, query in tasks_of(batch):
        phi = theta
        for _ in range(STEPS):
            found = slope(phi, head, support)
            phi = {name: value - RATE * found[name] if name in head else value for name, value in phi.items()}
        total = total + half_squares(forward(phi, query[0]), query[1])
    compare(made, batch, total / len(batch), theta)


def test_meta_sgd() -> None:
    made, batch = learner("meta_sgd", steps=1, rate=RATE), episodes()
    theta, total = own_weights(made), torch.zeros(())
    alpha = {name: torch.full_like(value, RATE, requires_grad=True) for name, value in theta.items()}
    for support, query in tasks_of(batch):
        found = slope(theta, list(theta), support)
        phi = {name: value - alpha[name] * found[name] for name, value in theta.items()}
        total = total + half_squares(forward(phi, query[0]), query[1])
    total = total / len(batch)
    found = torch.autograd.grad(total, list(alpha.values()), retain_graph=True)
    rates = meta_gradient(made, batch)
    for name, value in zip(alpha, found, strict=True):
        torch.testing.assert_close(rates["rates." + name.replace(".", "/")], value)
    compare(made, batch, total, theta)


def published_importance(steps: int, epoch: int, epochs: int) -> list[float]:
    """The weights of the steps' losses as MAML++'s code makes them: arithmetic written anew."""
    fall = 1 / steps / epochs
    early = max(1 / steps - epoch * fall, 0.03 / steps)
    last = min(1 / steps + epoch * (steps - 1) * fall, 1 - (steps - 1) * 0.03 / steps)
    return [early] * (steps - 1) + [last]


def test_maml_plus() -> None:
    made, batch = learner("maml_plus", steps=STEPS, rate=RATE, anneal=0.5), episodes()
    assert isinstance(made, MAMLPlus)
    for share, epoch in ((0.0, 0), (0.2, 2), (0.6, 6), (1.0, 10)):
        made.set_progress(share)
        importance = published_importance(STEPS, epoch, 5)
        torch.testing.assert_close(made.importance(), torch.tensor(importance, dtype=torch.float64))
        assert float(made.importance().sum()) == 1.0 or abs(float(made.importance().sum()) - 1) < 1e-12
        theta, total = own_weights(made), torch.zeros(())
        rates = made.rates.detach().clone().requires_grad_()
        for support, query in tasks_of(batch):
            phi = theta
            for number in range(STEPS):
                found = slope(phi, list(theta), support)
                phi = {
                    name: value - rates[i, number] * found[name]
                    for i, (name, value) in enumerate(phi.items())
                }
                total = total + importance[number] * half_squares(forward(phi, query[0]), query[1])
        total = total / len(batch)
        (expected,) = torch.autograd.grad(total, rates, retain_graph=True)
        torch.testing.assert_close(meta_gradient(made, batch)["rates"], expected)
        compare(made, batch, total, theta)


def test_cavia() -> None:
    made, batch = learner("cavia", steps=STEPS, rate=RATE, context=2), episodes()
    theta, total = own_weights(made), torch.zeros(())
    for support, query in tasks_of(batch):
        context = torch.zeros(2, dtype=torch.float64, requires_grad=True)  # anew for every task

        def run(x: Tensor, context: Tensor) -> Tensor:
            return forward(theta, torch.cat([x, context.expand(len(x), -1)], 1))

        for _ in range(STEPS):
            loss = half_squares(run(support[0], context), support[1])
            (found,) = torch.autograd.grad(loss, context, create_graph=True)
            context = context - RATE * found
        total = total + half_squares(run(query[0], context), query[1])
    compare(made, batch, total / len(batch), theta)


def test_cavias_context_starts_anew() -> None:
    """What a task was adapted to is gone with the next."""
    made, batch = learner("cavia", steps=STEPS), episodes()
    first = made.adapt(batch.support)(batch.query.inputs).outputs
    made.adapt(batch.query)(batch.support.inputs)
    torch.testing.assert_close(made.adapt(batch.support)(batch.query.inputs).outputs, first)
    assert made.start(3)["context"].eq(0).all()  # type: ignore[operator]


def test_reptile() -> None:
    """The gradient is the mean of θ - φ, φ after steps on mini-batches of all rows."""
    size = 3
    made, batch = learner("reptile", steps=STEPS, rate=RATE, inner_batch=size), episodes()
    theta = own_weights(made)
    moved = {name: torch.zeros_like(value) for name, value in theta.items()}
    for support, query in tasks_of(batch):
        x, y = (torch.cat(parts) for parts in zip(support, query, strict=True))
        phi, batches = dict(theta), -(-len(x) // size)
        for number in range(STEPS):
            part = x[number % batches :: batches], y[number % batches :: batches]
            found = slope(phi, list(theta), part)
            phi = {name: value - RATE * found[name] for name, value in phi.items()}
        for name in moved:
            moved[name] = moved[name] + (theta[name] - phi[name]).detach() / len(batch)
    found = meta_gradient(made, batch)
    for name, value in moved.items():
        torch.testing.assert_close(found["net." + name], value)


def test_reptiles_minibatches_are_all_rows_of_all_classes() -> None:
    batch = episodes(shots=6, queries=9, ways=3)
    rows = batch.support.beside(batch.query)
    parts = [minibatch(rows, number, 4) for number in range(4)]
    together = torch.cat([part.inputs["numeric"] for part in parts], 1)
    assert together.shape == rows.inputs["numeric"].shape
    torch.testing.assert_close(together.sort(1).values, rows.inputs["numeric"].sort(1).values)
    assert all(part.rows <= 4 for part in parts)
    again = minibatch(rows, 4, 4)
    assert torch.equal(again.targets, parts[0].targets)
    # Rows in the order of their classes: the first four would be of two classes.
    order = rows.targets.argsort(dim=1, stable=True)
    sorted_rows = type(rows)({"numeric": rows.inputs["numeric"]}, rows.targets.gather(1, order))
    assert all(len(minibatch(sorted_rows, n, 4).targets[0].unique()) == 3 for n in range(3))
