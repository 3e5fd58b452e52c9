"""Learners that adapt by gradient steps on the support set: one descent, and what each paper makes of it."""

from sharewise.meta.gradient.anil import ANIL
from sharewise.meta.gradient.cavia import CAVIA
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.gradient.imaml import IMAML
from sharewise.meta.gradient.maml import MAML
from sharewise.meta.gradient.maml_plus import MAMLPlus
from sharewise.meta.gradient.meta_sgd import MetaSGD
from sharewise.meta.gradient.reptile import Reptile

__all__ = ["ANIL", "CAVIA", "IMAML", "MAML", "GradientLearner", "MAMLPlus", "MetaSGD", "Reptile"]
