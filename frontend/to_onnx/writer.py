"""A file under construction: its nodes, its constants, and where the value of each IR node is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from gatesmith.frontend.to_onnx.constants import Arrange, Known
from gatesmith.frontend.to_onnx.layout import Order, Shape, between, in_order, long_axes, plain
from gatesmith.ir import Node

Form: TypeAlias = Literal["float", "qonnx", "qdq"]
BATCH = "N"


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor of the file that holds the value of an IR node.

    Attributes:
        tensor: Its name.
        order: Of its axes, see layout.py.
        shape: Behind the batch axis, as the file has it.
        kind: ONNX element type.
        view: Whether it is only the start of a Reshape: ``tensor`` has other extents.
    """

    tensor: str
    order: Order
    shape: Shape
    kind: int = TensorProto.FLOAT
    view: bool = False


@dataclass(slots=True, eq=False)
class Writer:
    """State of the export of one graph.

    Attributes:
        form: How quantizers are written.
        opset: Of the standard domain.
        absorbed: Node by the node that is written together with it (fusions.py).
        needed: Opset that something in the graph needs.
        held: Where the value of each node is, once it is written.
        known: Values that depend on no input.
        rounded: Constants that are no float32 numbers.
        nodes, initializers, infos: Of the file.
    """

    form: Form
    opset: int
    absorbed: dict[Node, Node]
    needed: int = 17
    held: dict[Node, Held] = field(default_factory=dict)
    known: dict[Node, Known] = field(default_factory=dict)
    rounded: dict[str, None] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)
    infos: dict[str, tuple[int, Shape | None]] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _labels: set[str] = field(default_factory=set)
    _turned: dict[tuple[Node, Order], Held] = field(default_factory=dict)
    _stored: dict[tuple[Node, Any], str] = field(default_factory=dict)

    # -- names and nodes -------------------------------------------------------------------------

    def fresh(self, text: str) -> str:
        """A name that was not given out before."""
        name, count = text, 1
        while name in self._taken:
            count += 1
            name = f"{text}_{count}"
        self._taken.add(name)
        return name

    def emit(
        self,
        name: str,
        kind: str,
        inputs: Sequence[str],
        shape: Shape | None,
        *,
        elem: int = TensorProto.FLOAT,
        doc: str = "",
        **attributes: Any,
    ) -> str:
        """One node with one result; its name.

        Args:
            name: Wished for the node and its result.
            kind: Operator; ``domain`` among the attributes names another domain.
            inputs: Tensors.
            shape: Of the result, behind the batch axis; None for one without a batch axis.
            elem: Its ONNX element type.
            doc: Remark.
            **attributes: Of the operator.
        """
        result = self.fresh(name)
        self.add(name, kind, inputs, result, shape, elem=elem, doc=doc, **attributes)
        return result

    def add(
        self,
        name: str,
        kind: str,
        inputs: Sequence[str],
        result: str,
        shape: Shape | None,
        *,
        elem: int = TensorProto.FLOAT,
        doc: str = "",
        **attributes: Any,
    ) -> None:
        """One node whose result has a name already; see :meth:`emit`."""
        own, count = name, 1
        while own in self._labels:
            count += 1
            own = f"{name}_{count}"
        self._labels.add(own)
        self.nodes.append(helper.make_node(kind, inputs, [result], own, doc or None, **attributes))
        self.infos[result] = (elem, shape)

    def rename(self, names: Mapping[str, str]) -> None:
        """Other names for tensors, wherever they are read or made."""
        for node in self.nodes:
            for tensors in (node.input, node.output):
                for index, tensor in enumerate(tensors):
                    tensors[index] = names.get(tensor, tensor)
        self.infos = {names.get(name, name): info for name, info in self.infos.items()}

    def store(self, name: str, data: ArrayLike, elem: int | None = None, doc: str = "") -> str:
        """An initializer: float32 from reals, int64 from integers, or of the type stated."""
        array = np.asarray(data)
        if elem is not None:
            array = array.astype(helper.tensor_dtype_to_np_dtype(elem))
        elif array.dtype.kind == "f":
            single = array.astype(np.float32)
            if (single != array).any():
                self.rounded[name] = None
            array = single
        tensor = numpy_helper.from_array(np.array(array, order="C"), self.fresh(name))
        tensor.doc_string = doc
        self.initializers.append(tensor)
        return tensor.name

    def require(self, opset: int) -> None:
        """Something needs this opset."""
        self.needed = max(self.needed, opset)

    # -- values ----------------------------------------------------------------------------------

    def put(
        self, node: Node, tensor: str, order: Order | None = None, kind: int = TensorProto.FLOAT
    ) -> None:
        """Say where the value of a node is; in the IR's order unless told."""
        order = plain(len(node.type.shape)) if order is None else order
        self.held[node] = Held(tensor, order, in_order(node.type.shape, order), kind)

    def order(self, node: Node) -> Order:
        """The order in which a computed value stands in the file."""
        return self.held[node].order

    def common_order(self, node: Node) -> Order:
        """The order for a result of several operands of its rank that turns the fewest of them."""
        rank = len(node.type.shape)
        computed = [arg for arg in node.args if arg not in self.known]
        if any(len(self.order(arg)) != rank for arg in computed):
            raise ValueError(f"{node.name}: operands of different rank; the importer aligns them")
        orders = [self.order(arg) for arg in computed]
        orders = [order for order in orders if order != plain(rank)] + [plain(rank)]
        return min(orders, key=lambda order: sum(not self._has(arg, order) for arg in computed))

    def _has(self, node: Node, order: Order) -> bool:
        """Whether a value is there in an order, but for axes of one element."""
        shape, found = node.type.shape, self.held[node].order
        same = long_axes(shape, found) == long_axes(shape, order)
        return same or (node, order) in self._turned

    def tensor(self, node: Node, order: Order | None = None) -> str:
        """Name of a tensor that holds a computed value in an order; the IR's unless told."""
        return self.ready(node, plain(len(node.type.shape)) if order is None else order).tensor

    def ready(self, node: Node, order: Order) -> Held:
        """A tensor that holds a computed value in an order; made where there is none yet.

        Where only axes of one element move, it is a Reshape, else a Transpose.
        """
        held = self.held[node]
        if not held.view and held.order == order:
            return held
        if (node, order) not in self._turned:
            self._turned[node, order] = self._made(node, held, order)
        return self._turned[node, order]

    def _made(self, node: Node, held: Held, order: Order) -> Held:
        shape = in_order(node.type.shape, order)
        name = node.name if held.view else f"{node.name}_turned"
        if long_axes(node.type.shape, held.order) == long_axes(node.type.shape, order):
            tensor = held.tensor
            if self.infos[tensor][1] != shape:
                to = self.store(f"{name}_shape", [0, *shape])
                tensor = self.emit(name, "Reshape", [tensor, to], shape, elem=held.kind)
            return Held(tensor, order, shape, held.kind)
        start = self.ready(node, held.order)
        perm = between(held.order, order)
        name = f"{node.name}_turned"
        tensor = self.emit(name, "Transpose", [start.tensor], shape, elem=held.kind, perm=perm)
        return Held(tensor, order, shape, held.kind)

    # -- constants -------------------------------------------------------------------------------

    def constant(self, node: Node, key: Any, arrange: Arrange) -> str:
        """Tensor with a constant in some arrangement, its quantizer included.

        Args:
            node: Of a known value.
            key: Names the arrangement: one tensor is made for each.
            arrange: From the axes of the IR to those of the file.
        """
        if (node, key) not in self._stored:
            from gatesmith.frontend.to_onnx.weights import write_known

            self._stored[node, key] = write_known(self, self.known[node].arranged(arrange))
        return self._stored[node, key]

    def operand(self, node: Node, order: Order) -> str:
        """An operand of an element-wise operator whose result has ``len(order)`` axes."""
        if node not in self.known:
            return self.tensor(node, order)
        if order == plain(len(order)) or node.type.size == 1:
            return self.constant(node, None, lambda a: a)
        return self.constant(node, order, lambda a: parameter(a, order))


def parameter(data: NDArray[Any], order: Order) -> NDArray[Any]:
    """A parameter that broadcasts to a value, for the tensor that holds it in that order.

    >>> parameter(np.array([1, 2, 3]), (2, 0, 1)).shape
    (3, 1, 1)
    """
    if data.size == 1:
        return data.reshape(())
    if order == plain(len(order)):
        return data
    return data.reshape((1,) * (len(order) - data.ndim) + data.shape).transpose(order)
