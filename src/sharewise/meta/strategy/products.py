"""A pass over compiled graphs: products of two transposed stacks of matrices, which MKL is slow at.

The second derivative of a network asks for such products. On small matrices they take five to eight times as
long as the transpose of the product in the other order, which is the same matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

BMM, PERMUTE = torch.ops.aten.bmm.default, torch.ops.aten.permute.default


class SwapTransposed(CustomGraphPass):
    """Compute A B of two column-major stacks as (Bᵀ Aᵀ)ᵀ."""

    def __call__(self, graph: Graph) -> None:
        for node in graph.find_nodes(op="call_function", target=BMM):
            left, right = node.args
            if _column_major(left) and _column_major(right):
                _swap(graph, node, left, right)

    def uuid(self) -> Any:
        return get_hash_for_files((__file__,))


def _column_major(node: Any) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.stride(1) == 1 and value.stride(2) != 1


def _swap(graph: Graph, node: Node, left: Node, right: Node) -> None:
    with graph.inserting_before(node):
        first, second = (_transposed(graph, one) for one in (right, left))
        product = graph.call_function(BMM, (first, second))
        product.meta["val"] = torch.bmm(first.meta["val"], second.meta["val"])
        swapped = _transposed(graph, product)
    node.replace_all_uses_with(swapped)
    graph.erase_node(node)


def _transposed(graph: Graph, node: Node) -> Node:
    made = graph.call_function(PERMUTE, (node, [0, 2, 1]))
    made.meta["val"] = node.meta["val"].permute(0, 2, 1)
    return made
