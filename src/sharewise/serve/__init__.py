"""A trained run's folder -> predictions: loaded without pickle, checked by its manifest, written atomically.

No training here, and no evidence: a model, its schema and its tasks are all that serving knows.
"""

from sharewise.serve.artifact import Artifact, load, save
from sharewise.serve.learner import LearnerArtifact, load_learner, save_learner
from sharewise.serve.writing import check_path, write_predictions

__all__ = [
    "Artifact",
    "LearnerArtifact",
    "check_path",
    "load",
    "load_learner",
    "save",
    "save_learner",
    "write_predictions",
]
