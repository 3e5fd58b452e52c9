"""The one loop: batches, a model and a balancer in; a trained model, its evaluation and a sealed folder out.

Lives here: objective, evaluation, prediction, the loop, checkpoints, devices, processes, the run's folder.
Not here: what a network looks like (nn), where rows come from (data), comparing runs (study).
"""

from sharewise.train.constant import Constant, fit_constant
from sharewise.train.evaluate import Evaluation, TaskResult, evaluate, score_of
from sharewise.train.fit import fit
from sharewise.train.meta import MetaResult, fit_learner
from sharewise.train.meta_evaluate import EpisodeScores, evaluate_learner
from sharewise.train.meta_options import MetaOptions
from sharewise.train.objective import Objective
from sharewise.train.options import TrainOptions
from sharewise.train.predict import predict, split_by_task, to_predictions
from sharewise.train.progress import Progress, RichProgress, TensorBoardProgress, Together
from sharewise.train.result import FitResult
from sharewise.train.run import Run

__all__ = [
    "Constant",
    "EpisodeScores",
    "Evaluation",
    "FitResult",
    "MetaOptions",
    "MetaResult",
    "Objective",
    "Progress",
    "RichProgress",
    "Run",
    "TaskResult",
    "TensorBoardProgress",
    "Together",
    "TrainOptions",
    "evaluate",
    "evaluate_learner",
    "fit",
    "fit_constant",
    "fit_learner",
    "predict",
    "score_of",
    "split_by_task",
    "to_predictions",
]
