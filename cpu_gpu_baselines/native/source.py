"""An integer graph as one C++ function of kernels (bits.h, products.h, ints.h) and constants.

1. A value is held in one or more of three forms: ``ints`` (the least C++ type that holds its
   range), ``bits`` (-1 and +1, one bit each) and ``masked`` (-1, 0, +1, two bits each). A kernel
   asks for the form it reads; a conversion is written once, where it is first asked for.
2. A Dense whose weights and inputs are all -1, 0 or +1 is an XNOR and a popcount; with the
   Threshold to one bit that alone reads it, it is one kernel, and its sums are never stored.
3. Frames go through the whole network in blocks whose values fit the second cache, so that weights
   are read once a block. Threads take blocks (pool.h).
4. Constants are no part of the text: a network trained again needs no compiler.

An operator without a kernel is not computed in another way: the graph is not covered, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import BIPOLAR, Graph, IntType, Node, Op
from gatesmith.ops.input import Input

C_TYPES = ("int8_t", "uint8_t", "int16_t", "int32_t", "int64_t")
CACHE = 1 << 18
"""Bytes that the values of one block of frames may take."""

MOST_FRAMES = 64
"""Of a block."""

LEAST_ZEROS = 0.5
"""Share of zero weights from which a layer of a sparse program is stored without them."""

Array: TypeAlias = NDArray[Any]
Kernel: TypeAlias = Callable[["Source", Node], None]
KERNELS: dict[type[Op], Kernel] = {}
"""What writes each operator (kernels.py)."""


class NotCovered(Exception):  # noqa: N818 - it becomes the reason of a row
    """Operators of a graph that have no kernel; the text names their nodes."""


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A program that is not compiled yet.

    Attributes:
        text: C++ behind the include of the kernels.
        constants: Arrays it reads, in order.
        scratch: Bytes of its values, for each thread.
        inputs: Nodes that are given, in order.
        outputs: Nodes that are computed.
        kinds: Kernels used, by node: ``xnor``, ``sparse``, ``dense``, ...
    """

    text: str
    constants: tuple[Array, ...]
    scratch: int
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    kinds: dict[str, str]


def kernel(cls: type[Op]) -> Callable[[Kernel], Kernel]:
    """Register what writes an operator."""

    def put(function: Kernel) -> Kernel:
        KERNELS[cls] = function
        return function

    return put


def c_type(elem: IntType) -> str:
    """Least type that holds every value.

    >>> c_type(IntType(0, 255)), c_type(IntType(-1, 255)), c_type(IntType(-1, 1, 2))
    ('uint8_t', 'int16_t', 'int8_t')
    """
    for name in C_TYPES:
        info = np.iinfo(name.removesuffix("_t"))
        if info.min <= elem.lo and elem.hi <= info.max:
            return name
    raise ValueError(f"{elem} needs more than 64 bits")


def numpy_type(elem: IntType) -> np.dtype[Any]:
    """The same as a NumPy type."""
    return np.dtype(c_type(elem).removesuffix("_t"))


def write(graph: Graph, *, sparse: bool = False, byte_products: bool = False) -> Written:
    """The program of an integer graph.

    Args:
        graph: Of integers.
        sparse: Layers with many zero weights are stored without them.
        byte_products: Weights of 8 bits are laid out for instructions that multiply four bytes.

    Raises:
        NotCovered: An operator without a kernel; all of them are named.
    """
    import gatesmith.cpu_gpu_baselines.native.kernels  # noqa: F401 - registers

    nodes = [node for node in graph if not isinstance(node.op, Input)]
    if missing := [node for node in nodes if type(node.op) not in KERNELS]:
        named = ", ".join(f"{node.name} ({type(node.op).__name__})" for node in missing)
        raise NotCovered(f"no kernel for {named}")
    source = Source(graph, sparse, byte_products)
    for node in nodes:
        KERNELS[type(node.op)](source, node)
    return source.finish()


@dataclass
class Source:
    """What is written so far; kernels.py calls it."""

    graph: Graph
    sparse: bool
    bytes: bool
    lines: list[str] = field(default_factory=list)
    constants: list[Array] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    held: dict[tuple[Node, str], str] = field(default_factory=dict)
    waiting: set[Node] = field(default_factory=set)
    _bytes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.users = self.graph.users()
        self.inputs = tuple(node for node in self.graph if isinstance(node.op, Input))
        for number, node in enumerate(self.inputs):
            kind, name = c_type(node.type.int_elem), f"x{number}"
            where = f"in[{number}]) + first * {node.type.size}"
            self.lines.append(f"const auto* {name} = static_cast<const {kind}*>({where};")
            self.held[node, "ints"] = name

    def constant(self, data: Array, kind: str) -> str:
        """One more array; the expression that reads it."""
        self.constants.append(np.ascontiguousarray(data, np.dtype(kind.removesuffix("_t"))))
        return f"static_cast<const {kind}*>(w[{len(self.constants) - 1}])"

    def new(self, node: Node, form: str = "ints") -> str:
        """A place for the value of a node."""
        if form == "ints":
            kind = c_type(node.type.int_elem)
            each = node.type.size * np.dtype(kind.removesuffix("_t")).itemsize
        else:
            kind = "u64"
            planes = 2 if form == "masked" else 1
            each = 8 * planes * node.type.vectors * -(-node.type.channels // 64)
        name = f"v{len(self._bytes)}"
        at = " + ".join(f"room({each} * BLOCK)" for each in self._bytes) or "0"
        self._bytes.append(each)
        self.lines.append(f"auto* {name} = reinterpret_cast<{kind}*>(s + {at});")
        self.held[node, form] = name
        return name

    def alias(self, node: Node, of: Node) -> None:
        """The same bytes."""
        self.held[node, "ints"] = self.ints(of)

    def call(self, node: Node, function: str, *args: str) -> None:
        """One kernel."""
        self.kinds.setdefault(node.name, function.partition("<")[0])
        self.lines.append(f"{function}({', '.join(args)});")

    def rows(self, node: Node) -> str:
        """Channel vectors of a block."""
        return "n" if node.type.vectors == 1 else f"n * {node.type.vectors}"

    def ints(self, node: Node) -> str:
        """The value as integers."""
        if (node, "ints") not in self.held:
            bits = self.held[node, "bits"]
            made = self.new(node)
            self.lines.append(f"unpack<{node.type.channels}>({bits}, {made}, {self.rows(node)});")
        return self.held[node, "ints"]

    def bits(self, node: Node) -> str:
        """A bipolar value, one bit each."""
        assert node.type.elem == BIPOLAR
        if (node, "bits") not in self.held:
            x, made = self.ints(node), self.new(node, "bits")
            self.lines.append(f"pack<{node.type.channels}>({x}, {made}, {self.rows(node)});")
        return self.held[node, "bits"]

    def masked(self, node: Node) -> str:
        """A value of -1, 0 and 1, two bits each."""
        if (node, "masked") not in self.held:
            packed = node.type.elem == BIPOLAR
            x = self.bits(node) if packed else self.ints(node)
            how, made = "all_count" if packed else "pack_masked", self.new(node, "masked")
            self.lines.append(f"{how}<{node.type.channels}>({x}, {made}, {self.rows(node)});")
        return self.held[node, "masked"]

    def finish(self) -> Written:
        """The text, whole."""
        outputs = self.graph.outputs
        for number, node in enumerate(outputs):
            value, kind, size = self.ints(node), c_type(node.type.int_elem), node.type.size
            self.lines.append(
                f"std::memcpy(static_cast<{kind}*>(out[{number}]) + first * {size}, {value}, "
                f"sizeof({kind}) * {size} * n);"
            )
        block = max(1, min(MOST_FRAMES, CACHE // max(1, sum(self._bytes))))
        body = "\n    ".join(self.lines)
        scratch = sum(-(-each * block // 64) * 64 for each in self._bytes)
        text = _WHOLE % {"block": block, "body": body, "scratch": scratch}
        return Written(text, tuple(self.constants), scratch, self.inputs, outputs, self.kinds)


_WHOLE = """\
constexpr long BLOCK = %(block)d, SCRATCH = %(scratch)d;
constexpr long room(long bytes) { return (bytes + 63) / 64 * 64; }

// ``n`` frames from number ``first`` on, through the whole network.
static void block(const void* const* w, const void* const* in, void* const* out, char* s,
                  long first, int n) {
    (void)w, (void)s;
    %(body)s
}

extern "C" const char* gs_isa() { return ISA; }

extern "C" void gs_run(const void* const* w, const void* const* in, void* const* out, char* s,
                       long frames, int threads) {
    const long blocks = (frames + BLOCK - 1) / BLOCK;
    const auto piece = [=](long k, int worker) {
        const int n = static_cast<int>(std::min(BLOCK, frames - k * BLOCK));
        block(w, in, out, s + SCRATCH * worker, k * BLOCK, n);
    };
    if (threads <= 1 || blocks == 1) {
        for (long k = 0; k < blocks; ++k) piece(k, 0);
    } else {
        static Pool pool;
        pool.run(blocks, threads, piece);
    }
}
"""
