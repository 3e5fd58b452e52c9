"""Networks for many tasks. No data, no training; what a structure shares is decided here and nowhere else.

**Sharing is routing.** The representation of task t for a row x with task descriptor z is

    Σₑ gate[t, e](x, z) · expertₑ(x)

and a sharing structure is a choice of experts and gate:

    one expert, nothing to gate                       shared bottom; if it sees z: concat, add, multiply
    T experts, the identity for a gate                independent networks; pulled together: soft sharing
    a learned T x T matrix after each layer           cross-stitch
    a sigmoid for each unit of a shared net's layers  MTAN
    a softmax gate for all tasks                      OMoE
    a softmax gate for each task                      MMoE
    the same, over shared and the task's own experts  CGC; stacked: PLE

So there are few parts. Experts, and whatever else comes in copies, live in one stacked tensor
``[copies, out, in]`` (`stacked`): what all copies do to one input is one plain linear layer, what each does
to its own is one batched product, and rows that belong to one task each pick their copy. All tasks' gates are
one linear layer, all heads of a kind are stacked. Nothing loops over tasks or experts, only over layers and
over groups of tasks of one kind, so a step with 1,000 tasks costs what its multiplications cost.

Dimensions are in a fixed order: ``[copies, rows, features]`` for stacked work, where copies are tasks or
experts; members of an ensemble are folded into the rows (row 0's members, then row 1's ...) between encoder
and heads.

    initial, picks, stacked, dropout   the ground floor
    numeric, growing, encoders         inputs -> features
    conditioning, routing, sharing     what structures are made of, and their interface
    structures                         one small file each, and the table `STRUCTURES`
    offset                             what circumstances add to a label
    heads, model, options, cost        the whole
"""

from sharewise.nn.cost import Cost
from sharewise.nn.dropout import Dropout, RowShard, row_shard
from sharewise.nn.growing import GrowingEmbedding, GrowingTable, grow
from sharewise.nn.model import MultiTaskModel, Part
from sharewise.nn.offset import Offset
from sharewise.nn.options import PRESETS, ModelOptions
from sharewise.nn.sharing import Setting, Sharing, Traits
from sharewise.nn.structures import STRUCTURES

__all__ = [
    "PRESETS",
    "STRUCTURES",
    "Cost",
    "Dropout",
    "GrowingEmbedding",
    "GrowingTable",
    "ModelOptions",
    "MultiTaskModel",
    "Offset",
    "Part",
    "RowShard",
    "Setting",
    "Sharing",
    "Traits",
    "grow",
    "row_shard",
]
