"""What a compiler's graph computes twice of the same, computed once.

Here alone, as ``torch._inductor`` takes longer to import than all else together: who compiles imports it.
"""

# Not public, and the only way to tell a compiler.
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

__all__ = ["OnceEach"]


class OnceEach(CustomGraphPass):
    """Let the first of equal operations stand for all: a convolution gathers its windows, and gathers them for its gradient."""

    def __call__(self, graph: Graph) -> None:
        """Leave out the others, but those whose results are returned: each of these is memory of its own."""
        returned = set(graph.output_node().all_input_nodes)
        known: dict[str, Node] = {}
        for node in list(graph.nodes):
            if node.op != "call_function" or node in returned or node.is_impure():
                continue
            first = known.setdefault(f"{node.target} {node.args} {node.kwargs}", node)
            if first is not node:
                node.replace_all_uses_with(first)
                graph.erase_node(node)

    def uuid(self) -> bytes:
        """Name what is done, as torch keeps machine code on disk under the names of all that it was made by."""
        return get_hash_for_files((__file__,))
