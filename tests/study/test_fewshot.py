"""Intervals are numpy's, pairs are of the same episodes, who knows the truth is calibrated."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import torch
from fewshot_kit import DIGIT_SPEC, LINE_SPEC, Line, NoisyLine, Sure, digits
from scipy import stats

from sharewise.data.episodes import Condition, Sinusoids, TaskRows
from sharewise.errors import ConfigError, DataError
from sharewise.meta import NetOptions, Spec, make_learner
from sharewise.study.fewshot import FewShotPlan, measure
from sharewise.study.fewshot.paired import compare_pairs
from sharewise.study.fewshot.plan import reference
from sharewise.study.fewshot.png import pictures
from sharewise.study.progress import StudyProgress
from sharewise.study.statistics import holm
from sharewise.tasks.kinds import Regression
from sharewise.train.meta_evaluate import EpisodeScores, evaluate_learner, interval, standard_error

TRAINED = Condition(shots=5, queries=10)
PLAN = FewShotPlan(episodes=70, shots=(1, 5), steps=(0, 2), seed=3)
SMALL = NetOptions(hidden=(8,))


@pytest.fixture(scope="module")
def sinusoids() -> dict[str, Any]:
    source = Sinusoids()
    spec = Spec(source.inputs, source.kind)
    learners = {
        "maml": make_learner("maml", spec, net=SMALL),
        "again": make_learner("maml", spec, net=SMALL),
        "pooled": make_learner("pooled", spec, net=SMALL, seed=1),
        "scratch": make_learner("scratch", spec, net=SMALL, steps=3),
    }
    return measure(learners, source, PLAN, trained=TRAINED, scale=2.0, unit="m")


def test_intervals_are_students_over_episodes(sinusoids: dict[str, Any]) -> None:
    source = Sinusoids()
    learner = make_learner("maml", Spec(source.inputs, source.kind), net=SMALL)
    errors = evaluate_learner(learner, source, Condition(1, 10), episodes=70, seed=3, scale=2.0).metric
    found = sinusoids["by_shots"][0]["learners"]["maml"]
    low, high = stats.t.interval(0.95, 69, errors.mean(), stats.sem(errors))
    np.testing.assert_allclose([found["mean"], found["low"], found["high"]], [errors.mean(), low, high])
    assert found["episodes"] == 70
    assert sinusoids["metric"] == "mse"
    assert not sinusoids["higher_is_better"]


def test_a_learner_against_itself_gives_exactly_nothing(sinusoids: dict[str, Any]) -> None:
    same = [one for one in sinusoids["differences"] if one["baseline"] == "again"]
    assert [one["shots"] for one in same] == [1, 5]
    for one in same:
        assert (one["difference"], one["low"], one["high"], one["p"]) == (0, 0, 0, 1)
        assert one["verdict"] == "can't tell"


def test_differences_are_of_pairs_and_corrected(sinusoids: dict[str, Any]) -> None:
    source = Sinusoids()
    spec = Spec(source.inputs, source.kind)
    scores = [
        evaluate_learner(learner, source, Condition(5, 10), episodes=70, seed=3, scale=2.0).metric
        for learner in (
            make_learner("maml", spec, net=SMALL),
            make_learner("pooled", spec, net=SMALL, seed=1),
        )
    ]
    expected = stats.ttest_rel(*scores)
    found = next(d for d in sinusoids["differences"] if d["baseline"] == "pooled" and d["shots"] == 5)
    assert found["difference"] == pytest.approx((scores[0] - scores[1]).mean())
    assert found["p"] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))
    differences = sinusoids["differences"]
    assert [d["adjusted"] for d in differences] == pytest.approx(holm([d["p"] for d in differences]))
    assert any(d["adjusted"] > d["p"] for d in differences)


def test_evidence_is_plain_and_complete(sinusoids: dict[str, Any]) -> None:
    assert json.loads(json.dumps(sinusoids)) == sinusoids
    assert set(sinusoids["by_steps"]) == {"maml", "again", "scratch"}
    assert [one["steps"] for one in sinusoids["by_steps"]["maml"]] == [0, 2]
    own = sinusoids["by_steps"]["scratch"][0]
    initial = make_learner("scratch", Spec(Sinusoids().inputs, Sinusoids().kind), net=SMALL, steps=0)
    errors = evaluate_learner(initial, Sinusoids(), Condition(5, 10), episodes=70, seed=3, scale=2.0).metric
    assert own["mean"] == pytest.approx(errors.mean())
    assert sinusoids["calibration"] == {}
    assert sinusoids["reference"] == {"shots": 5, "place": 1}
    assert [c["what"] for c in sinusoids["conditions"]] == ["shots: trained with 5, tested with 1"]
    assert "trust" in sinusoids["conditions"][0]["why"]
    assert sinusoids["verdict"]["headline"].startswith("With 5 shots, maml is ")


def test_examples_are_the_first_episodes_in_the_labels_unit(sinusoids: dict[str, Any]) -> None:
    shown = sinusoids["examples"]
    batch = next(Sinusoids().batches(Condition(5, 10), 32, 3, "test"))
    assert shown["type"] == "curves"
    assert len(shown["episodes"]) == 3
    points = np.array(shown["episodes"][2]["support"])
    np.testing.assert_allclose(points[:, 1], 2 * batch.support.targets[2].numpy(), rtol=1e-4)
    np.testing.assert_allclose(points[:, 0], batch.support.inputs["numeric"][2, :, 0].numpy(), rtol=1e-4)
    learner = make_learner("maml", Spec(Sinusoids().inputs, Sinusoids().kind), net=SMALL)
    own = shown["episodes"][2]["predicted"]["maml"]
    with torch.no_grad():
        x = torch.tensor(own["x"]).expand(32, -1).unsqueeze(-1)
        expected = learner.adapt(batch.support)({"numeric": x}).outputs[2, :, 0]
    np.testing.assert_allclose(own["mean"], 2 * expected.numpy(), rtol=1e-3, atol=1e-4)


def line_calibration(factor: float | None) -> list[dict[str, Any]]:
    found = measure(
        {"line": Line(LINE_SPEC, factor)}, NoisyLine(), FewShotPlan(episodes=800, steps=()), trained=TRAINED
    )
    calibration: list[dict[str, Any]] = found["calibration"].get("line", [])
    return calibration


def test_who_knows_the_variance_is_calibrated() -> None:
    (found,) = line_calibration(1.0)
    assert found["rows"] == 800 * 9  # two of ten are none in every second task
    for one in found["levels"]:
        assert one["mean"] == pytest.approx(one["level"], abs=0.015)
        assert one["low"] - 0.01 < one["level"] < one["high"] + 0.01
    np.testing.assert_allclose(found["transform"], 0.1, atol=0.02)
    assert found["distance"] < 0.02
    assert found["spread"] == pytest.approx(1, abs=0.02)
    assert found["word"] == "no departure seen"


@pytest.mark.parametrize("factor, word", [(0.5, "overconfident"), (2.0, "underconfident")])
def test_who_is_wrong_about_it_is_told(factor: float, word: str) -> None:
    (found,) = line_calibration(factor)
    for one in found["levels"]:
        expected = 2 * stats.norm.cdf(factor * stats.norm.ppf((1 + one["level"]) / 2)) - 1
        assert one["mean"] == pytest.approx(expected, abs=0.02)
    assert found["spread"] == pytest.approx(1 / factor, rel=0.03)
    assert found["word"] == word


def test_no_variance_no_calibration() -> None:
    assert line_calibration(None) == []


def test_reliability_of_known_probabilities() -> None:
    learners = {"right": Sure(DIGIT_SPEC, 0.251), "sure": Sure(DIGIT_SPEC, 0.85)}
    found = measure(
        learners, digits(), FewShotPlan(episodes=50, steps=()), trained=Condition(2, queries=3, ways=4)
    )
    assert found["metric"] == "accuracy"
    right, sure = (found["calibration"][name][0] for name in learners)
    # A quarter of the rows of a 4-way episode is of class 0, in every episode.
    (only,) = sure["bins"]
    assert only["rows"] == sure["rows"] == 50 * 12
    assert (only["predicted"], only["observed"]) == pytest.approx((0.85, 0.25))
    assert sure["error"] == pytest.approx(0.6)
    assert (sure["gap"]["low"], sure["gap"]["high"]) == pytest.approx((0.6, 0.6), abs=1e-5)
    assert sure["word"] == "overconfident"
    assert right["error"] == pytest.approx(0.001, abs=1e-5)


def test_images_are_shown_with_their_ways() -> None:
    learners = {"centroid": make_learner("centroid", DIGIT_SPEC)}
    found = measure(
        learners,
        digits(name="<b>"),
        FewShotPlan(episodes=5, steps=(), examples=2),
        trained=Condition(2, queries=3, ways=4),
    )
    shown = found["examples"]
    assert (shown["type"], len(shown["episodes"])) == ("images", 2)
    batch = next(digits().batches(Condition(2, 3, 4), 5, 0, "test"))
    episode = shown["episodes"][1]
    assert batch.classes is not None
    assert episode["names"] == [f"<b>{c}" for c in batch.classes[1].tolist()]
    assert [one["way"] for one in episode["support"]] == batch.support.targets[1].tolist()
    assert [one["way"] for one in episode["query"]] == batch.query.targets[1].tolist()
    right = [one["way"] == one["predicted"] for one in episode["query"]]
    scores = evaluate_learner(learners["centroid"], digits(), Condition(2, 3, 4), episodes=5)
    assert np.mean(right) == pytest.approx(scores.metric[1])
    assert found["tasks_are"] == "classes"
    assert any("8 classes" in note for note in found["verdict"]["notes"])


def tasks_with_offsets(tasks: int, each: int, chance: np.random.Generator) -> TaskRows:
    """Return tasks whose labels differ by a number of their own, which a learner of the mean cannot know."""
    task = torch.arange(tasks).repeat_interleave(each)
    y = torch.from_numpy(chance.normal(size=tasks))[task] + torch.from_numpy(chance.normal(size=len(task)))
    x = torch.zeros(len(task), 1)
    names = [f"t{i}" for i in range(tasks)]
    return TaskRows(LINE_SPEC.inputs, {"numeric": x}, y.float(), task, names, Regression())


def test_intervals_are_over_tasks_where_there_is_a_list_of_them() -> None:
    source = tasks_with_offsets(8, 60, np.random.default_rng(0))
    found = evaluate_learner(Line(LINE_SPEC), source, Condition(2, 10), episodes=400)
    assert found.tasks is not None
    drawn = next(source.batches(Condition(2, 10), 32, 0, "test"))
    assert drawn.tasks is not None
    assert found.tasks[:32].tolist() == drawn.tasks.tolist()
    for i in (0, 5):
        own = source.targets[source.task == drawn.tasks[i]]
        assert bool(torch.isin(drawn.query.targets[i], own).all())
    sums = np.array([(found.metric - found.metric.mean())[found.tasks == g].sum() for g in range(8)])
    error = np.sqrt(8 / 7 * (sums**2).sum()) / 400
    summary = found.summary()
    reach = stats.t.ppf(0.975, 7) * error
    assert summary["high"] - summary["low"] == pytest.approx(2 * reach)
    alone = interval(found.metric)
    assert reach > 3 * (alone["high"] - alone["mean"])
    np.testing.assert_allclose(
        standard_error(found.metric, np.arange(400))[0], stats.sem(found.metric), rtol=1e-12
    )


def test_intervals_over_tasks_cover() -> None:
    """Ten tasks drawn from many: 95 % of intervals hold the mean over the many, far fewer over episodes."""
    chance, hits, naive = np.random.default_rng(1), 0, 0
    for _ in range(150):
        effects, tasks = chance.normal(size=10), chance.integers(0, 10, 200)
        values = effects[tasks] + chance.normal(size=200)
        own, other = interval(values, tasks), interval(values)
        hits += own["low"] < 0 < own["high"]
        naive += other["low"] < 0 < other["high"]
    assert 0.89 < hits / 150 <= 1
    assert naive / 150 < 0.6


def test_pairs_are_over_tasks_too() -> None:
    source = tasks_with_offsets(8, 60, np.random.default_rng(2))
    learners = {"line": Line(LINE_SPEC), "off": Line(LINE_SPEC, shift=0.3)}
    plan = FewShotPlan(episodes=200, steps=())
    found = measure(learners, source, plan, trained=Condition(2, 10))
    (pair,) = found["differences"]
    own = [evaluate_learner(learner, source, Condition(2, 10), episodes=200) for learner in learners.values()]
    expected = interval(own[0].metric - own[1].metric, own[0].tasks)
    assert (pair["low"], pair["high"]) == pytest.approx((expected["low"], expected["high"]))
    assert found["verdict"]["notes"][0].startswith("Intervals are over the 8 test tasks")
    level = found["calibration"]["line"][0]["levels"][0]
    assert level["high"] - level["low"] > 0.05


def test_pictures_hold_their_pixels() -> None:
    images = torch.tensor([[[[0.0, 1.0], [1.0, 1.0]]], [[[1.0, 0.5], [1.0, 1.0]]]])
    (content, _) = (base64.b64decode(text) for text in pictures(images))
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    start = content.index(b"IDAT")
    (length,) = struct.unpack(">I", content[start - 4 : start])
    rows = zlib.decompress(content[start + 4 : start + 4 + length])
    assert list(rows) == [0, 0, 255, 0, 255, 255]
    ink = torch.zeros(1, 1, 80, 40)
    ink[0, 0, 0, 0] = 1.0
    assert struct.unpack(">2I", base64.b64decode(pictures(ink)[0])[16:24]) == (20, 40)
    assert struct.unpack(">2I2B", base64.b64decode(pictures(torch.rand(1, 3, 8, 8))[0])[16:26]) == (
        8,
        8,
        8,
        2,
    )


def test_better_is_larger_for_accuracy_and_smaller_for_errors() -> None:
    chance = np.random.default_rng(0)
    low, high = chance.normal(0, 1, 50), chance.normal(5, 1, 50)

    def verdicts(name: str) -> list[str]:
        scores = {"a": EpisodeScores(low, low, name), "b": EpisodeScores(high, high, name)}
        return [one.verdict for one in compare_pairs({1: scores}, "a")]

    assert verdicts("mse") == ["better"]
    assert verdicts("accuracy") == ["worse"]
    equal = EpisodeScores(low, low + 1, "mse")
    (found,) = compare_pairs({1: {"a": EpisodeScores(low, low, "mse"), "b": equal}}, "a")
    assert found.verdict in ("better", "can't tell")


def test_reference_is_most_like_training() -> None:
    tested = FewShotPlan(shots=(1, 5, 20)).conditions(Condition((4, 8), 10))
    assert reference(tested, Condition((4, 8), 10)) == 1
    assert reference(tested, Condition(30, 10)) == 2
    assert [c.shots for c in FewShotPlan().conditions(Condition((4, 8), 10))] == [4, 8]
    (changed,) = FewShotPlan(shots=(2,), ways=3, queries=4).conditions(Condition(1, 10, 5))
    assert (changed.shots, changed.queries, changed.ways) == (2, 4, 3)


def test_no_shots_are_like_training_without_any_alone() -> None:
    tested = FewShotPlan(shots=(0, 1, 5)).conditions(Condition(1, 10))
    assert reference(tested, Condition(1, 10)) == 1
    assert reference(tested, Condition((0, 8), 10)) == 1
    assert reference(tested, Condition(0, 10)) == 0
    assert reference(FewShotPlan(shots=(1, 5)).conditions(Condition(0, 10)), Condition(0, 10)) == 0


def test_with_no_shots_those_are_measured_that_predict_from_nothing() -> None:
    source = Sinusoids()
    spec = Spec(source.inputs, source.kind)
    names = ("maml", "r2d2", "pooled", "scratch")
    learners = {name: make_learner(name, spec, net=SMALL) for name in names}
    plan = FewShotPlan(episodes=4, shots=(0, 5), steps=(1,))
    found = measure(learners, source, plan, trained=TRAINED)
    assert [list(entry["learners"]) for entry in found["by_shots"]] == [["maml", "pooled"], list(names)]
    assert [(d["shots"], d["baseline"]) for d in found["differences"]] == [
        (0, "pooled"), (5, "r2d2"), (5, "pooled"), (5, "scratch")
    ]  # fmt: skip
    own = evaluate_learner(learners["maml"], source, Condition(0, 10), episodes=4)
    assert found["by_shots"][0]["learners"]["maml"]["mean"] == pytest.approx(own.metric.mean())
    # A candidate that must see an example first is silent there, and speaks elsewhere.
    late = {name: learners[name] for name in ("r2d2", "pooled", "scratch")}
    found = measure(late, source, plan, trained=TRAINED)
    assert [d["shots"] for d in found["differences"]] == [5, 5]
    assert found["verdict"]["headline"].startswith("With 5 shots, r2d2")
    assert found["verdict"]["sentences"] == []
    assert found["reference"] == {"shots": 5, "place": 1}
    alone = {name: learners[name] for name in ("r2d2", "scratch")}
    assert measure(alone, source, plan, trained=TRAINED)["reference"] == {"shots": 5, "place": 0}
    with pytest.raises(DataError, match="may have no support"):
        measure(late, source, FewShotPlan(episodes=4, shots=(0,), steps=()), trained=TRAINED)
    # Trained on nothing: what cannot be asked there has no steps there either.
    found = measure(learners, source, FewShotPlan(episodes=4, steps=(1,)), trained=Condition(0, 10))
    assert list(found["by_steps"]) == ["maml"]
    assert [one["name"] for one in found["left_out"]] == ["r2d2", "scratch"]


def test_tasks_with_too_few_rows_are_told() -> None:
    sizes = torch.tensor([30] * 11 + [8])
    task = torch.arange(12).repeat_interleave(sizes)
    x = torch.linspace(-1, 1, len(task)).unsqueeze(1)
    source = TaskRows(
        LINE_SPEC.inputs, {"numeric": x}, 2 * x[:, 0], task, [f"t{i}" for i in range(12)], Regression()
    )
    plan = FewShotPlan(episodes=300, shots=(2, 20), steps=())
    found = measure({"line": Line(LINE_SPEC)}, source, plan, trained=Condition(2, 5))
    assert [entry["tasks"] for entry in found["by_shots"]] == [12, 11]
    note = found["verdict"]["notes"][0]
    assert (
        "300 episodes drew: 12 with 2 shots and 11 with 20 shots; a task that has too few rows takes" in note
    )
    assert "So few" not in note
    alone = tasks_with_offsets(1, 60, np.random.default_rng(0))
    found = measure({"line": Line(LINE_SPEC)}, alone, plan, trained=Condition(2, 5))
    assert (
        "over one test task of 300 episodes. One task says nothing about others."
        in found["verdict"]["notes"][0]
    )


def test_baselines_that_could_not_be_trained_are_told() -> None:
    found = measure(
        {"line": Line(LINE_SPEC)},
        NoisyLine(),
        FewShotPlan(episodes=4, steps=()),
        trained=TRAINED,
        failed={"pooled": "its training diverged."},
    )
    assert found["left_out"] == [{"name": "pooled", "why": "its training diverged."}]
    assert "pooled is left out: its training diverged." in found["verdict"]["notes"]


def test_progress_hears_of_every_evaluation() -> None:
    heard: list[str] = []

    class Told(StudyProgress):
        def stage(self, name: str, trials: int) -> None:
            heard.append(f"{name} {trials}")

        def done(self, trial: str) -> None:
            heard.append(trial)

    learners = {"maml": make_learner("maml", LINE_SPEC, net=SMALL), "line": Line(LINE_SPEC)}
    plan = FewShotPlan(episodes=4, shots=(1, 2), steps=(0, 1, 2))
    measure(learners, NoisyLine(), plan, trained=TRAINED, progress=Told())
    assert heard[0] == "test 7"
    assert len(heard) == 8


@pytest.mark.parametrize(
    "values", [{"episodes": 1}, {"shots": (-1,)}, {"steps": (-1,)}, {"examples": -1}, {"shots": (1.5,)}]
)
def test_plans_that_cannot_be_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        FewShotPlan(**values)


def test_a_baseline_that_cannot_read_the_episodes_is_left_out() -> None:
    fixed = Spec(DIGIT_SPEC.inputs, DIGIT_SPEC.kind, 3, 8)
    learners = {
        "centroid": make_learner("centroid", DIGIT_SPEC),
        "narrow": make_learner("maml", fixed, net=NetOptions(channels=(4,))),
    }
    plan = FewShotPlan(episodes=4, steps=(1,))
    found = measure(learners, digits(), plan, trained=Condition(1, 3, 4))
    assert [one["name"] for one in found["learners"]] == ["centroid"]
    assert found["left_out"][0]["name"] == "narrow"
    assert any("narrow is left out: A task has 4 classes" in note for note in found["verdict"]["notes"])
    with pytest.raises(DataError, match="4 classes"):
        measure(dict(reversed(learners.items())), digits(), plan, trained=Condition(1, 3, 4))


def test_too_few_examples_are_told_before_anything_runs() -> None:
    learners = {"centroid": make_learner("centroid", DIGIT_SPEC)}
    with pytest.raises(DataError, match="only 0 of 8 classes"):
        measure(learners, digits(), FewShotPlan(shots=(1, 20)), trained=Condition(1, 3, 4))
    with pytest.raises(ConfigError):
        measure({}, digits(), trained=Condition(1, 3, 4))
