"""ANIL (Raghu et al. 2020, "Rapid Learning or Feature Reuse?"): MAML that adapts the head alone."""

from __future__ import annotations

from typing import Any

from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Spec
from sharewise.meta.nets import Weights
from sharewise.meta.nets.net import require_head


class ANIL(GradientLearner):
    """Almost No Inner Loop (section 4): the body's features are learned over tasks, the head adapts.

    All tasks share the body, so it runs once for all of them.
    """

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(spec, **options)
        require_head(self.net)

    def start(self, tasks: int) -> Weights:
        own = self.net.weights()
        return {name: own[name] for name in self.net.head_names()}
