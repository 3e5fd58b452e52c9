"""MAML (Finn, Abbeel & Levine 2017, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks")."""

from __future__ import annotations

from sharewise.meta.gradient.descent import GradientLearner


class MAML(GradientLearner):
    """θ is a point from which few gradient steps lead far: φᵢ = θ - α ∇L(θ, Dᵢ^tr), min_θ Σ L(φᵢ, Dᵢ^ts).

    Algorithms 1 to 3; `second_order = False` is the paper's first-order approximation (section 5.2), which
    drops the derivative of the inner gradient. The published code normalises with the statistics of the rows
    that are there, query rows together (``norm = "transductive"``); the default here takes those of the
    support set.
    """
