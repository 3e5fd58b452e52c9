"""A trained run's folder -> predictions: loaded without pickle, checked by its manifest, written atomically.

No training here, and no evidence: a model, its schema and its tasks are all that serving knows.
"""

from sharewise.serve.artifact import Artifact, load, save
from sharewise.serve.writing import check_path, write_predictions

__all__ = ["Artifact", "check_path", "load", "save", "write_predictions"]
