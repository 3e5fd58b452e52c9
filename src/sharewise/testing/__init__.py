"""Contract suites, shipped: an extension of anyone's is held to what the built-in ones are held to.

A suite is a table of named checks that raise AssertionError, and a function that runs them all. Nothing else
in the package imports this one, and nothing here depends on a test framework.
"""

from sharewise.testing.gradients import GRADIENT_CHECKS
from sharewise.testing.learner_flags import LEARNER_CHECKS
from sharewise.testing.learners import LEARNER_CASE_CHECKS, check_learner, image_cases, learner_cases
from sharewise.testing.structures import CASE_CHECKS, STRUCTURE_CHECKS, check_structure, structure_cases
from sharewise.testing.tasks_to_learn import LearnerCase
from sharewise.testing.toys import Case

__all__ = [
    "CASE_CHECKS",
    "GRADIENT_CHECKS",
    "LEARNER_CASE_CHECKS",
    "LEARNER_CHECKS",
    "STRUCTURE_CHECKS",
    "Case",
    "LearnerCase",
    "check_learner",
    "check_structure",
    "image_cases",
    "learner_cases",
    "structure_cases",
]
