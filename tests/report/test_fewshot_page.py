"""The page of a few-shot measurement: whole in itself, escaped, and with the evidence's numbers alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from test_page import Page, lookup, shown_value

from sharewise.data.episodes import Condition, EpisodeSource, LabelledExamples, Sinusoids, TaskRows
from sharewise.meta import NetOptions, Spec, make_learner
from sharewise.report import render_fewshot, write_fewshot_page
from sharewise.report.plots.svg import log_scale
from sharewise.study.fewshot import FewShotPlan, measure
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind
from sharewise.tasks.kinds import Binary, Multiclass, Regression

CONFIG = '[data]\nsource = "sinusoid"\n'
NET = NetOptions(hidden=(8,))
#: Shown in percentage points.
HUNDREDFOLD = "/differences/.*/(difference|low|high)$|/calibration/.*/(error|gap/.*)"
DIGIT_SPEC = Spec(InputSpec(image=(1, 4, 4)), Multiclass(), 4, 8)
BAD = '<script>alert("1")</script>&/~'


def digits(name: str = "class") -> LabelledExamples:
    labels = torch.arange(8).repeat_interleave(12)
    pixels = torch.rand(96, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    pixels.view(96, -1)[torch.arange(96), labels] += 0.5
    names = [f"{name}{i}" for i in range(8)]
    return LabelledExamples(DIGIT_SPEC.inputs, {"image": pixels}, labels, names)


def of_sinusoids() -> dict[str, Any]:
    source: EpisodeSource = Sinusoids()
    spec = Spec(source.inputs, source.kind)
    names = {"maml": "maml", BAD: "alpaca", "a_long_name_of_a_baseline_that_is_pooled": "pooled"}
    learners = {name: make_learner(learner, spec, net=NET) for name, learner in names.items()}
    plan = FewShotPlan(episodes=20, shots=(1, 5), steps=(0, 1))
    return measure(learners, source, plan, trained=Condition(5, 10), unit="°C")


def of_images() -> dict[str, Any]:
    learners = {name: make_learner(name, DIGIT_SPEC) for name in ("centroid", "protonet")}
    plan = FewShotPlan(episodes=10, steps=(), examples=2)
    return measure(learners, digits(name=BAD), plan, trained=Condition(2, 3, 4))


def of_rows(kind: Kind, names: tuple[str, ...]) -> dict[str, Any]:
    chance = torch.Generator().manual_seed(0)
    task = torch.arange(6).repeat_interleave(40)
    x = torch.randn(len(task), 2, generator=chance)
    y = x[:, 0] + 0.3 * torch.randn(len(task), generator=chance)
    targets = (y > 0).float() if kind.name == "binary" else y
    inputs = InputSpec(bins=((-1.0, 0.0, 1.0),) * 2)
    source = TaskRows(inputs, {"numeric": x}, targets, task, [f"{BAD}{i}" for i in range(6)], kind)
    learners = {name: make_learner(name, Spec(inputs, kind), net=NET) for name in names}
    plan = FewShotPlan(episodes=20, shots=(5,), steps=())
    return measure(learners, source, plan, trained=Condition(5, 10), scale=3.0, mean=7.0)


def of_numbers() -> dict[str, Any]:
    return of_rows(Regression(), ("alpaca", "pooled"))


def of_answers() -> dict[str, Any]:
    return of_rows(Binary(), ("maml", "pooled"))


def of_nothing() -> dict[str, Any]:
    """Some of which is from no shots, where not all have a prediction."""
    source: EpisodeSource = Sinusoids()
    spec = Spec(source.inputs, source.kind)
    learners = {name: make_learner(name, spec, net=NET) for name in ("r2d2", "alpaca", "pooled")}
    plan = FewShotPlan(episodes=20, shots=(0, 5, 10), steps=())
    return measure({**learners, BAD: learners["pooled"]}, source, plan, trained=Condition(5, 10))


KINDS = [of_sinusoids, of_images, of_numbers, of_answers, of_nothing]


@pytest.fixture(scope="module", params=KINDS, ids=lambda made: made.__name__)
def evidence(request: pytest.FixtureRequest) -> dict[str, Any]:
    made: dict[str, Any] = request.param()
    return made


def test_numbers_are_those_of_the_evidence(evidence: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_fewshot_page(path, evidence, CONFIG)
    numbers = Page(path.read_text(encoding="utf-8")).numbers
    assert len(numbers) > 20
    for pointer, value, text in numbers:
        stored = lookup(evidence, pointer)
        share = evidence["metric"] == "accuracy" or pointer.startswith("/calibration")
        assert json.loads(value) == stored, pointer
        if text.startswith("<"):
            assert stored < shown_value(text)
        elif share and re.search(HUNDREDFOLD, pointer):
            assert shown_value(text) == pytest.approx(100 * stored, abs=0.00501), pointer
        elif text.endswith("%"):
            assert shown_value(text.replace("%", "")) == pytest.approx(100 * stored, abs=0.0501), pointer
        else:
            assert shown_value(text) == pytest.approx(stored, rel=6e-3, abs=0.00051), pointer


def test_every_result_and_difference_is_on_the_page(evidence: dict[str, Any]) -> None:
    places = {pointer for pointer, _, _ in Page(render_fewshot(evidence, CONFIG)).numbers}
    for i in range(len(evidence["differences"])):
        assert {f"/differences/{i}/{key}" for key in ("difference", "low", "high", "p", "adjusted")} <= places
    for i, entry in enumerate(evidence["by_shots"]):
        for name in entry["learners"]:
            own = name.replace("~", "~0").replace("/", "~1")
            assert {f"/by_shots/{i}/learners/{own}/{key}" for key in ("mean", "low", "high")} <= places
    for name in evidence["by_steps"]:
        assert f"/by_steps/{name}/1/mean" in places


def test_page_needs_nothing_else_and_is_light(evidence: dict[str, Any]) -> None:
    text = render_fewshot(evidence, CONFIG)
    page = Page(text)
    assert page.open == []
    assert len(text.encode()) < 1_000_000
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
    for tag, attributes in page.tags:
        assert not {"src", "onclick", "onload"} & set(attributes)
        if "href" in attributes:
            assert tag == "image"
            assert (attributes["href"] or "").startswith("data:image/png;base64,")
    assert "url(" not in text.split("<style>")[1].split("</style>")[0]
    assert "default-src 'none'" in text


def test_names_are_escaped(evidence: dict[str, Any]) -> None:
    text = render_fewshot(evidence, f"# {BAD}")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert render_fewshot(json.loads(json.dumps(evidence)), f"# {BAD}") == text


def test_verdict_comes_first_in_the_evidences_words(evidence: dict[str, Any]) -> None:
    text = render_fewshot(evidence, CONFIG)
    heading = ElementTree.fromstring(re.findall(r"<h1 .*?</h1>", text)[0])
    assert heading.text == evidence["verdict"]["headline"]
    table = text.split('<table id="effects">')[1].split("</table>")[0]
    words = re.findall(r"</svg>(better|worse|can&#39;t tell)</span>", table)
    assert [word.replace("&#39;", "'") for word in words] == [d["verdict"] for d in evidence["differences"]]


def test_drawings_are_described_and_stay_inside(evidence: dict[str, Any]) -> None:
    text = render_fewshot(evidence, CONFIG)
    drawings = [ElementTree.fromstring(svg) for svg in re.findall(r'<svg [^>]*role="img".*?</svg>', text)]
    names = [drawing.get("aria-labelledby", "") for drawing in drawings]
    assert len(set(names)) == len(names) >= 5
    for drawing in drawings:
        assert drawing[0].text
        assert drawing[1].text
        _, _, width, height = map(float, drawing.get("viewBox", "").split())
        for part in drawing.iter():
            for key, limit in (("x", width), ("cx", width), ("x1", width), ("y", height), ("cy", height)):
                assert -1 <= float(part.get(key, 0)) <= limit + 1, (part.tag, key)


def test_right_and_wrong_are_told_without_colour() -> None:
    text = render_fewshot(of_images(), CONFIG)
    shown = [one for episode in of_images()["examples"]["episodes"] for one in episode["query"]]
    assert len(re.findall("✓", text)) == sum(one["way"] == one["predicted"] for one in shown)
    assert len(re.findall("✗", text)) == sum(one["way"] != one["predicted"] for one in shown)


def test_rows_are_shown_in_the_labels_unit() -> None:
    found = of_numbers()
    episode = found["examples"]["episodes"][0]
    assert episode["of"] == "value"
    assert 4 < sum(true for _, true in episode["points"]) / len(episode["points"]) < 10
    assert len(episode["sd"]) == len(episode["points"]) == 10
    answers = of_answers()["examples"]["episodes"][0]
    assert answers["of"] == "probability"
    assert {true for _, true in answers["points"]} <= {0.0, 1.0}
    assert all(0 <= said <= 1 for said, _ in answers["points"])


def test_one_learner_alone_makes_a_page() -> None:
    found = measure(
        {"only": make_learner("centroid", DIGIT_SPEC)},
        digits(),
        FewShotPlan(episodes=5, steps=(), examples=0),
        trained=Condition(2, 3, 4),
    )
    text = render_fewshot(found, "")
    assert Page(text).open == []
    assert "started from Python" in text
    assert "nothing to compare it with" not in text or not found["differences"]


def test_logarithmic_scales_have_ticks_inside() -> None:
    found = log_scale([0.03, 12.0], 0.0, 100.0)
    assert found(found.low) == 0
    assert found(found.high) == pytest.approx(100)
    assert found(0.6) == pytest.approx((found(0.06) + found(6.0)) / 2)
    ticks = found.ticks()
    assert 3 <= len(ticks) <= 12
    assert all(found.low <= tick <= found.high for tick in ticks)
    assert log_scale([1, 2, 3, 100], 0.0, 50.0, marks=(1, 2, 3, 100)).ticks() == [1, 100]
