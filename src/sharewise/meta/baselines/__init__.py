"""What a meta-learner must beat: no learning over tasks, none within them, or the plainest of both."""

from sharewise.meta.baselines.centroid import NearestCentroid
from sharewise.meta.baselines.pooled import FineTuned, Pooled
from sharewise.meta.baselines.scratch import Scratch

__all__ = ["FineTuned", "NearestCentroid", "Pooled", "Scratch"]
