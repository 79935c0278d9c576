"""One ONNX node while it is being converted: what a converter reads, makes and refuses with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray

from gatesmith.errors import UserError
from gatesmith.frontend.names import Names
from gatesmith.frontend.prepare import label
from gatesmith.frontend.registry import Converter
from gatesmith.frontend.values import (
    FLOATS,
    MOST_AXES,
    MOST_ELEMENTS,
    Activation,
    Constant,
    T,
    Unknown,
    Value,
    kind_name,
)
from gatesmith.ir import Array, Node, Op, Real
from gatesmith.ops.const import Const
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.transpose import Transpose
from gatesmith.plain_text import counted


@dataclass(slots=True)
class Call:
    """The node, its operands, and the graph under construction.

    Attributes:
        node: ONNX node.
        converter: What the registry knows of its operator.
        opset: Of the standard domain.
        file: Path of the model, for messages.
        inputs: Operands in order; None where an optional one is absent.
        used: For each output, whether anything needed reads it.
        names: Hands out names of IR nodes.
        notes: What the user should know; converters add to it.
        made: IR nodes made by this call.
    """

    node: onnx.NodeProto
    converter: Converter
    opset: int
    file: str
    inputs: Sequence[Value | None]
    used: Sequence[bool]
    names: Names
    notes: list[str]
    made: set[Node] = field(default_factory=set)

    # -- what is wrong ----------------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """Name of the node, or its operator and output."""
        return label(self.node)

    @property
    def where(self) -> str:
        """File and node, for messages."""
        return f"{self.file}, node {self.origin}"

    def error(self, code: str, what: str, why: str, *fix: str) -> UserError:
        """Error at this node, to be raised by the caller."""
        return UserError(f"frontend.{code}", what, where=self.where, why=why, fix=fix)

    def note(self, text: str) -> None:
        """Tell the user."""
        self.notes.append(f"{self.origin}: {text}")

    # -- attributes ------------------------------------------------------------------------------

    def _attribute(self, name: str) -> Any:
        for proto in self.node.attribute:
            if proto.name == name:
                return onnx.helper.get_attribute_value(proto)
        known = self.converter.attribute(name, self.opset)
        return None if known is None else known.default

    def knows(self, name: str) -> bool:
        """Whether the operator has this attribute at this opset."""
        return self.converter.attribute(name, self.opset) is not None

    def integer(self, name: str) -> int:
        """Integer attribute, or its default at this opset."""
        return int(self._attribute(name))

    def real(self, name: str) -> float:
        """Float attribute: the float32 in the file, or the default as a float32."""
        return float(np.float32(self._attribute(name)))

    def text(self, name: str) -> str:
        """String attribute."""
        value = self._attribute(name)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Integer list; None when absent and without a default."""
        value = self._attribute(name)
        return None if value is None else tuple(int(v) for v in value)

    def flag(self, name: str) -> bool:
        """Integer attribute that must be 0 or 1."""
        value = self.integer(name)
        if value not in (0, 1):
            why = f"it is a switch, 0 or 1, not {value}"
            raise self.error("attribute", f"attribute {name!r} is {value}", why, f"set {name} to 0")
        return bool(value)

    # -- operands --------------------------------------------------------------------------------

    def has(self, index: int) -> bool:
        """Whether an optional input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Constant | Activation:
        """An operand of either kind."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None:
            what = f"input {index} of {self.node.op_type} is absent"
            why = "the operator needs it"
            raise self.error("missing-input", what, why, "export the model again")
        assert not isinstance(value, Unknown), "the walk skips nodes with unknown operands"
        return value

    def activation(self, index: int, role: str = "the data input") -> Activation:
        """An operand that is computed for every frame."""
        value = self.value(index)
        if isinstance(value, Activation):
            return value
        raise self.error(
            "constant-operand",
            f"{role} of {self.node.op_type}, {value.name!r}, is a constant",
            "it must be a value that the network computes",
            "run the constant part once and store its result as an initializer",
        )

    def real_activation(self, index: int = 0) -> Activation:
        """An activation of reals; integers need a DequantizeLinear or Cast before."""
        return self.must_be_real(self.activation(index))

    def must_be_real(self, x: Activation) -> Activation:
        """The activation itself, if it holds reals."""
        if isinstance(x.node.type.elem, Real):
            return x
        raise self.error(
            "integer-operand",
            f"{self.node.op_type} reads integers, {x.node.name} of type {x.node.type}",
            "gatesmith takes this operator on reals, between a Dequantize and a Quantize",
            "put DequantizeLinear (or Cast to float) before it and QuantizeLinear behind it",
        )

    def constant(
        self, index: int, role: str, *, finite: bool = True, empty: bool = False
    ) -> NDArray[Any]:
        """Data of an operand that must be known at import, and (unless told) finite and there."""
        value = self.value(index)
        if isinstance(value, Activation):
            raise self.error(
                "dynamic-parameter",
                f"{role} of {self.node.op_type} depends on the input of the network",
                "hardware is built for parameters that are known beforehand",
                f"make {self.node.input[index]!r} an initializer or a Constant",
            )
        return self.numbers(value, role, finite=finite, empty=empty)

    def numbers(
        self, value: Constant, role: str, *, finite: bool = True, empty: bool = False
    ) -> NDArray[Any]:
        """Data of a constant that must be numbers, and (unless told) finite and there."""
        if not (empty or value.data.size):
            what = f"{role} of {self.node.op_type}, {value.name!r}, has no elements"
            why = f"its shape is {list(value.data.shape)}"
            raise self.error("shape", what, why, "export the model again")
        if value.data.dtype.kind not in "fiub":
            why = f"its element type is {kind_name(value.kind)}"
            what = f"{role} of {self.node.op_type}, {value.name!r}, is no number"
            raise self.error("element-type", what, why, "export with numbers of a usual type")
        if finite and value.data.dtype.kind == "f":
            self._refuse_non_finite(value, role)
        return value.data

    def _refuse_non_finite(self, value: Constant, role: str) -> None:
        bad = ~np.isfinite(value.data)
        if bad.any():
            first = tuple(map(int, np.argwhere(bad)[0]))
            raise self.error(
                "non-finite",
                f"{role} of {self.node.op_type}, {value.name!r}, has {int(bad.sum())} elements "
                "that are infinite or not a number",
                f"the first is {value.data[first]} at index {list(first)}",
                "look for a diverged training run; load an earlier checkpoint",
            )

    def integers_of(self, index: int, role: str) -> tuple[int, ...]:
        """A constant operand as a flat list of integers."""
        data = self.constant(index, role, empty=True)
        if data.dtype.kind == "f" and (data != np.rint(data)).any():
            what = f"{role} of {self.node.op_type} must be integers"
            raise self.error("element-type", what, f"it is {data.tolist()}", "export with INT64")
        return tuple(int(v) for v in data.reshape(-1))

    def kind(self, index: int) -> int:
        """ONNX element type of an operand."""
        return self.value(index).kind

    # -- results ---------------------------------------------------------------------------------

    def emit(self, op: Op, *args: Node, suffix: str = "", before: tuple[str, ...] = ()) -> Node:
        """Make an IR node; operands that do not fit are the model's fault.

        Args:
            op: Operator.
            *args: Operands.
            suffix: Behind the name of the ONNX node.
            before: ONNX nodes that this one was merged with.
        """
        name = self.names.fresh(label(self.node) + suffix)
        try:
            node = Node(name, op, args, origin=(*before, self.origin))
        except ValueError as error:
            shapes = ", ".join(str(arg.type) for arg in args)
            raise self.error(
                "shape",
                f"the operands of {self.node.op_type} do not fit: {shapes}",
                str(error),
                "check the shapes with onnx.shape_inference.infer_shapes(model, strict_mode=True)",
            ) from error
        self.must_fit(node.type.shape)
        self.made.add(node)
        return node

    def must_fit(self, shape: Sequence[int]) -> None:
        """Refuse a frame of more than MOST_ELEMENTS. Errors: ``frontend.too-large``."""
        if prod(shape) <= MOST_ELEMENTS and len(shape) <= MOST_AXES:
            return
        raise self.error(
            "too-large",
            f"{self.node.op_type} makes {counted(prod(shape))} elements a frame: {list(shape)}",
            f"at most {MOST_ELEMENTS} on {MOST_AXES} axes are taken: a picture of 2048 x 2048",
            "check the extents, pads, repeats and scales here and before this node",
            "or cut the input into tiles",
        )

    def const(self, data: ArrayLike, name: str) -> Node:
        """Constant operand of an IR node; reals are float64."""
        array = np.asarray(data, np.float64)
        named = name if name[:1].isalpha() else f"{self.origin}_{name}"
        node = Node(self.names.fresh(named), Const(Array(array)), origin=(self.origin,))
        self.made.add(node)
        return node

    def reshape(self, node: Node, shape: tuple[int, ...], suffix: str = "_reshape") -> Node:
        """The same elements in another frame shape; nothing when it is the same shape."""
        return node if node.type.shape == shape else self.emit(Reshape(shape), node, suffix=suffix)

    def transpose(self, node: Node, perm: tuple[int, ...], suffix: str = "_transpose") -> Node:
        """Another order of frame axes; nothing when it is the same order."""
        if perm == tuple(range(len(perm))):
            return node
        return self.emit(Transpose(perm), node, suffix=suffix)

    def axis(self, axis: int, rank: int, name: str = "axis") -> int:
        """An axis of the full shape, counted from the front."""
        if not -rank <= axis < rank:
            raise self.error(
                "axis",
                f"attribute {name!r} of {self.node.op_type} is {axis}",
                f"the tensor has {rank} axes",
                f"set {name} to a value from {-rank} to {rank - 1}",
            )
        return axis % rank

    def frame_axis(self, axis: int, x: Activation) -> int:
        """The axis of the frame that ``axis`` of the full shape is; the batch is refused."""
        full = self.axis(axis, len(x.full))
        if x.batched and full == 0:
            raise self.batch_error(f"works along axis {axis}, the batch axis")
        return full - x.batched

    def batch_error(self, does: str) -> UserError:
        """The error of an operator that mixes frames."""
        return self.error(
            "batch-axis",
            f"{self.node.op_type} {does}",
            "frames are computed one by one, so the first axis must stay by itself in front",
            "use another axis, or export the model with the batch in front throughout",
        )

    def float_kind(self, index: int = 0) -> int:
        """Element type of a real result: the operand's, or FLOAT behind integers."""
        kind = self.kind(index)
        return kind if kind in FLOATS else int(T.FLOAT)


def as_float(data: NDArray[Any]) -> NDArray[np.float64]:
    """float64 copy of numbers of any type."""
    return cast(NDArray[np.float64], np.asarray(data, dtype=np.float64))
