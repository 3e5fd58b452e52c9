"""The rankers that `ranking_claims.py` compares, by name."""

from __future__ import annotations

from dataclasses import replace

from sharewise.ranking.options import BiasOptions, BlendOptions, MeasureOptions, StreamOptions
from sharewise.ranking.plan import MODEL, RankPlan
from sharewise.tasks import TaskSet

TASKS = RankPlan().tasks
BASE, FEATURE, NONE = "mmoe-8", "place-feature", "place-none"
#: MMoE -> the shared bottom of its multiplications.
MATCHED = {"mmoe-4": "bottom-4", BASE: "bottom-8"}
CURES = {
    "none": {},
    "dropout by row": {"expert_dropout": 0.1},
    "dropout by batch": {"expert_dropout": 0.1, "expert_dropout_by": "batch"},
    "importance": {"importance": 0.01},
    "gate rate": {"gate_rate": 0.1},
}
ALONE = ("click", "watch", "like", "rating")


def plans(keep: int, batch_size: int = StreamOptions.batch_size) -> dict[str, RankPlan]:
    """Return all plans by name, with seed 0.

    Args:
        keep: the last partitions, that are measured.
        batch_size: rows of a step.
    """
    train = StreamOptions(device="cpu", batch_size=batch_size)
    usual = RankPlan(measure=MeasureOptions(keep=keep), train=train)
    found = {
        BASE: usual,
        "mmoe-4": replace(usual, model=replace(MODEL, experts=4)),
        FEATURE: replace(usual, bias=BiasOptions(kind="feature")),
        NONE: replace(usual, bias=BiasOptions(kind="none")),
    }
    for experts in (4, 8):
        model = replace(
            MODEL, sharing="shared_bottom", experts=experts, match="multiplications", match_to="mmoe"
        )
        found[f"bottom-{experts}"] = replace(usual, model=model)
    faster = replace(usual.train, learning_rate=3 * usual.train.learning_rate)
    for cure, options in CURES.items():
        found[f"gates {cure}"] = replace(usual, model=replace(MODEL, **options), train=faster)
    for name in ALONE:
        found[f"only {name}"] = alone(usual, name)
    return found


def alone(usual: RankPlan, name: str) -> RankPlan:
    """Return the plan of a ranker that learns and ranks by one objective."""
    kind = "tower" if name == "click" else "none"
    return replace(
        usual,
        tasks=TaskSet([task for task in TASKS if task.name == name]),
        bias=BiasOptions(kind=kind),
        blend=BlendOptions(weights={name: 1.0}),
        measure=replace(usual.measure, gain={name: 1.0}),
        model=replace(MODEL, sharing="shared_bottom", match="multiplications", match_to="mmoe"),
    )
