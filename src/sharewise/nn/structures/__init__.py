"""Sharing structures, one small file each, and the table of their names. No encoders, heads or training."""

from sharewise.nn.sharing import Sharing
from sharewise.nn.structures.cgc import CGC
from sharewise.nn.structures.conditioned import Add, Concat, Multiply
from sharewise.nn.structures.cross_stitch import CrossStitch
from sharewise.nn.structures.independent import Independent
from sharewise.nn.structures.mixtures import MMoE, OMoE
from sharewise.nn.structures.mtan import MTAN
from sharewise.nn.structures.ple import PLE
from sharewise.nn.structures.shared_bottom import SharedBottom
from sharewise.nn.structures.soft_sharing import SoftSharing

#: Every structure by name. To add one: a new file, and a line here; the common tests find it.
STRUCTURES: dict[str, type[Sharing]] = {
    "independent": Independent,
    "shared_bottom": SharedBottom,
    "concat": Concat,
    "add": Add,
    "multiply": Multiply,
    "soft_sharing": SoftSharing,
    "cross_stitch": CrossStitch,
    "mtan": MTAN,
    "omoe": OMoE,
    "mmoe": MMoE,
    "cgc": CGC,
    "ple": PLE,
}
