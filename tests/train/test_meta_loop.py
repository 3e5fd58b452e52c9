"""What the loop of meta-training does, beside going on where it stopped."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from meta_stubs import OPTIONS, SMALL, WAVE_CONDITION, WAVES, Case, pictures
from rich.console import Console

from sharewise.data.episodes import Condition, Episodes, EpisodeSource, Shots, Sinusoids, TaskRows
from sharewise.errors import ConfigError, DataError, DivergedError
from sharewise.meta import LEARNERS, Learner, Spec, make_learner
from sharewise.meta.strategy import make_strategy
from sharewise.streams import stream
from sharewise.tasks import Binary, InputSpec, Multiclass, Regression
from sharewise.tasks.kind import Kind
from sharewise.train import RichProgress, Run
from sharewise.train.meta import fit_learner
from sharewise.train.meta_evaluate import evaluate_learner, interval
from sharewise.train.meta_identity import describe
from sharewise.train.meta_options import MetaOptions
from stopping import StopAt, Stopped

MAML = Case("maml", {"steps": 1}, WAVES, WAVE_CONDITION)


class Lines(Sinusoids):
    """Sine waves whose sums are watched; after `until` draws they turn to `then`."""

    def __init__(self, until: int = 10**9, then: float = float("nan"), scale: float = 1.0) -> None:
        super().__init__()
        self.__dict__.update(until=until, then=then, scale=scale, drawn=[])

    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        values: dict[str, Any] = self.__dict__
        found = super().sample(condition, count, generator)
        values["drawn"].append(count)
        factor = values["scale"] if len(values["drawn"]) <= values["until"] else values["then"]
        query = replace(found.query, targets=found.query.targets * factor)
        return replace(found, query=query)

    def _together(self, condition: Condition, count: int) -> int:
        return 1


def test_a_learner_learns() -> None:
    options = replace(OPTIONS, iterations=150, eval_every=25)
    case = Case("maml", {"steps": 1}, WAVES, Condition(10, 10), training=options)
    before = evaluate_learner(case.make(), WAVES, case.condition, episodes=100).metric.mean()
    learner, result = case.train(None)
    after = evaluate_learner(learner, WAVES, case.condition, episodes=100).metric.mean()
    assert after < 0.9 * before
    assert [record["step"] for record in result.history] == [25, 50, 75, 100, 125, 150]
    assert result.best_score == max(record["score"] for record in result.history)
    assert not learner.training


def test_the_best_weights_are_those_of_the_best_score_on_validation_tasks(tmp_path: Path) -> None:
    """With a rate this high the score goes up and down."""
    high = replace(OPTIONS, iterations=40, learning_rate=0.3, eval_every=1, schedule="constant", seed=1)
    case = replace(MAML, training=high)
    learner, result = case.train(None)
    assert 1 < result.best_step < 40
    # The same run, stopped right after its best evaluation, has these very weights as its last.
    told = StopAt(result.best_step)
    with pytest.raises(Stopped):
        case.train(tmp_path, told)
    newest = sorted((tmp_path / "checkpoint").iterdir())[-1]
    assert newest.name.endswith(f"{result.best_step:08d}")
    kept = safetensors.torch.load_file(newest / "state.safetensors")
    for name, value in learner.state_dict().items():
        assert torch.equal(value, kept[f"model.{name}"])
    # And the score is the one that these weights get on the validation episodes.
    found = evaluate_learner(
        learner, WAVES, WAVE_CONDITION, episodes=high.eval_episodes, name="valid", seed=high.seed
    )
    assert -found.loss.mean() == pytest.approx(result.best_score, rel=1e-6)


@pytest.mark.parametrize(("kind", "judged"), [(Binary(), "loss"), (Multiclass(), "accuracy")])
def test_a_label_of_yes_and_no_is_judged_by_its_loss(kind: Kind, judged: str) -> None:
    """One of the two may be rare, and always saying the other is right most of the time."""
    if judged == "accuracy":
        source, condition = pictures(), Condition(shots=1, queries=2, ways=3)
        spec = Spec(source.inputs, kind, 3)
    else:
        chance = torch.Generator().manual_seed(0)
        numeric, task = torch.randn(200, 1, generator=chance), torch.arange(200) // 20
        rare = (numeric[:, 0] > 1).float()
        source = TaskRows(
            InputSpec(bins=((0.0, 1.0),)), {"numeric": numeric}, rare, task, [str(i) for i in range(10)], kind
        )
        condition, spec = Condition(shots=5, queries=5), Spec(source.inputs, kind)
    learner = make_learner("protonet" if judged == "accuracy" else "cnp", spec, net=SMALL)
    result = fit_learner(learner, source, condition, OPTIONS, valid=source, valid_condition=condition)
    sign = 1 if judged == "accuracy" else -1
    assert all(record["score"] == sign * record["valid"][judged] for record in result.history)
    assert set(result.history[0]["valid"]) == {"loss", judged}


def test_without_validation_tasks_the_last_weights_stay() -> None:
    learner = MAML.make()
    result = fit_learner(learner, WAVES, WAVE_CONDITION, OPTIONS)
    assert result.best_step == result.steps == 12
    assert result.best_score != result.best_score
    assert all(record["score"] is None for record in result.history)


def test_no_step_looks_at_other_tasks_than_its_own() -> None:
    """Training draws from the training tasks, evaluation from the validation tasks; there is no third."""
    train, valid = Lines(), Lines()
    fit_learner(MAML.make(), train, WAVE_CONDITION, OPTIONS, valid=valid)
    assert train.__dict__["drawn"] == [4] * 12
    assert valid.__dict__["drawn"] == [5] * 4


def test_a_learner_that_is_not_trained_returns_as_it_came(tmp_path: Path) -> None:
    case = replace(MAML, learner="scratch", options={"steps": 3})
    learner, result = case.train(tmp_path)
    assert result.steps == 0
    fresh = case.make().state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in learner.state_dict().items())
    assert Run.open(tmp_path).history() == []


@pytest.mark.parametrize("then", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_and_what_was_saved_is_kept(tmp_path: Path, then: float) -> None:
    with pytest.raises(
        DivergedError, match=r"not a finite number at step 7; .* what was saved before is kept"
    ):
        fit_learner(MAML.make(), Lines(7, then), WAVE_CONDITION, OPTIONS, folder=tmp_path)
    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == ["step-00000003", "step-00000006"]
    with pytest.raises(DivergedError, match="at step 7"):
        fit_learner(MAML.make(), Lines(1, then), WAVE_CONDITION, OPTIONS, folder=tmp_path)


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    """The loss was finite, and so was its gradient; their product with the rate is not."""
    options = replace(OPTIONS, clip=None, eval_every=1, learning_rate=1e38, optimizer="sgd", warmup=0)
    with pytest.raises(DivergedError, match="weights are not finite numbers after step 0"):
        fit_learner(MAML.make(), Lines(scale=1e4), WAVE_CONDITION, options, folder=tmp_path)
    assert not list((tmp_path / "checkpoint").glob("step-*"))


def test_a_validation_loss_that_is_not_finite_stops() -> None:
    with pytest.raises(DivergedError, match="validation loss is not a finite number after step 2"):
        fit_learner(MAML.make(), WAVES, WAVE_CONDITION, OPTIONS, valid=Lines(0))


def test_differences_of_training_and_validation_are_told() -> None:
    told = StopAt()
    fit_learner(
        MAML.make(),
        WAVES,
        WAVE_CONDITION,
        OPTIONS,
        valid=WAVES,
        valid_condition=Condition(shots=9, queries=4),
        progress=told,
    )
    assert told.notes == [
        "Training and validation differ in shots: trained with 3, tested with 9. A learner learns to learn "
        "from episodes like those it is trained on; on others it may do worse than its training lets expect."
    ]
    silent = StopAt()
    fit_learner(MAML.make(), WAVES, WAVE_CONDITION, OPTIONS, valid=WAVES, progress=silent)
    assert silent.notes == []


def test_the_gradient_is_clipped_and_the_rate_follows_its_schedule() -> None:
    """Plain descent with a clipped gradient moves by at most rate times bound."""
    options = replace(OPTIONS, optimizer="sgd", clip=1e-3, iterations=4, eval_every=1, learning_rate=1.0)
    seen: list[torch.Tensor] = []

    class Look(StopAt):
        def step(self, rows: int) -> None:
            seen.append(torch.cat([p.detach().flatten().clone() for p in learner.parameters()]))

    learner = MAML.make()
    seen.append(torch.cat([p.detach().flatten().clone() for p in learner.parameters()]))
    result = fit_learner(learner, Lines(scale=100.0), WAVE_CONDITION, options, progress=Look())
    rates = [record["learning_rate"] for record in result.history]
    assert rates[0] < rates[1] < rates[2] > rates[3]  # two steps of warm-up
    moved = [float((b - a).norm()) for a, b in pairwise(seen)]
    assert moved == pytest.approx([1e-3 * rate for rate in rates], rel=1e-2)


@pytest.mark.parametrize("name", ["maml_plus", "meta_sgd", "alpaca"])
def test_what_should_not_decay_does_not(name: str) -> None:
    """With no gradient at all only weight decay moves anything."""
    learner = replace(MAML, learner=name, options={}).make()
    before = {key: value.clone() for key, value in learner.named_parameters()}
    options = replace(OPTIONS, weight_decay=0.5, learning_rate=0.1, iterations=3, warmup=0, clip=1e-30)
    fit_learner(learner, WAVES, WAVE_CONDITION, replace(options, optimizer="sgd"))
    for key, value in learner.named_parameters():
        kept = value.ndim < 2 or key.startswith(learner.undecayed)
        assert torch.allclose(value, before[key], rtol=0, atol=1e-20) == kept, key


def test_workers_give_back_running_statistics() -> None:
    source, condition = pictures(), Condition(shots=1, queries=3, ways=3)
    case = Case("protonet", {}, source, condition, replace(SMALL, channels=(4,), norm="running"))
    learners = [case.make() for _ in range(2)]
    episodes = source.sample(condition, 8, stream(0, "x"))
    whole = make_strategy("whole", learners[0])
    workers = make_strategy("workers", learners[1], cores=2, tasks=8)
    for learner, strategy in zip(learners, (whole, workers), strict=True):
        learner.train()
        strategy.backward(episodes)
        strategy.close()
    found = [dict(learner.named_buffers()) for learner in learners]
    fresh = dict(case.make().named_buffers())
    for name, value in found[0].items():
        assert not torch.equal(found[1][name], fresh[name])
        assert torch.allclose(found[1][name], value, atol=0.02)


def none_present(shots: Shots) -> Shots:
    return replace(shots, mask=torch.zeros_like(shots.targets, dtype=torch.bool))


@pytest.mark.parametrize("name", LEARNERS)
def test_from_nothing_a_learner_predicts_or_refuses(name: str) -> None:
    kind = Regression() if "regression" in (LEARNERS[name].kinds or {"regression"}) else Binary()
    drawn = WAVES.sample(WAVE_CONDITION, 4, stream(0, "x"))
    learner = make_learner(name, Spec(WAVES.inputs, kind), net=SMALL).eval()
    for support in (drawn.support.first(0), none_present(drawn.support)):
        episodes = replace(drawn, support=support)
        if not learner.from_nothing:
            with pytest.raises(DataError, match="A support set is empty"):
                learner.check(episodes)
            continue
        learner.check(episodes)
        forecast = learner.adapt(episodes.support)(episodes.query.inputs)
        assert forecast.outputs.isfinite().all()
        assert forecast.variance is None or bool((forecast.variance > 0).all())
        # It is one prediction for all tasks: nothing is known of any.
        moved = replace(episodes.support, targets=episodes.support.targets + 1)
        assert torch.allclose(learner.adapt(moved)(episodes.query.inputs).outputs, forecast.outputs)
    nothing = replace(drawn, support=drawn.support.first(0))
    some = replace(drawn.support, mask=torch.tensor([[False] * 3] + [[True] * 3] * 3))
    if learner.from_nothing:  # beside tasks with examples, one without is as it is alone
        mixed = learner.adapt(some)(drawn.query.inputs).outputs
        alone = learner.adapt(nothing.support)(drawn.query.inputs).outputs
        assert torch.allclose(mixed[0], alone[0], atol=1e-5)
        assert torch.allclose(
            mixed[1:], learner.adapt(drawn.support)(drawn.query.inputs).outputs[1:], atol=1e-4
        )


def test_episodes_without_support_are_for_learners_that_can() -> None:
    condition = Condition(shots=0, queries=6)
    pooled = replace(MAML, learner="pooled", options={}).make()
    found = evaluate_learner(pooled, WAVES, condition, episodes=40)
    assert len(found.metric) == 40
    maml = MAML.make()
    none = evaluate_learner(maml, WAVES, Condition(shots=5, queries=6), episodes=40, steps=0)
    assert evaluate_learner(maml, WAVES, condition, episodes=40).metric.mean() == pytest.approx(
        none.metric.mean(), rel=0.5
    )
    for name in ("scratch", "matching", "r2d2"):
        learner = replace(MAML, learner=name, options={}).make()
        with pytest.raises(DataError, match=r"no support at all, from which .* cannot learn"):
            evaluate_learner(learner, WAVES, condition, episodes=4)
        with pytest.raises(DataError, match="no support at all"):
            fit_learner(learner, WAVES, Condition(shots=(0, 5), queries=6), OPTIONS)
    with pytest.raises(ConfigError, match="at least one shot"):
        pictures().check(Condition(shots=0, queries=2, ways=2))


@pytest.mark.parametrize(
    ("spec", "source", "condition", "words"),
    [
        (Spec(WAVES.inputs, Binary()), WAVES, WAVE_CONDITION, "kind 'regression', but .* for 'binary'"),
        (
            Spec(InputSpec(bins=((0.0, 1.0),) * 2), Regression()),
            WAVES,
            WAVE_CONDITION,
            "rows of 1 numbers and 0 categories, but .* rows of 2 numbers",
        ),
        (Spec.of(pictures(), Condition(1, 1, 3)), pictures(), Condition(1, 1, 4), "A task has 4 classes"),
        (
            Spec(InputSpec(image=(1, 7, 7)), pictures().kind, 3),
            pictures(),
            Condition(1, 1, 3),
            r"images of \[1, 6, 6\], but .* images of \[1, 7, 7\]",
        ),
    ],
)
def test_episodes_that_a_learner_was_not_made_for(
    spec: Spec, source: EpisodeSource, condition: Condition, words: str
) -> None:
    learner = make_learner("maml", spec, net=replace(SMALL, channels=(4,)))
    with pytest.raises(DataError, match=words):
        fit_learner(learner, source, condition, OPTIONS)
    with pytest.raises(DataError, match=words):
        fit_learner(learner, source, condition, OPTIONS, valid=source)
    with pytest.raises(DataError, match=words):
        evaluate_learner(learner, source, condition, episodes=2)


def test_a_metric_learner_may_be_tested_with_other_ways() -> None:
    source = pictures()
    case = Case("protonet", {}, source, Condition(1, 2, 3), replace(SMALL, channels=(4,)))
    found = evaluate_learner(case.make(), source, Condition(1, 2, 7), episodes=10)
    assert found.name == "accuracy"


def test_evaluation_is_the_same_whatever_ran_before() -> None:
    learner = MAML.make()
    first = evaluate_learner(learner, WAVES, WAVE_CONDITION, episodes=40)
    torch.rand(3)
    again = evaluate_learner(learner, WAVES, WAVE_CONDITION, episodes=40)
    assert (first.loss == again.loss).all()
    part = evaluate_learner(learner, WAVES, WAVE_CONDITION, episodes=33)
    assert (part.loss == first.loss[:33]).all()
    assert learner.training


def test_intervals_hold_what_they_say() -> None:
    """A 95 % interval covers the mean of what it was drawn from in about 95 of 100 draws."""
    draws = torch.randn(2000, 20, generator=torch.Generator().manual_seed(0)).double().numpy()
    found = [interval(row) for row in draws]
    covered = sum(entry["low"] <= 0 <= entry["high"] for entry in found) / len(found)
    assert covered == pytest.approx(0.95, abs=0.015)
    assert interval(draws[0, :1]) == {"mean": draws[0, 0], "low": draws[0, 0], "high": draws[0, 0]}


def test_all_options_of_a_learner_are_described() -> None:
    """Whatever is passed to make a learner shows in what identifies its run."""
    changed: dict[str, dict[str, Any]] = {
        "maml": {"steps": 4, "rate": 0.5, "second_order": False},
        "imaml": {"steps": 4, "rate": 0.5, "regularisation": 9.0, "cg_steps": 2},
        "cavia": {"context": 9, "steps": 4, "rate": 0.5, "second_order": False},
        "reptile": {"steps": 4, "rate": 0.5, "inner_batch": 3},
        "maml_plus": {"steps": 4, "rate": 0.5, "anneal": 0.7, "second_order": False},
        "fine_tuned": {"steps": 4, "rate": 0.5},
    }
    for name, options in changed.items():
        plain = describe(replace(MAML, learner=name, options={}).make())
        for option, value in options.items():
            other = describe(replace(MAML, learner=name, options={option: value}).make())
            assert other != plain, (name, option)
        assert describe(replace(MAML, learner=name, options={}).make(seed=1)) == plain


def test_progress_counts_tasks() -> None:
    console = Console(record=True, width=200, force_terminal=True)
    MAML.train(None, RichProgress(console, unit="tasks"))
    assert "tasks/s" in console.export_text()


def test_rows_of_tasks_are_trained_on_too() -> None:
    chance = torch.Generator().manual_seed(0)
    x = torch.randn(200, 1, generator=chance)
    task = torch.arange(200) % 10
    source = TaskRows(
        InputSpec(bins=((0.0, 1.0),)),
        {"numeric": x},
        x[:, 0] * (task - 4.5),
        task,
        [str(i) for i in range(10)],
        Regression(),
    )
    for name in ("maml", "alpaca", "cnp", "pooled", "reptile"):
        learner: Learner = replace(MAML, learner=name, options={}).make()
        result = fit_learner(learner, source, Condition(3, 30), OPTIONS, valid=source)
        assert result.steps == 12
        assert all(record["score"] == record["score"] for record in result.history)
    first = next(islice(source.batches(Condition(3, 30), 2, 0, "x"), 1))
    assert isinstance(first.query, Shots)
    assert MetaOptions(**OPTIONS.to_dict()) == OPTIONS
