"""Learners that compare a query row with the support set, in features that all tasks share."""

from sharewise.meta.metric.matching import Matching
from sharewise.meta.metric.proto import ProtoNet

__all__ = ["Matching", "ProtoNet"]
