"""Weightings that see the Gramian of the tasks' gradients. One small file a method.

A task without a gradient gets no say where a paper's formula would divide by its length.
"""

from sharewise.balance.from_gramian.aligned_mtl import AlignedMTL
from sharewise.balance.from_gramian.cagrad import CAGrad
from sharewise.balance.from_gramian.config import ConFIG
from sharewise.balance.from_gramian.db_mtl import DBMTL
from sharewise.balance.from_gramian.excess_mtl import ExcessMTL
from sharewise.balance.from_gramian.fairgrad import FairGrad
from sharewise.balance.from_gramian.gradnorm import GradNorm
from sharewise.balance.from_gramian.gradvac import GradVac
from sharewise.balance.from_gramian.imtl_g import IMTLG
from sharewise.balance.from_gramian.mgda import MGDA
from sharewise.balance.from_gramian.modo import MoDo
from sharewise.balance.from_gramian.nash_mtl import NashMTL
from sharewise.balance.from_gramian.pcgrad import PCGrad
from sharewise.balance.from_gramian.sdmgrad import SDMGrad
from sharewise.balance.from_gramian.upgrad import UPGrad

__all__ = [
    "DBMTL",
    "IMTLG",
    "MGDA",
    "AlignedMTL",
    "CAGrad",
    "ConFIG",
    "ExcessMTL",
    "FairGrad",
    "GradNorm",
    "GradVac",
    "MoDo",
    "NashMTL",
    "PCGrad",
    "SDMGrad",
    "UPGrad",
]
