"""Learners that read the support set as an input: one network's forward pass is the adaptation."""

from sharewise.meta.amortised.attentive import AttentiveProcess
from sharewise.meta.amortised.neural_process import NeuralProcess
from sharewise.meta.amortised.transformer import SetTransformer

__all__ = ["AttentiveProcess", "NeuralProcess", "SetTransformer"]
