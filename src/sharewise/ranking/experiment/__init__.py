"""Experiments: two or more ways to answer, told apart by what people do.

* `ExperimentPlan`: arms, outcomes, guards; `arm_of` says in which arm a user is, by a hash alone.
* `UserSums`: what every user did, before and since, as sums that partitions of a log add to.
* `compare`: an arm against the control: a ratio with its error by user, less of it by what users did before.
* `Watch`: looks at an experiment as often as one likes, with intervals and alarms that allow for it.

Nothing here knows of models: a log with the column ``arms`` is all that is read.
"""

from sharewise.ranking.experiment.assignment import arm_of, arms_of
from sharewise.ranking.experiment.compare import Effect, compare
from sharewise.ranking.experiment.outcomes import OUTCOMES, Outcome
from sharewise.ranking.experiment.plan import Arm, ExperimentPlan
from sharewise.ranking.experiment.sums import UserSums
from sharewise.ranking.experiment.watch import Look, Reading, Watch

__all__ = [
    "OUTCOMES",
    "Arm",
    "Effect",
    "ExperimentPlan",
    "Look",
    "Outcome",
    "Reading",
    "UserSums",
    "Watch",
    "arm_of",
    "arms_of",
    "compare",
]
