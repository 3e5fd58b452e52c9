"""Many runs -> evidence: structures compared with independent networks, with intervals, verdicts and advice.

Lives here: what is trained and in which order, statistics, words. Not here: how one model trains (train), how
evidence looks (report).
"""

from sharewise.study.compare import compare
from sharewise.study.comparison import Comparison
from sharewise.study.judged import judged_by
from sharewise.study.progress import RichStudyProgress, StudyProgress
from sharewise.study.statistics import Difference, Sample, compare_samples, contributions, holm
from sharewise.study.task_weights import TaskWeightOptions, TaskWeights, tune_task_weights

__all__ = [
    "Comparison",
    "Difference",
    "RichStudyProgress",
    "Sample",
    "StudyProgress",
    "TaskWeightOptions",
    "TaskWeights",
    "compare",
    "compare_samples",
    "contributions",
    "holm",
    "judged_by",
    "tune_task_weights",
]
