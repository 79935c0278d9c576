"""Where quantizers go in a float network, and putting them there.

Between two quantizers lowering takes any function of one integer (quant/lower.py), so a value needs
a quantizer only where something else begins:

1. the input of a layer with weights, of a pool, and of anything that joins two streams;
2. a value that several nodes read, unless it is on a grid already;
3. the input of a function that does not rise or fall throughout: it becomes a table of codes;
4. an output that is no affine function of the last layer's sums.

Movements, ReLU and max pools of values on a grid stay on it. Weights of every layer are sites too.
Streams that Concat puts together share one grid. Source of the rules: the same reasoning as in
FINN-R, Blott et al., 2018, section 4.3, the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatesmith.ir import Graph, Node
from gatesmith.ops.add import Add
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.clip import Clip
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.div import Div
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.function import MONOTONE, Function
from gatesmith.ops.input import Input
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.mul import Mul
from gatesmith.ops.pad import Pad
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.select import Select
from gatesmith.ops.sign import Sign
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.sub import Sub
from gatesmith.ops.take import Take
from gatesmith.ops.top_k import TopK
from gatesmith.ops.transpose import Transpose

WEIGHT, INPUT, ACTIVATION, OUTPUT = "weight", "input", "activation", "output"
SUFFIX = "_quant"

_REORDERS = (Reshape, Transpose, Take)
_MOVES = (*_REORDERS, Pad)
_ARITHMETIC = (Add, Sub, Mul, Div)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A place for a quantizer.

    Attributes:
        name: Name of the node whose value is quantized; unique in the graph.
        role: ``weight``, ``input``, ``activation`` or ``output``.
        node: That node. Weights are constants, output channels last.
        layers: Names of the layers (Conv, MatMul) that read it: directly for a weight, through
            movements and pools for others.
        tied: Name of the site whose grid it must share, or None.
    """

    name: str
    role: str
    node: Node
    layers: tuple[str, ...] = ()
    tied: str | None = None


def find_sites(graph: Graph) -> tuple[Site, ...]:
    """Every place for a quantizer, in the order of the graph.

    Args:
        graph: Real, tidied (channels_last.py, fold_affine.py), without quantizers.
    """
    return _Walk(graph).sites()


def insert(graph: Graph, grids: Mapping[str, Grid]) -> Graph:
    """The graph with FakeQuant behind every node named in ``grids``; existing ones are replaced.

    ValueError for a name that is not in the graph.
    """
    left = set(grids)

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if isinstance(node.op, FakeQuant) and isinstance(node.args[0].op, FakeQuant):
            return node.args[0]  # the new one already stands before it
        if node.name not in grids or isinstance(node.op, FakeQuant):
            return None
        left.discard(node.name)
        return Node(node.name + SUFFIX, FakeQuant(grids[node.name]), (node,), node.origin)

    new = graph.rewrite(rule)
    if left:
        raise ValueError(f"no value to quantize is called {', '.join(sorted(left))}")
    return new


def grids_of(graph: Graph) -> dict[str, Grid]:
    """Grid of each quantized value, by name of the node that makes it."""
    return {n.args[0].name: n.op.grid for n in graph if isinstance(n.op, FakeQuant)}


class _Walk:
    """One pass over the graph. ``source`` is the value a node is a function of."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.users = graph.users()
        self.found: dict[Node, str] = {}  # node and its role
        self.tied: dict[Node, Node] = {}
        self.coded: dict[Node, bool] = {}
        self.source: dict[Node, Node] = {}
        self.affine: dict[Node, bool] = {}  # of the sums of its source, ReLU allowed

    def sites(self) -> tuple[Site, ...]:
        for node in self.graph:
            self._visit(node)
            if self.users[node] > 1 and not self._constant(node) and not self._late(node):
                self._need(node)
        for output in self.graph.outputs:
            if not self._constant(output) and not (self.affine.get(output) or self.coded[output]):
                self._need(output, OUTPUT)
        layers = self._layers()
        return tuple(
            Site(node.name, self.found[node], node, layers.get(node, ()), self._tie(node))
            for node in self.graph
            if node in self.found
        )

    def _tie(self, node: Node) -> str | None:
        first = self.tied.get(node)
        return None if first is None or first is node else first.name

    @staticmethod
    def _constant(node: Node) -> bool:
        return isinstance(node.op, Const)

    def _late(self, node: Node) -> bool:
        """Left to the host: nothing that follows has hardware."""
        return isinstance(node.op, Softmax | TopK)

    def _need(self, node: Node, role: str = ACTIVATION) -> None:
        """Put ``node`` on a grid: what it moves, where it only moves something."""
        if self._constant(node) or self.coded.get(node):
            return
        if isinstance(node.op, _REORDERS) and not self._constant(node.args[0]):
            self._need(node.args[0], role)
            self.coded[node], self.source[node] = True, self.source[node.args[0]]
            return
        self.found.setdefault(node, role)
        self.coded[node] = True
        self.source[node] = node

    def _result(self, node: Node, *, coded: bool, source: Node, affine: bool = False) -> None:
        self.coded[node], self.source[node], self.affine[node] = coded, source, affine

    def _visit(self, node: Node) -> None:
        args = [arg for arg in node.args if not self._constant(arg)]
        match node.op:
            case Const():
                return
            case Input():
                self._result(node, coded=False, source=node)
                self._need(node, INPUT)
            case Conv() | MatMul():
                for arg in node.args:
                    if self._constant(arg):
                        self.found[arg] = WEIGHT
                    self._need(arg)
                self._result(node, coded=False, source=node, affine=True)
            case MaxPool():
                self._need(args[0])
                self._result(node, coded=True, source=node)
            case Reduce(kind="max" | "min"):
                self._need(args[0])
                self._result(node, coded=True, source=node)
            case AveragePool() | Reduce() | LayerNorm():
                self._need(args[0])
                self._result(
                    node, coded=False, source=node, affine=not isinstance(node.op, LayerNorm)
                )
            case Concat():
                for arg in args:
                    self._need(arg)
                    self._bind(args[0], arg)
                self._result(node, coded=True, source=node)
            case Softmax() | TopK():
                self._softmax(node, args[0])
            case _:
                self._elementwise(node, args)

    def _bind(self, first: Node, arg: Node) -> None:
        """One grid for all sites whose codes these two values are."""
        heads = {
            self.tied.get(site, site): None
            for value in (first, arg)
            for site in self._sites_of(value)
        }
        if len(heads) < 2:
            return
        head = next((site for site in heads if self.found[site] == INPUT), next(iter(heads)))
        for site in self.found:
            if (
                site is not head
                and self.tied.get(site, site) in heads
                and self.found[site] != INPUT
            ):
                self.tied[site] = head

    def _sites_of(self, node: Node) -> list[Node]:
        """The sites on whose grids the codes of a value lie: its own, or those of what it moves."""
        if node in self.found or self._constant(node) or not self.coded.get(node):
            return [node] if node in self.found else []
        args = node.args if isinstance(node.op, Concat) else node.args[:1]
        return [site for arg in args for site in self._sites_of(arg)]

    def _softmax(self, node: Node, x: Node) -> None:
        """At the end it is the host's; elsewhere it needs codes."""
        if self.users[node] > self.graph.outputs.count(node):
            self._need(x)
        self._result(node, coded=False, source=node, affine=True)

    def _elementwise(self, node: Node, args: list[Node]) -> None:
        if not args:  # of constants
            self._result(node, coded=True, source=node)
            return
        if len(args) > 1 and len({self.source[arg] for arg in args}) > 1:
            for arg in args:
                self._need(arg)
            self._result(node, coded=False, source=node, affine=isinstance(node.op, Add | Sub))
            return
        if not _monotone(node):
            self._need(args[0])
        x = args[0]
        keeps = isinstance(node.op, _MOVES) or (len(args) == 1 and _keeps_grid(node))
        affine = self.affine.get(x, True) and _affine(node) and len(args) == 1
        self._result(node, coded=self.coded[x] and keeps, source=self.source[x], affine=affine)

    def _layers(self) -> dict[Node, tuple[str, ...]]:
        """Layers that each site feeds, through nodes that are no sites."""
        readers: dict[Node, dict[str, None]] = {}
        for node in reversed(list(self.graph)):
            own = readers.get(node, {})
            for arg in node.args:
                mine = readers.setdefault(arg, {})
                if isinstance(node.op, Conv | MatMul):
                    mine.setdefault(node.name)
                elif node not in self.found:
                    mine.update(own)
        return {node: tuple(reversed(names)) for node, names in readers.items()}


def _monotone(node: Node) -> bool:
    """Whether an element-wise function of one value rises or falls throughout."""
    match node.op:
        case Function():
            return node.op.kind in MONOTONE
        case LeakyRelu():
            return bool((node.op.slope.data >= 0).all())
        case Select() | Sign() | Relu() | Clip():
            return True
        case Div():
            return isinstance(node.args[1].op, Const)
    return True


def _affine(node: Node) -> bool:
    if isinstance(node.op, Div):
        return isinstance(node.args[1].op, Const)
    return isinstance(node.op, (*_ARITHMETIC, *_MOVES))


def _keeps_grid(node: Node) -> bool:
    """ReLU of a value on a grid, and products and sums with one number."""
    if isinstance(node.op, Relu):
        return True
    consts = [arg.op.value.data for arg in node.args if isinstance(arg.op, Const)]
    return isinstance(node.op, _ARITHMETIC) and _affine(node) and all(c.size == 1 for c in consts)
