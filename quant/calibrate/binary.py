"""Signs and ternary values of what a ReLU reads: of what it gives, every sign would be +1.

In a bipolar network the sign is the activation function (Hubara et al., Binarized Neural Networks,
2016, section 1.1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from gatesmith.ir import Array, Graph, Node
from gatesmith.ops.clip import Clip
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.relu import Relu


def without_relu(graph: Graph, names: Collection[str]) -> Graph:
    """Leave out each Relu, and each Clip to values from 0 on, that has one of these names.

    What it reads takes over its name, so that the site for a quantizer keeps it. Where others read
    the argument too, the node becomes a LeakyRelu of slope 1, which changes nothing.
    Names of other operators, and of outputs of the network, are left alone.
    """
    users = graph.users()
    gone = {
        node: users[node.args[0]] == 1
        for node in graph
        if node.name in names and _cuts(node) and node not in graph.outputs
    }
    renamed = {node.args[0].name: node for node, alone in gone.items() if alone}
    kept = {node.name for node, alone in gone.items() if not alone}

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if node.name in kept:
            return replace(node, op=LeakyRelu(Array(1.0)))
        if _cuts(node) and node.name == node.args[0].name:
            return node.args[0]
        after = renamed.get(node.name)
        if after is None:
            return None
        return replace(node, name=after.name, origin=(*node.origin, *after.origin))

    return graph.rewrite(rule)


def signs_of_sums(graph: Graph) -> Graph:
    """The same for a graph with FakeQuant: every grid with few signed values reads the sums."""
    names = [
        node.args[0].name
        for node in graph
        if isinstance(node.op, FakeQuant) and node.op.grid.kind != "int"
    ]
    return without_relu(graph, names)


def _cuts(node: Node) -> bool:
    return isinstance(node.op, Relu) or (isinstance(node.op, Clip) and node.op.lo >= 0)
