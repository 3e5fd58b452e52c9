"""The table of names: to add a learner is one new file, and one line here."""

from __future__ import annotations

import inspect
import math
from typing import Any

from sharewise.errors import ConfigError, nearest
from sharewise.meta.amortised import AttentiveProcess, NeuralProcess, SetTransformer
from sharewise.meta.baselines import FineTuned, NearestCentroid, Pooled, Scratch
from sharewise.meta.closed_form import R2D2, ALPaCA
from sharewise.meta.gradient import ANIL, CAVIA, IMAML, MAML, GradientLearner, MAMLPlus, MetaSGD, Reptile
from sharewise.meta.learner import Learner, Spec
from sharewise.meta.metric import Matching, ProtoNet
from sharewise.meta.nets import NetOptions
from sharewise.meta.nets.net import Net

LEARNERS: dict[str, type[Learner]] = {
    "maml": MAML,
    "maml_plus": MAMLPlus,
    "anil": ANIL,
    "meta_sgd": MetaSGD,
    "cavia": CAVIA,
    "reptile": Reptile,
    "imaml": IMAML,
    "protonet": ProtoNet,
    "matching": Matching,
    "r2d2": R2D2,
    "alpaca": ALPaCA,
    "cnp": NeuralProcess,
    "anp": AttentiveProcess,
    "transformer": SetTransformer,
    "scratch": Scratch,
    "pooled": Pooled,
    "fine_tuned": FineTuned,
    "centroid": NearestCentroid,
}
#: Those to compare others with.
BASELINES = ("scratch", "pooled", "fine_tuned", "centroid")
#: Arguments that every learner has.
COMMON = ("spec", "seed", "net")


def make_learner(
    name: str, spec: Spec, *, seed: int = 0, net: NetOptions | Net = NetOptions(), **options: Any
) -> Learner:
    """Return the learner of that name.

    Args:
        name: of `LEARNERS`.
        spec: the episodes that it will see.
        seed: of its initial weights.
        net: what its network is made of, or a network of one's own (`OwnNet`).
        options: arguments of its own.

    Raises:
        ConfigError: if the name or an option is unknown, a value cannot be used, or the kind of label is none
            that it can learn.
    """
    if name not in LEARNERS:
        raise ConfigError(f"Learner '{name}' is unknown.", nearest(name, tuple(LEARNERS)))
    known = options_of(name)
    for option, value in options.items():
        if option not in known:
            hint = nearest(option, tuple(known)) if known else "It takes none."
            raise ConfigError(f"Learner '{name}' takes no '{option}'.", hint)
        expected = _expected(known[option], value)
        if expected:
            raise ConfigError(f"Learner '{name}' has {option} = {value!r}.", f"Use {expected}.")
    return LEARNERS[name](spec, seed=seed, net=net, **options)  # type: ignore[call-arg]


def _expected(default: Any, value: Any) -> str:
    """Return what an option should be, by its default; "" if the value is that."""
    truth = isinstance(value, bool)
    if isinstance(default, bool):
        return "" if truth else "true or false"
    if isinstance(default, int):
        return "" if isinstance(value, int) and not truth else "a whole number"
    if isinstance(default, float):
        right = isinstance(value, (int, float)) and not truth and math.isfinite(value)
        return "" if right else "a finite number"
    return ""


def options_of(name: str) -> dict[str, Any]:
    """Return a learner's own options with their defaults."""
    found: dict[str, Any] = {}
    for cls in LEARNERS[name].__mro__:
        if cls is Learner or not issubclass(cls, Learner) or "__init__" not in vars(cls):
            continue
        for option, parameter in inspect.signature(cls.__init__).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and option not in COMMON:
                found.setdefault(option, parameter.default)
    learner = LEARNERS[name]
    if issubclass(learner, GradientLearner) and not learner.unrolls:
        found.pop("second_order")
    return found
