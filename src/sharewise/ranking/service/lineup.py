"""Lineup: all that may answer now: a version for everybody, and one for every arm of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import product
from typing import Any

from sharewise import files
from sharewise.errors import ConfigError
from sharewise.ranking.experiment.assignment import arm_of
from sharewise.ranking.experiment.plan import Arm, ExperimentPlan, check_apart
from sharewise.ranking.options import BlendOptions
from sharewise.ranking.prepared import Prepared
from sharewise.ranking.reblended import Reblended
from sharewise.ranking.service.canary import check_version
from sharewise.ranking.service.context import Asking
from sharewise.ranking.service.version import Version

#: Ways to combine arms of experiments that run beside each other, those outside of them counted.
MOST = 256
#: Answers like everybody else's.
NONE = Arm("none")


@dataclass(frozen=True)
class Lineup:
    """What answers.

    Attributes:
        base: answers users who are in no arm that says otherwise.
        plans: of the experiments.
        variants: what answers users of these arms, in the plans' order, "" for those who do not take part.
    """

    base: Version
    plans: tuple[ExperimentPlan, ...]
    variants: dict[tuple[str, ...], Version]

    def answering(self, user: Any) -> tuple[Version, str]:
        """Return what answers a user, and the arms that they are in, as the log has them."""
        arms = tuple(arm_of(plan, user) for plan in self.plans)
        told = (f"{plan.name}={arm}" for plan, arm in zip(self.plans, arms, strict=True) if arm)
        return self.variants[arms], ";".join(told)

    def of_arm(self, experiment: str, arm: str) -> Version:
        """Return what answers users of an arm who take part in nothing else.

        Raises:
            ConfigError: if there is no such experiment or arm.
        """
        arms = tuple(arm if plan.name == experiment else "" for plan in self.plans)
        if not any(arms) or arms not in self.variants:
            raise ConfigError(f"There is no arm '{arm:.60}' of '{experiment:.60}'.", "Reload the page.")
        return self.variants[arms]

    @property
    def prepared(self) -> list[Prepared]:
        """What versions read of what candidates remember, each once."""
        return list({id(one.prepared): one.prepared for one in self.variants.values()}.values())

    @property
    def asking(self) -> Asking:
        """What requests must and may say, whoever answers them."""
        must = {name: kind for one in self.variants.values() for name, kind in one.asking.must.items()}
        may = {name: kind for one in self.variants.values() for name, kind in one.asking.may.items()}
        labels = dict.fromkeys(name for one in self.variants.values() for name in one.asking.labels)
        may = {name: kind for name, kind in may.items() if name not in must}
        return replace(self.base.asking, must=must, may=may, labels=tuple(labels))


def make_lineup(
    base: Version, plans: Sequence[ExperimentPlan], load: Callable[[str, str], Version]
) -> Lineup:
    """Return who answers, given what answers everybody.

    Args:
        base: answers everybody else.
        plans: of the experiments.
        load: names of a ranker and of candidates, "" for the base's -> a version.

    Raises:
        ConfigError: if experiments cannot run beside each other, or an arm cannot be had.
        CheckpointError: if a model of an arm is damaged.
    """
    check_apart(plans)
    choices = [{"": NONE, **{arm.name: arm for arm in plan.arms}} for plan in plans]
    combined = list(product(*choices))
    if len(combined) > MOST:
        raise ConfigError(
            f"Experiments beside each other make {len(combined)} combinations of arms.",
            f"Let some run later; {MOST} are allowed.",
        )
    made: dict[tuple[str, str, str], Version] = {("", "", ""): base}
    variants = {}
    for names in combined:
        arms = [own[name] for own, name in zip(choices, names, strict=True)]
        ranker = next((arm.ranker for arm in arms if arm.ranker), "")
        candidates = next((arm.candidates for arm in arms if arm.candidates), "")
        blend = next((arm.blend for arm in arms if arm.blend), None)
        key = (ranker, candidates, _digest(blend))
        plain = (ranker, candidates, "")
        if plain not in made:
            made[plain] = load(ranker, candidates)
        if key not in made and blend is not None:
            made[key] = _reblended(made[plain], blend)
        variants[names] = made[key]
    _check_types(list(made.values()))
    known = {name for one in made.values() for name in (*one.asking.must, *one.asking.may)}
    fitted = {key: _ignoring(one, known) for key, one in variants.items()}
    return Lineup(fitted[("",) * len(plans)], tuple(plans), fitted)


def check_lineup(lineup: Lineup) -> None:
    """Let everything in a lineup answer canary requests.

    Raises:
        CheckpointError: as `check_version`.
    """
    for version in {one.digest: one for one in lineup.variants.values()}.values():
        check_version(version)


def _ignoring(version: Version, known: set[str]) -> Version:
    own = {*version.asking.must, *version.asking.may}
    return replace(version, asking=replace(version.asking, ignored=frozenset(known - own)))


def _check_types(versions: Sequence[Version]) -> None:
    """Refuse versions that ask for one column in two types: no request could be put to both."""
    seen: dict[str, Any] = {}
    for version in versions:
        asking = version.asking
        for name, kind in {"user": asking.user, "item": asking.item, **asking.must, **asking.may}.items():
            if seen.setdefault(name, kind) != kind:
                raise ConfigError(
                    f"Arms read '{name}' as {seen[name]} and as {kind}.", "Train them on the same log."
                )


def _reblended(version: Version, blend: BlendOptions) -> Version:
    ranker = Reblended(version.ranker, blend)
    return replace(version, ranker=ranker, digest=f"{version.digest}-{_digest(blend)}")


def _digest(blend: BlendOptions | None) -> str:
    if blend is None:
        return ""
    return blake2b(files.to_json({"kind": blend.kind, "weights": blend.weights}), digest_size=3).hexdigest()
