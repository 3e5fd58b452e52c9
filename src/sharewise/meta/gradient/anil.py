"""ANIL (Raghu et al. 2020, "Rapid Learning or Feature Reuse?"): MAML that adapts the head alone."""

from __future__ import annotations

from sharewise.errors import ConfigError
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.nets import Weights


class ANIL(GradientLearner):
    """Almost No Inner Loop (section 4): the body's features are learned over tasks, the head adapts.

    All tasks share the body, so it runs once for all of them.
    """

    def start(self, tasks: int) -> Weights:
        own = self.net.weights()
        names = self.net.head_names()
        if not names:
            raise ConfigError("The network has no head apart from its body.", "Set its attribute 'head'.")
        return {name: own[name] for name in names}
