"""What a user gets wrong at Python level: each a clear error of one sentence and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from small_episodes import COLUMNS, IMAGES, episodes, learner
from torch import nn

from sharewise.data.episodes import Condition, LabelledExamples, Shots, Sinusoids, TaskRows
from sharewise.errors import ConfigError, DataError
from sharewise.meta import LEARNERS, NetOptions, OwnNet, Spec, make_learner
from sharewise.tasks import InputSpec
from sharewise.tasks.kinds import Binary, Count, Multiclass, Regression
from sharewise.train import MetaOptions, fit_learner
from sharewise.train.meta_evaluate import evaluate_learner

NUMBERS, CLASSES = Spec(COLUMNS, Regression()), Spec(COLUMNS, Multiclass(), 3)

MADE: dict[str, tuple[str, Callable[[], Any]]] = {
    "unknown learner": ("Did you mean 'maml'", lambda: make_learner("mamll", NUMBERS)),
    "unknown option": ("Did you mean 'steps'", lambda: make_learner("maml", NUMBERS, step=3)),
    "no options": ("takes none", lambda: make_learner("centroid", CLASSES, steps=3)),
    "second order of none": (
        "no 'second_order'",
        lambda: make_learner("reptile", NUMBERS, second_order=True),
    ),
    "implicit second order": ("no 'second_order'", lambda: make_learner("imaml", NUMBERS, second_order=True)),
    "text for a number": ("whole number", lambda: make_learner("maml", NUMBERS, steps="3")),
    "half a step": ("whole number", lambda: make_learner("maml", NUMBERS, steps=1.5)),
    "a number for a truth": ("true or false", lambda: make_learner("maml", NUMBERS, second_order=1)),
    "steps below 0": ("-1 steps", lambda: make_learner("maml", NUMBERS, steps=-1)),
    "rate 0": ("learning rate is 0", lambda: make_learner("maml", NUMBERS, rate=0.0)),
    "rate not finite": ("finite number", lambda: make_learner("maml", NUMBERS, rate=float("nan"))),
    "MAML++ without steps": ("at least one step", lambda: make_learner("maml_plus", NUMBERS, steps=0)),
    "MAML++ anneals never": ("anneal = 0", lambda: make_learner("maml_plus", NUMBERS, anneal=0.0)),
    "no context": ("context of 0", lambda: make_learner("cavia", NUMBERS, context=0)),
    "context in an own net": (
        "its own network",
        lambda: make_learner("cavia", NUMBERS, net=OwnNet(nn.Linear(2, 1))),
    ),
    "Reptile without rows": ("at least 1", lambda: make_learner("reptile", NUMBERS, inner_batch=0)),
    "iMAML unregularised": ("positive", lambda: make_learner("imaml", NUMBERS, regularisation=0.0)),
    "ridge unregularised": ("positive", lambda: make_learner("r2d2", NUMBERS, regularisation=-1.0)),
    "no noise": ("positive", lambda: make_learner("alpaca", NUMBERS, noise=0.0)),
    "heads do not divide": ("3 heads", lambda: make_learner("anp", NUMBERS, width=8, heads=3)),
    "transformer's heads": ("3 heads", lambda: make_learner("transformer", NUMBERS, width=8, heads=3)),
    "no layers": ("depth = 0", lambda: make_learner("transformer", NUMBERS, depth=0)),
    "no width": ("width = 0", lambda: make_learner("cnp", NUMBERS, width=0)),
    "floor above 1": ("floor = 1.5", lambda: make_learner("cnp", NUMBERS, floor=1.5)),
    "a kind it cannot": ("kind 'count'", lambda: make_learner("alpaca", Spec(COLUMNS, Count()))),
    "one way": ("1 ways", lambda: make_learner("maml", Spec(COLUMNS, Multiclass(), 1))),
    "no inputs": ("empty", lambda: make_learner("maml", Spec(InputSpec(), Regression()))),
    "a plain module": (
        "is a Linear",
        lambda: make_learner("maml", NUMBERS, net=nn.Linear(2, 1)),  # type: ignore[arg-type]
    ),
    "a plain module for features": (
        "is a dict",
        lambda: make_learner("protonet", CLASSES, net={"hidden": 3}),  # type: ignore[arg-type]
    ),
    "no hidden units": ("hidden = (0,)", lambda: NetOptions(hidden=(0,))),
    "unknown norm": (
        "Did you mean 'group'",
        lambda: make_learner("maml", Spec(IMAGES, Multiclass(), 2), net=NetOptions(norm="groups")),
    ),
    "running statistics": (
        "mix the tasks",
        lambda: make_learner("maml", Spec(IMAGES, Multiclass(), 2), net=NetOptions(norm="running")),
    ),
    "negative steps to adapt": ("-2 steps", lambda: learner().adapt(episodes().support, -2)),
}


@pytest.mark.parametrize("case", MADE.values(), ids=MADE)
def test_learners_that_cannot_be(case: tuple[str, Callable[[], Any]]) -> None:
    text, make = case
    with pytest.raises(ConfigError) as caught:
        make()
    assert text in str(caught.value)
    assert caught.value.remedy


def spoiled(support: Shots, **changes: Any) -> Shots:
    return replace(support, **changes)


def with_nan(support: Shots) -> Shots:
    x = support.inputs["numeric"].clone()
    x[1, 2, 0] = float("nan")
    return replace(support, inputs={"numeric": x})


SUPPORTS: dict[str, tuple[str, Callable[[Shots], Shots]]] = {
    "no rows": ("is empty", lambda s: s.first(0)),
    "no tasks": ("set is empty", lambda s: s.take(slice(0, 0))),
    "a task of padding alone": (
        "is empty",
        lambda s: spoiled(s, mask=torch.arange(3).unsqueeze(1).expand_as(s.targets) > 0),
    ),
    "NaN in inputs": ("inputs 'numeric' are not all finite", with_nan),
    "NaN in targets": (
        "targets are not all finite",
        lambda s: spoiled(s, targets=s.targets + float("nan")),
    ),
    "more ways": ("5 classes, but the learner was made for 3", lambda s: spoiled(s, targets=s.targets + 2)),
    "a class below 0": ("no whole number", lambda s: spoiled(s, targets=s.targets - 1)),
    "half a class": ("no whole number", lambda s: spoiled(s, targets=s.targets / 2)),
}


@pytest.mark.parametrize("case", SUPPORTS.values(), ids=SUPPORTS)
@pytest.mark.parametrize("name", ["maml", "r2d2", "transformer"])
def test_support_sets_that_cannot_be_learned_from(
    name: str, case: tuple[str, Callable[[Shots], Shots]]
) -> None:
    text, spoil = case
    batch = episodes(shots=6, ways=3)
    made = learner(name, Multiclass())
    if text == "is empty" and made.from_nothing:
        pytest.skip("predicts from nothing")
    with pytest.raises(DataError, match=text):
        made.check(replace(batch, support=spoil(batch.support)))


def test_targets_that_the_kind_does_not_know() -> None:
    batch = episodes()
    with pytest.raises(DataError, match="a binary label is 0 or 1"):
        learner("maml", Binary()).check(batch)
    with pytest.raises(DataError, match="a count is 0, 1, 2"):
        learner("maml", Count()).check(batch)
    learner("maml").check(batch)


@pytest.mark.parametrize("name", ["protonet", "centroid"])
def test_a_class_without_examples(name: str) -> None:
    batch = episodes(shots=6, ways=3)
    gone = replace(batch.support, targets=2 * (batch.support.targets > 0).double())
    with pytest.raises(DataError, match="no example of class 1"):
        learner(name, Multiclass()).adapt(gone)(batch.query.inputs)


@pytest.mark.parametrize(
    "name", [name for name in LEARNERS if name not in ("protonet", "centroid", "alpaca")]
)
def test_other_learners_do_without_it(name: str) -> None:
    batch = episodes(shots=6, ways=3)
    gone = replace(batch.support, targets=2 * (batch.support.targets > 0).double())
    made = learner(name, Multiclass())
    with torch.no_grad():
        assert made.adapt(gone)(batch.query.inputs).outputs.isfinite().all()


def test_padded_images_are_refused_where_padding_would_count() -> None:
    batch = episodes(shots=4, ways=2, image=True)
    padded = replace(batch.support, mask=torch.arange(4).expand(3, -1) < 3)
    for norm, refused in (("support", True), ("transductive", True), ("group", False), ("none", False)):
        net = NetOptions(channels=(2,), norm=norm)
        for name in ("maml", "protonet", "reptile", "pooled", "scratch", "fine_tuned", "imaml"):
            options = {"steps": 1} if name != "protonet" else {}
            made = make_learner(name, Spec(IMAGES, Multiclass(), 2), net=net, **options).double()
            if refused:
                with pytest.raises(DataError, match="padding would count"):
                    made.judge(replace(batch, support=padded))
            else:
                made.judge(replace(batch, support=padded))


def test_training_and_evaluation_check_what_they_are_given() -> None:
    source = Sinusoids()
    made = make_learner("maml", Spec(source.inputs, source.kind), net=NetOptions(hidden=(4,)))
    with pytest.raises(ConfigError, match="no classes to draw"):
        fit_learner(made, source, Condition(shots=2, queries=2, ways=3), MetaOptions(iterations=1))
    with pytest.raises(ConfigError, match="no classes to draw"):
        evaluate_learner(made, source, Condition(shots=2, queries=2, ways=3), episodes=2)


def test_training_checks_that_the_learner_can_read_the_episodes() -> None:
    source = LabelledExamples(COLUMNS, {"numeric": torch.randn(40, 2)}, torch.arange(40) % 4, "abcd")
    for ways in (3, (2, 4)):
        made = make_learner("maml", Spec(COLUMNS, source.kind, 2), net=NetOptions(hidden=(4,)))
        with pytest.raises(DataError, match="the learner was made for 2"):
            fit_learner(made, source, Condition(shots=2, queries=2, ways=ways), MetaOptions(iterations=20))


def test_an_evaluation_of_no_episodes() -> None:
    source = Sinusoids()
    made = make_learner("maml", Spec(source.inputs, source.kind), net=NetOptions(hidden=(4,)))
    for episodes_ in (0, -3):
        with pytest.raises(ConfigError, match=f"{episodes_} episodes"):
            evaluate_learner(made, source, Condition(2, 2), episodes=episodes_)


MIXED = InputSpec(cardinalities=(3, 5), bins=((-1.0, 1.0),))


def mixed(cardinalities: tuple[int, ...] = (3, 5)) -> TaskRows:
    task = torch.arange(40) // 10
    inputs = replace(MIXED, cardinalities=cardinalities)
    ids = torch.stack([torch.arange(40) % size for size in cardinalities], 1)
    values = {"categorical": ids, "numeric": torch.randn(40, 1)}
    return TaskRows(inputs, values, torch.randn(40), task, "abcd", Regression())


def test_categories_of_another_table() -> None:
    made = make_learner("maml", Spec(MIXED, Regression()), net=NetOptions(hidden=(4,)))
    evaluate_learner(made, mixed(), Condition(2, 2), episodes=2)
    with pytest.raises(DataError, match=r"\[7, 2\] values, but the learner was made for \[3, 5\]"):
        evaluate_learner(made, mixed((7, 2)), Condition(2, 2), episodes=2)


def wrong(rows: Shots, **inputs: torch.Tensor | None) -> Shots:
    kept = {key: value for key, value in {**rows.inputs, **inputs}.items() if value is not None}
    return replace(rows, inputs=kept)


@pytest.mark.parametrize("part", ["support", "query"])
@pytest.mark.parametrize(
    "inputs, says",
    [
        (
            {"numeric": torch.zeros(2, 2, 3)},
            r"'numeric' are of shape \[3\], but the learner was made for \[1\]",
        ),
        ({"categorical": None}, "'categorical' are missing"),
        ({"categorical": torch.full((2, 2, 2), 4)}, "is none of those"),
        ({"categorical": torch.full((2, 2, 2), -1)}, "is none of those"),
        ({"numeric": torch.full((2, 2, 1), float("nan"))}, "'numeric' are not all finite"),
    ],
)
def test_rows_that_the_learner_was_not_made_for(part: str, inputs: Any, says: str) -> None:
    batch = next(mixed().batches(Condition(2, 2), 2, 0, "test"))
    made = make_learner("maml", Spec(MIXED, Regression()), net=NetOptions(hidden=(4,)))
    made.check(batch)
    with pytest.raises(DataError, match=f"The {part} set's inputs {says}|category of the {part} set {says}"):
        made.check(replace(batch, **{part: wrong(getattr(batch, part), **inputs)}))


@pytest.mark.parametrize(
    "name, norm", [("maml", "support"), ("maml", "transductive"), ("pooled", "support"), ("cnp", "support")]
)
def test_no_rows_to_normalise_by(name: str, norm: str) -> None:
    batch = episodes(shots=4, image=True)
    net = NetOptions(channels=(2,), norm=norm)
    made = make_learner(name, Spec(IMAGES, Regression()), net=net).double()
    with pytest.raises(DataError, match="has no rows"):
        made.adapt(batch.support.first(0))(batch.query.inputs)
    group = make_learner(name, Spec(IMAGES, Regression()), net=replace(net, norm="group")).double()
    assert group.adapt(batch.support.first(0))(batch.query.inputs).outputs.isfinite().all()


def rare_class() -> TaskRows:
    """The last of three classes is that of one row in twenty."""
    task = torch.arange(200) // 20
    label = torch.where(torch.arange(200) % 20 == 0, 2, torch.arange(200) % 2).float()
    values = {"numeric": torch.randn(200, 2)}
    return TaskRows(COLUMNS, values, label, task, "abcdefghij", Multiclass(), classes=3)


def test_a_class_of_the_label_that_no_support_set_has() -> None:
    source, condition = rare_class(), Condition(shots=6, queries=14)
    unseen = next(
        batch
        for batch in source.batches(condition, 1, 0, "test")
        if batch.support.known.max() < 2 and batch.query.known.max() == 2
    )
    spec = Spec.of(source, condition)
    forecast = make_learner("matching", spec).adapt(unseen.support)(unseen.query.inputs)
    assert forecast.outputs.shape[-1] == 3
    assert (forecast.outputs.argmax(-1) < 2).all()
    assert make_learner("matching", spec).judge(unseen).losses.isfinite().all()
    for name in ("protonet", "centroid"):
        with pytest.raises(DataError, match="class 2, of which no support set has an example"):
            make_learner(name, spec).judge(unseen)
