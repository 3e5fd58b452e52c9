"""Learners that compare with a support set, or read it: what its order and its labels' numbers mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_episodes import episodes, learner

from sharewise.data.episodes import Condition, LabelledExamples
from sharewise.meta import LEARNERS, Spec, make_learner
from sharewise.meta.amortised import AttentiveProcess, NeuralProcess
from sharewise.meta.amortised.attentive import Attention
from sharewise.meta.learner import one_hot
from sharewise.meta.metric import Matching, ProtoNet
from sharewise.nn.initial import Initial
from sharewise.streams import stream
from sharewise.tasks import InputSpec
from sharewise.tasks.kinds import Multiclass
from sharewise.train.meta import fit_learner
from sharewise.train.meta_evaluate import evaluate_learner
from sharewise.train.meta_options import MetaOptions

READERS = ["protonet", "matching", "centroid", "cnp", "anp", "transformer", "r2d2", "alpaca"]


@pytest.mark.parametrize("name", READERS)
def test_the_order_of_the_support_set_means_nothing(name: str) -> None:
    kind = Multiclass() if "multiclass" in (LEARNERS[name].kinds or {"multiclass"}) else None
    made = learner(name, kind)
    batch = episodes(shots=9, ways=3 if kind else 0)
    order = torch.rand(3, 9, generator=stream(0, "order")).argsort(1)  # another in every task
    support = replace(
        batch.support,
        inputs={"numeric": batch.support.inputs["numeric"].gather(1, order.unsqueeze(2).expand(-1, -1, 2))},
        targets=batch.support.targets.gather(1, order),
    )
    one, other = (made.adapt(part)(batch.query.inputs) for part in (batch.support, support))
    torch.testing.assert_close(one.outputs, other.outputs)
    if one.variance is not None:
        torch.testing.assert_close(one.variance, other.variance)


@pytest.mark.parametrize("name", ["protonet", "matching", "centroid", "r2d2"])
def test_renumbered_ways_permute_outputs(name: str) -> None:
    made, batch = learner(name, Multiclass()), episodes(shots=9, ways=3)
    other = torch.tensor([2, 0, 1])
    support = replace(batch.support, targets=other[batch.support.targets.long()].double())
    found = made.adapt(batch.support)(batch.query.inputs).outputs
    renumbered = made.adapt(support)(batch.query.inputs).outputs
    torch.testing.assert_close(renumbered[..., other], found)


def test_prototypes_are_means_and_scores_distances() -> None:
    made, batch = learner("protonet", Multiclass()), episodes(shots=9, ways=3)
    assert isinstance(made, ProtoNet)
    known, asked = (made.features(part.inputs).detach().numpy() for part in (batch.support, batch.query))
    found = made.adapt(batch.support)(batch.query.inputs).outputs.detach().numpy()
    labels = batch.support.targets.numpy()
    for task in range(3):
        centres = np.stack([known[task][labels[task] == way].mean(0) for way in range(3)])
        expected = -((asked[task][:, None] - centres) ** 2).sum(2)
        np.testing.assert_allclose(found[task], expected, atol=1e-10)


def test_matching_is_attention_over_labels() -> None:
    made, batch = learner("matching", Multiclass()), episodes(shots=9, ways=3)
    assert isinstance(made, Matching)
    known, asked = (made.features(part.inputs).detach().numpy() for part in (batch.support, batch.query))
    shares = made.adapt(batch.support)(batch.query.inputs).outputs.softmax(-1).detach().numpy()
    for task in range(3):
        for row, share in zip(asked[task], shares[task], strict=True):
            lengths = np.linalg.norm(known[task], axis=1) * np.linalg.norm(row)
            weight = np.exp(10 * (known[task] @ row) / np.maximum(lengths, 1e-12))
            weight = weight / weight.sum()
            labels = batch.support.targets[task].numpy()
            expected = [weight[labels == way].sum() for way in range(3)]
            np.testing.assert_allclose(share, expected, atol=1e-5)


def test_a_process_of_classes_keeps_the_mean_of_each_in_its_place() -> None:
    made, batch = learner("cnp", Multiclass()), episodes(shots=9, ways=3)
    assert isinstance(made, NeuralProcess)
    mask = torch.ones(3, 9, dtype=torch.bool)
    mask[0, batch.support.targets[0] == 1] = False  # the first task has no example of class 1
    known = made.features(batch.support.inputs)
    read = made.read(known, replace(batch.support, mask=mask)).unflatten(1, (3, -1))
    rows = made.encoder(known)
    for task in range(3):
        for way in range(3):
            of_class = rows[task, mask[task] & (batch.support.targets[task] == way)]
            expected = of_class.mean(0) if len(of_class) else torch.zeros(made.width)
            torch.testing.assert_close(read[task, way], expected.to(read.dtype))
    assert mask[0].sum() == 6


def test_attention_sees_the_mask_alone() -> None:
    """With a mask it is what it is without these rows; plain softmax of scaled products, in heads."""
    generator = stream(0, "attention")
    query, key, value = (torch.randn(2, n, 8, generator=generator, dtype=torch.float64) for n in (3, 5, 5))
    mask = torch.tensor([[True, False, True, True, False]] * 2)
    attention = Attention(8, 2, Initial(0)).double()
    found = attention(query, key, value, mask)
    torch.testing.assert_close(found, attention(query, key[:, mask[0]], value[:, mask[0]], None))
    weight = {name: w.detach() for name, w in attention.weight.items()}
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        q, k, v = (
            (x @ weight[name].T)[..., head] for x, name in ((query, "query"), (key, "key"), (value, "value"))
        )
        scores = (q @ k.transpose(1, 2) / 2.0).masked_fill(~mask.unsqueeze(1), float("-inf"))
        heads.append(scores.softmax(-1) @ v)
    torch.testing.assert_close(found, torch.cat(heads, -1) @ weight["out"].T)


@pytest.mark.parametrize("name", ["anp", "transformer"])
def test_attention_starts_with_weights_that_keep_the_spread(name: str) -> None:
    """Products with them have the inputs' variance; of smaller ones attention is even and learns late."""
    made = learner(name, Multiclass())
    attentions = [module for module in made.modules() if isinstance(module, Attention)]
    assert attentions
    for weight in (w.detach() for attention in attentions for w in attention.weight.values()):
        width = weight.shape[0]
        assert float(weight.abs().max()) <= 1.0001 * (3 / width) ** 0.5
        assert float(weight.square().mean()) * width == pytest.approx(1, rel=0.25)


def test_glorots_weights_are_between_inputs_and_outputs() -> None:
    made = learner("anp", Multiclass())
    assert isinstance(made, AttentiveProcess)
    for net in (made.encoder, made.decoder, made.keys):
        for layer in net.layers:
            out, into = layer.weight.shape
            assert 0.95 < float(layer.weight.detach().abs().max()) / (6 / (into + out)) ** 0.5 <= 1.0001


def test_labels_are_read_beside_many_columns() -> None:
    """Of classes that were never trained on. With labels of plain zeros and ones it is at chance."""

    def source(classes: int, name: str) -> LabelledExamples:
        generator = stream(0, "beside", name)
        labels = torch.arange(classes).repeat_interleave(8)
        centres = torch.randn(classes, 64, generator=generator)
        x = centres[labels] + 0.5 * torch.randn(len(labels), 64, generator=generator)
        inputs = InputSpec(bins=((-1.0, 1.0),) * 64)
        return LabelledExamples(inputs, {"numeric": x}, labels, [str(i) for i in range(classes)])

    train, test, condition = source(300, "train"), source(100, "test"), Condition(1, 5, ways=5)
    made = make_learner("anp", Spec(train.inputs, train.kind, 5))
    options = MetaOptions(iterations=100, tasks_per_batch=16, learning_rate=1e-3, device="cpu")
    fit_learner(made, train, condition, options)
    assert evaluate_learner(made, test, condition, episodes=100).metric.mean() > 0.7


@pytest.mark.parametrize(("name", "weight"), [("cnp", 1.0), ("anp", 2**0.5)])
def test_networks_read_features_and_labels_side_by_side(name: str, weight: float) -> None:
    """The conditional process as in its paper; the attentive one's labels weigh as much as two columns."""
    made, batch = learner(name), episodes(shots=9, ways=0)
    assert isinstance(made, NeuralProcess | AttentiveProcess)
    seen: list[torch.Tensor] = []
    made.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    made.adapt(batch.support)
    known, labels = made.features(batch.support.inputs), one_hot(made.spec, batch.support.known)
    torch.testing.assert_close(seen[0], torch.cat([known, weight * labels], -1))
