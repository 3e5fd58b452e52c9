"""Ghost rules: the Gramian of a parameter's gradients from what its operation saved, without the gradients.

For a product with saved input A ``[rows, in]`` and gradients gₜ ``[rows, out]`` of its output, task t's
gradient is Aᵀ gₜ, and <Aᵀ gₛ, Aᵀ gₜ> = <(A Aᵀ) gₛ, gₜ>: with few rows the gradients ``[tasks, in, out]`` are
never built. (Goodfellow 2015 has the norms; the Gramian over tasks is the same identity.)

Convolutions have none: their weights meet more places than they have inputs, so their gradients are cheaper
to build, and batched autograd builds them fastest.

A rule takes the use of a parameter and reads what its operation saved; it gives a function of the gradients
of the operation's output, or None where it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.balance.engines.graph import Use

#: Blocks of a triangular root: two leave out a quarter of a square's work; more are smaller than pays.
BLOCKS = 2
#: Rows from which a root is worth its trouble.
LEAST = 64
#: Added to a kernel's diagonal, as a share of its mean: far above float64's rounding, far below float32's.
JITTER = 1e-10


@dataclass(frozen=True)
class Factors:
    """The tasks' gradients of one parameter as products Aᵀ gₜ, summed over nothing but rows.

    Attributes:
        inputs: A.
        outputs: gₜ.
        scale: of the products.
    """

    inputs: Float[Tensor, "*stack rows in"]
    outputs: Float[Tensor, "tasks *stack rows out"]
    scale: float = 1.0

    def jacobian(self) -> Float[Tensor, "tasks numbers"]:
        """Return the gradients themselves."""
        found = self.scale * _products(self.inputs.transpose(-1, -2), self.outputs)
        return found.flatten(1)

    def gramian(self) -> Float[Tensor, "tasks tasks"]:
        """Return the inner products of the gradients, on the cheaper way."""
        rows, into = self.inputs.shape[-2:]
        tasks, out = len(self.outputs), self.outputs.shape[-1]
        built = tasks * out * into * (rows + tasks)
        ghost = rows * rows * (into + tasks * out) + tasks * tasks * rows * out
        if built <= ghost:
            jacobian = _products(self.inputs.transpose(-1, -2), self.outputs).flatten(1)
            return self.scale**2 * (jacobian @ jacobian.T)
        # A root costs more than the kernel: many tasks have to use it.
        root = _root(self.inputs) if rows >= LEAST and tasks * out >= 16 * (into + rows) else None
        return self.scale**2 * (self._by_kernel() if root is None else self._by_root(root))

    def _by_kernel(self) -> Float[Tensor, "tasks tasks"]:
        """Return <K gₛ, gₜ> with K = A Aᵀ."""
        kernel = self.inputs @ self.inputs.transpose(-1, -2)
        return (kernel @ self.outputs).flatten(1) @ self.outputs.flatten(1).T

    def _by_root(self, root: Float[Tensor, "*stack rows rows"]) -> Float[Tensor, "tasks tasks"]:
        """Return <Lᵀ gₛ, Lᵀ gₜ> with K = L Lᵀ, by blocks of L: those above its diagonal are 0."""
        rows, tasks = root.shape[-1], len(self.outputs)
        total = self.outputs.new_zeros(tasks, tasks)
        for i in range(BLOCKS):
            start, stop = rows * i // BLOCKS, rows * (i + 1) // BLOCKS
            block = root[..., start:, start:stop].transpose(-1, -2)
            part = (block @ self.outputs[..., start:, :]).flatten(1)
            total.addmm_(part, part.T)
        return total


@dataclass(frozen=True)
class Rows:
    """The tasks' gradients of a table as rows: that of entry i is the sum over the look-ups of i.

    Attributes:
        index: entries looked up.
        outputs: gₜ.
        entries: of the table.
    """

    index: Tensor
    outputs: Float[Tensor, "tasks lookups *entry"]
    entries: int

    def jacobian(self) -> Float[Tensor, "tasks numbers"]:
        """Return the gradients themselves, of the whole table."""
        return self._sums(self.index, self.entries)

    def gramian(self) -> Float[Tensor, "tasks tasks"]:
        """Return the inner products of the gradients, from the entries that were looked up."""
        present, index = torch.unique(self.index, return_inverse=True)
        jacobian = self._sums(index, len(present))
        return jacobian @ jacobian.T

    def _sums(self, index: Tensor, entries: int) -> Tensor:
        shape = (len(self.outputs), entries, *self.outputs.shape[2:])
        return self.outputs.new_zeros(shape).index_add(1, index, self.outputs).flatten(1)


Found = Factors | Rows
#: From the gradients of an operation's output, ``[tasks, *output]``, to those of the parameter.
Ghost = Callable[[Tensor], Found]


def _root(inputs: Float[Tensor, "*stack rows in"]) -> Float[Tensor, "*stack rows rows"] | None:
    """Return the lower triangular L with L Lᵀ = A Aᵀ, or None where there is none."""
    wide = inputs.double()
    kernel = wide @ wide.transpose(-1, -2)
    diagonal = kernel.diagonal(dim1=-2, dim2=-1)
    diagonal += JITTER * diagonal.mean(-1, keepdim=True)
    lower, info = torch.linalg.cholesky_ex(kernel)
    return None if bool(info.any()) else lower.to(inputs.dtype)


def _products(matrix: Tensor, outputs: Tensor) -> Tensor:
    """Return matrix @ gₜ for every task: one product, not one a task, where nothing is stacked."""
    if matrix.dim() > 2:
        return matrix @ outputs
    tasks, rows, out = outputs.shape
    flat = outputs.transpose(0, 1).reshape(rows, tasks * out)
    return (matrix @ flat).view(len(matrix), tasks, out).transpose(0, 1)


def _second(left: Tensor, scale: float = 1.0) -> Ghost:
    """The parameter is the second factor of left @ parameter."""
    return lambda g: Factors(left, g, scale)


def _first(right: Tensor, scale: float = 1.0) -> Ghost:
    """The parameter is the first factor of parameter @ right."""
    return lambda g: Factors(right.transpose(-1, -2), g.transpose(-1, -2), scale)


def _mm(use: Use) -> Ghost | None:
    return _second(use.node._saved_self) if use.operand == 1 else _first(use.node._saved_mat2)


def _addmm(use: Use) -> Ghost | None:
    node = use.node
    if use.operand == 0:
        return None
    scale = float(node._saved_alpha)
    return _second(node._saved_mat1, scale) if use.operand == 2 else _first(node._saved_mat2, scale)


def _baddbmm(use: Use) -> Ghost | None:
    node = use.node
    if use.operand == 0:
        return None
    scale = float(node._saved_alpha)
    return _second(node._saved_batch1, scale) if use.operand == 2 else _first(node._saved_batch2, scale)


def _index_select(use: Use) -> Ghost | None:
    node = use.node
    if use.operand != 0 or node._saved_dim != 0:
        return None
    index, entries = node._saved_index, int(node._saved_self_sym_sizes[0])
    return lambda g: Rows(index, g, entries)


def _embedding(use: Use) -> Ghost | None:
    node = use.node
    entries = int(node._saved_weight_sym_argsize_0)
    padded = 0 <= int(node._saved_padding_idx) < entries
    if use.operand != 0 or padded or node._saved_scale_grad_by_freq:
        return None
    index = node._saved_indices
    return lambda g: Rows(index.flatten(), g.flatten(1, index.dim()), entries)


#: By the name of the operation's node.
_RULES: dict[str, Callable[[Use], Ghost | None]] = {
    "MmBackward0": _mm,
    "AddmmBackward0": _addmm,
    "BmmBackward0": _mm,
    "BaddbmmBackward0": _baddbmm,
    "IndexSelectBackward0": _index_select,
    "EmbeddingBackward0": _embedding,
}


def ghost_of(use: Use) -> Ghost | None:
    """Return the rule for this use of a parameter, or None: then it is differentiated task by task."""
    rule = _RULES.get(use.node.name())
    return None if rule is None else rule(use)
