"""Learners: ``adapt(support) -> predictor``, over a leading dimension of tasks.

One idea: learning is a function from a support set to a predictor, and a learner has that function's
parameters θ, learned so that the predictors do well on query sets. φ = f_θ(D^tr). Learners differ only in how
`adapt` works:

    gradient      φ is θ after some steps of descent          MAML and its kin
    metric        a query row is compared with the support    ProtoNet, Matching
    closed_form   φ solves a linear problem on features       R2D2, ALPaCA
    amortised     a network reads the support set             NeuralProcess, SetTransformer
    baselines     what all of them must beat

Nothing here loops over tasks: what differs between tasks is stacked. No data sets and no training loop:
`strategy` gives the meta-gradient of a batch of episodes, in the way that is fastest for the network.
"""

from sharewise.meta.learner import Forecast, Judged, Learner, Predictor, Spec
from sharewise.meta.make import LEARNERS, make_learner, options_of
from sharewise.meta.nets import NetOptions, OwnNet
from sharewise.meta.views import Views

__all__ = [
    "LEARNERS",
    "Forecast",
    "Judged",
    "Learner",
    "NetOptions",
    "OwnNet",
    "Predictor",
    "Spec",
    "Views",
    "make_learner",
    "options_of",
]
