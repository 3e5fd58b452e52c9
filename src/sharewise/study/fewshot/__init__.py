"""Evidence of meta-learning: a learner beside baselines on the same test episodes, at every number of shots.

Lives here: what is evaluated, paired differences and their verdicts, calibration, a few episodes to look at,
words. Not here: training (train), how it looks (report).
"""

from sharewise.study.fewshot.measure import measure
from sharewise.study.fewshot.plan import FewShotPlan
from sharewise.study.fewshot.rates import choose_rate

__all__ = ["FewShotPlan", "choose_rate", "measure"]
