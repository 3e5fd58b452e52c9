"""Bi-level problems: θ is tuned on one loss, through weights φ that go down another.

    min_θ  outer(φ*(θ), θ)     with   φ*(θ) = argmin_φ inner(φ, θ)

The lecture's last slide: hyper-parameters as θ and weights as φ is the same problem as meta-learning, where θ
is a start or a prior and φ one task's weights. Task weights, weight decay and learning rates are θ here.

One idea: a *method* takes inner steps and returns d outer / dθ. `Unrolled` goes back through the steps;
`Implicit` asks only where they ended. A *rule* says how a step goes, a *constraint* which values θ may have.
No data sets, no multi-task models: losses are functions of named tensors and a batch of any type.
"""

from sharewise.meta.bilevel.constraints import CONSTRAINTS, Constraint
from sharewise.meta.bilevel.gradient import HyperGradient, Method, hyper_gradient
from sharewise.meta.bilevel.implicit import Implicit
from sharewise.meta.bilevel.problem import Bilevel, Values, Weights, load_weights, weight_decay, weights_of
from sharewise.meta.bilevel.rules import Adam, Descent, Rule
from sharewise.meta.bilevel.theta import Theta
from sharewise.meta.bilevel.tune import Tuned, TuneOptions, tune
from sharewise.meta.bilevel.unrolled import Unrolled
from sharewise.meta.solvers import ConjugateGradient, Neumann

__all__ = [
    "CONSTRAINTS",
    "Adam",
    "Bilevel",
    "ConjugateGradient",
    "Constraint",
    "Descent",
    "HyperGradient",
    "Implicit",
    "Method",
    "Neumann",
    "Rule",
    "Theta",
    "TuneOptions",
    "Tuned",
    "Unrolled",
    "Values",
    "Weights",
    "hyper_gradient",
    "load_weights",
    "tune",
    "weight_decay",
    "weights_of",
]
