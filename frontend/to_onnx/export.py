"""The real tensor IR as an ONNX file.

1. Every node is written by the export of its operator (registry.py), arguments first; what depends
on no input becomes an initializer. 2. Tensors are channels first where windows want it, and are
turned only where something else needs it (layout.py). 3. Inputs and outputs take the names that
they had in the original file, everything else the names of the IR. 4. The opset is the lowest that
has all operators, 17 or more. 5. onnx.checker sees the result.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

import gatesmith
from gatesmith.errors import UserError, raise_all
from gatesmith.frontend.registry import QONNX
from gatesmith.frontend.to_onnx.constants import known
from gatesmith.frontend.to_onnx.fusions import fusions
from gatesmith.frontend.to_onnx.grids import storage
from gatesmith.frontend.to_onnx.layout import Order, plain
from gatesmith.frontend.to_onnx.registry import all_exports
from gatesmith.frontend.to_onnx.writer import BATCH, Form, Writer
from gatesmith.ir import Graph, IntType, Node
from gatesmith.ops.const import Const
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.input import Input
from gatesmith.ops.transpose import Transpose

LEAST_OPSET = 17
_IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10}
"""The oldest that goes with an opset, so that other tools read the file."""


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """A file that was written.

    Attributes:
        model: The file; its first axis is open: frames.
        tensors: Name of the tensor with the value of each output and wanted node.
        orders: Order of the axes of that tensor behind the batch axis: axis j of it is axis
            ``order[j]`` of the IR value.
        rounded: Constants that are no float32 numbers, and were rounded.
    """

    model: onnx.ModelProto
    tensors: dict[Node, str]
    orders: dict[Node, Order]
    rounded: tuple[str, ...]


def to_onnx(
    graph: Graph,
    *,
    form: Form,
    wanted: Collection[Node] = (),
    name: str | None = None,
    any_order: bool = False,
) -> Exported:
    """Write a real graph as ONNX, float32.

    Args:
        graph: Of real operators.
        form: ``float`` refuses FakeQuant; ``qonnx`` and ``qdq``: see quantizers.py.
        wanted: Nodes whose values must be tensors of the file too.
        name: Of the file's graph; the graph's own by default.
        any_order: Outputs may have their axes in another order, see ``orders``.

    Raises:
        ValueError: An integer graph, a node that is not in it, or FakeQuant in the form float.
        UserError, UserErrors: ``quantize.qdq-form``, ``quantize.qonnx-form``.
    """
    nodes = list(graph)
    kinds = all_exports()
    if strange := sorted(
        {type(n.op).__name__ for n in nodes if type(n.op) not in (*kinds, Input, Const)}
    ):
        raise ValueError(f"no real operators: {', '.join(strange)}")
    if missing := sorted(node.name for node in set(wanted) - set(nodes)):
        raise ValueError(f"not in the graph: {', '.join(missing)}")
    if form == "float" and any(isinstance(node.op, FakeQuant) for node in nodes):
        raise ValueError("the graph has quantizers: write it as qonnx or qdq")
    opset = LEAST_OPSET
    while True:
        run = _Export(
            graph, nodes, form, wanted=frozenset(wanted), opset=opset, any_order=any_order
        )
        run.write()
        if run.w.needed <= opset:
            return run.finish(name or graph.name)
        opset = run.w.needed


class _Export:
    """One attempt at an opset."""

    def __init__(
        self,
        graph: Graph,
        nodes: list[Node],
        form: Form,
        *,
        wanted: frozenset[Node],
        opset: int,
        any_order: bool,
    ) -> None:
        self.graph, self.nodes, self.wanted = graph, nodes, wanted
        self.any_order = any_order
        kept = wanted | frozenset(graph.outputs)
        self.w = Writer(form, opset, fusions(graph, kept))
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.tensors: dict[Node, str] = {}
        self.orders: dict[Node, Order] = {}

    def write(self) -> None:
        """Every node; all problems are collected."""
        w, kinds = self.w, all_exports()
        errors: list[UserError] = []
        for node in self.nodes:
            if isinstance(node.op, Input):
                self._input(node)
        names = [w.fresh(_outer(node)) for node in self.graph.outputs]
        for node in self.nodes:
            if isinstance(node.op, Input) or node in w.absorbed:
                continue
            if all(arg in w.known for arg in node.args):
                w.known[node] = known(node, tuple(w.known[arg] for arg in node.args))
                continue
            try:
                kinds[type(node.op)](w, node)
            except UserError as error:
                errors.append(error)
                w.infos[""] = (TensorProto.FLOAT, node.type.shape)
                w.put(node, "")
        raise_all(errors)
        self._outputs(names)

    def _input(self, node: Node) -> None:
        elem, name = node.type.elem, self.w.fresh(_outer(node))
        kind = int(TensorProto.FLOAT)
        if isinstance(elem, IntType):
            kind = storage(elem, np.zeros((), np.int64)) or int(TensorProto.INT32)
        self.inputs.append(_info(name, kind, node.type.shape))
        self.w.infos[name] = (kind, node.type.shape)
        self.w.put(node, name, kind=kind)

    def _outputs(self, names: list[str]) -> None:
        """Give the results their names; a tensor that has another name to keep is copied."""
        w = self.w
        renamed: dict[str, str] = {}
        taken = {value.name for value in self.inputs}
        for node, name in zip(self.graph.outputs, names, strict=True):
            if node in w.known:
                data = w.known[node].data[None]
                held = w.store(f"{node.name}_value", np.asarray(data, np.float64))
                w.add(node.name, "Identity", [held], name, node.type.shape)
                self.outputs.append(_info(name, TensorProto.FLOAT, node.type.shape, 1))
                continue
            plain_order = plain(len(node.type.shape))
            found = w.ready(node, w.order(node) if self.any_order else plain_order)
            if found.tensor in taken:
                w.add(node.name, "Identity", [found.tensor], name, found.shape, elem=found.kind)
            else:
                renamed[found.tensor] = name
                taken.add(found.tensor)
            self.outputs.append(_info(name, found.kind, found.shape))
            self.tensors.setdefault(node, name)
            self.orders.setdefault(node, found.order)
        for node in sorted(self.wanted - self.w.known.keys(), key=self.nodes.index):
            found = w.ready(node, w.order(node))
            self.tensors.setdefault(node, renamed.get(found.tensor, found.tensor))
            self.orders.setdefault(node, found.order)
        w.rename(renamed)

    def finish(self, name: str) -> Exported:
        """The model."""
        w = self.w
        done = {value.name for value in (*self.inputs, *self.outputs)}
        infos = [
            _info(tensor, kind, shape)
            for tensor, (kind, shape) in w.infos.items()
            if shape is not None and tensor not in done
        ]
        graph = helper.make_graph(
            w.nodes, name, self.inputs, self.outputs, w.initializers, value_info=infos
        )
        imports = [helper.make_opsetid("", w.opset)]
        if any(node.domain == QONNX for node in w.nodes):
            imports.append(helper.make_opsetid(QONNX, 1))
        model = helper.make_model(
            graph,
            opset_imports=imports,
            producer_name="gatesmith",
            producer_version=gatesmith.__version__,
            ir_version=_IR_VERSIONS[w.opset],
        )
        helper.set_model_props(model, {"gatesmith.form": w.form})
        onnx.checker.check_model(model)
        return Exported(model, self.tensors, self.orders, tuple(w.rounded))


def _outer(node: Node) -> str:
    """Name of an input or output in the original file, where the IR still knows it."""
    found: Node | None = node
    while found is not None:
        if found.tensor is not None:
            return found.tensor
        same = isinstance(found.op, FakeQuant | Transpose)
        found = found.args[0] if same and not isinstance(found.args[0].op, Input) else None
    return node.name


def _info(
    name: str, kind: int, shape: tuple[int, ...], batch: int | str = BATCH
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [batch, *shape])
