"""onnxruntime on the integer graph of a perceptron: the best that float32 can do with these codes.

1. A Dense is a Gemm; its sums are integers below 2**24, so float32 holds every partial sum exactly.
2. A Threshold to two values behind it is Sign(x - t + 1/2): the 1/2 - t is the Gemm's bias, a
   falling output has its weights and bias negated. Half-integers below 2**22 are exact too.
3. Another Threshold counts: y = lo + step * sum over k of (x >= t[k]).
4. A Requantize is Clip(Floor((x * mul + add) * 2**-shift)), with Round (half to even) where it
   rounds so; products are below 2**22 too.

So the result is equal, bit by bit, and a kernel of packed bits has something to be measured against
that does not pay for quantizers written out in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from gatesmith.cpu_gpu_baselines.engines.engine import Engine, Opened, Subject, Unavailable
from gatesmith.cpu_gpu_baselines.engines.ort_engine import Session, runtime
from gatesmith.ir import Graph, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold

EXACT = 2**22
"""Whole and half numbers below are float32, and so are sums of them."""

OPSET, IR = 17, 8


class OnnxRuntimeCodes(Engine):
    """Codes in, codes out, float32 in between."""

    name = "onnxruntime-codes"
    kind = "integer"

    def open(self, subject: Subject, threads: int) -> Opened:
        """One session."""
        runtime()
        model = written(subject.integer)
        feeds = {name: x.astype(np.float32) for name, x in subject.codes.items()}
        return Session(model, feeds, threads, "CPUExecutionProvider", integers=False)


def written(graph: Graph) -> ModelProto:
    """The integer graph as float32 ONNX. Raises Unavailable."""
    known = (Input, Dense, Threshold, Requantize, Reshape)
    strange = [n for n in graph if not isinstance(n.op, known) or _grouped(n)]
    if strange:
        named = ", ".join(f"{n.name} ({type(n.op).__name__})" for n in strange)
        raise Unavailable(
            f"written for graphs of Dense, Threshold and Requantize only, not {named}"
        )
    writer = _Writer(graph)
    for node in graph:
        writer.node(node)
    return writer.model()


def _grouped(node: Node) -> bool:
    return isinstance(node.op, Dense) and (node.op.groups > 1 or len(node.type.shape) != 1)


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.users = graph, graph.users()
        self.nodes: list[NodeProto] = []
        self.stored: list[TensorProto] = []

    def node(self, node: Node) -> None:
        match node.op:
            case Input():
                pass
            case Reshape(shape=shape):
                self._add("Reshape", node.name, node.args[0].name, self._ints([-1, *shape]))
            case Dense():
                if not self._signs(node):
                    self._gemm(node, node.name, node.op.weights.data, None)
            case Threshold(thresholds=at, falling=falling, out=out):
                (x,) = node.args
                if isinstance(x.op, Dense) and self._signs(x):
                    self._sign(node, x)
                else:
                    self._count(node, at.data, falling.data, out.lo, out.step)

            case Requantize() as op:
                self._requantize(node, op)

    def _requantize(self, node: Node, op: Requantize) -> None:
        (x,) = node.args
        product = op.product(x.type.int_elem)
        if max(-product.lo, product.hi) >= EXACT:
            raise Unavailable(f"products of {node.name} reach {product.hi}: float32 rounds them")
        self._add("Mul", f"{node.name}/m", x.name, self._floats(op.mul.data))
        self._add("Add", f"{node.name}/a", f"{node.name}/m", self._floats(op.add.data))
        unit = self._floats(np.array(2.0**-op.shift))
        self._add("Mul", f"{node.name}/s", f"{node.name}/a", unit)
        rounding = "Round" if op.even else "Floor"
        self._add(rounding, f"{node.name}/r", f"{node.name}/s")
        ends = [self._floats(np.array(end)) for end in (op.out.lo, op.out.hi)]
        self._add("Clip", node.name, f"{node.name}/r", *ends)

    def _signs(self, dense: Node) -> bool:
        """Whether only a Threshold to -1 and 1 reads it."""
        readers = [user for user in self.graph if dense in user.args]
        return (
            self.users[dense] == 1
            and bool(readers)
            and isinstance(readers[0].op, Threshold)
            and (readers[0].op.out.lo, readers[0].op.out.hi, readers[0].op.out.step) == (-1, 1, 2)
        )

    def _sign(self, node: Node, dense: Node) -> None:
        assert isinstance(node.op, Threshold) and isinstance(dense.op, Dense)
        channels = node.type.channels
        at = np.broadcast_to(node.op.thresholds.data[:, 0], channels)
        turn = np.where(np.broadcast_to(node.op.falling.data, channels), -1.0, 1.0)
        weights = dense.op.weights.data * turn[:, None]
        self._gemm(dense, f"{node.name}/sum", weights, (0.5 - at) * turn)
        self._add("Sign", node.name, f"{node.name}/sum")

    def _gemm(
        self, node: Node, name: str, weights: NDArray[Any], bias: NDArray[Any] | None
    ) -> None:
        (x,) = node.args
        elem = x.type.int_elem
        sums = np.abs(weights).sum(axis=1) * max(abs(elem.lo), abs(elem.hi))
        most = float((sums + (0 if bias is None else np.abs(bias))).max(initial=0))
        if most >= EXACT:
            raise Unavailable(f"sums of {node.name} reach {most:.0f}: float32 would round them")
        terms = [self._floats(weights.T), *([] if bias is None else [self._floats(bias)])]
        self._add("Gemm", name, x.name, *terms)

    def _count(
        self, node: Node, at: NDArray[Any], falling: NDArray[Any], lo: int, step: int
    ) -> None:
        (x,) = node.args
        if int(np.abs(at).max(initial=0)) >= EXACT:
            raise Unavailable(f"thresholds of {node.name} are beyond float32")
        self._add("Unsqueeze", f"{node.name}/x", x.name, self._ints([-1]))
        self._add("GreaterOrEqual", f"{node.name}/b", f"{node.name}/x", self._floats(at))
        self._add("Cast", f"{node.name}/f", f"{node.name}/b", to=TensorProto.FLOAT)
        self._add("ReduceSum", f"{node.name}/n", f"{node.name}/f", self._ints([-1]), keepdims=0)
        turn = np.where(falling.astype(bool), -step, step)
        base = np.where(falling.astype(bool), lo + step * at.shape[1], lo)
        self._add("Mul", f"{node.name}/m", f"{node.name}/n", self._floats(turn))
        self._add("Add", node.name, f"{node.name}/m", self._floats(base))

    def _add(self, kind: str, name: str, *inputs: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))

    def _floats(self, data: NDArray[Any]) -> str:
        return self._store(np.asarray(data, np.float32))

    def _ints(self, data: list[int]) -> str:
        return self._store(np.asarray(data, np.int64))

    def _store(self, data: NDArray[Any]) -> str:
        name = f"constant/{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(data, name))
        return name

    def model(self) -> ModelProto:
        inputs = [self._end(node) for node in self.graph if isinstance(node.op, Input)]
        outputs = [self._end(node) for node in self.graph.outputs]
        graph = helper.make_graph(self.nodes, self.graph.name, inputs, outputs, self.stored)
        imports = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=imports, ir_version=IR)

    def _end(self, node: Node) -> Any:
        shape: list[str | int | None] = ["frames", *node.type.shape]
        return helper.make_tensor_value_info(node.name, TensorProto.FLOAT, shape)
