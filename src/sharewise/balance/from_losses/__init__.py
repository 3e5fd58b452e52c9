"""Weightings that see the losses alone: as cheap as the plain sum. One small file a method."""

from sharewise.balance.from_losses.dwa import DWA
from sharewise.balance.from_losses.equal import Equal
from sharewise.balance.from_losses.famo import FAMO, FAMOFree
from sharewise.balance.from_losses.fixed import Fixed
from sharewise.balance.from_losses.geometric_mean import GeometricMean
from sharewise.balance.from_losses.imtl_l import IMTLL
from sharewise.balance.from_losses.log import Log
from sharewise.balance.from_losses.random import RLW
from sharewise.balance.from_losses.stch import STCH
from sharewise.balance.from_losses.uncertainty import Uncertainty

__all__ = [
    "DWA",
    "FAMO",
    "IMTLL",
    "RLW",
    "STCH",
    "Equal",
    "FAMOFree",
    "Fixed",
    "GeometricMean",
    "Log",
    "Uncertainty",
]
