"""The integer graph as QONNX for hls4ml: every tensor carries our codes, every scale is 1.

    Dense, Window + Dense, Depthwise    MatMul, Conv of integer weights
    Threshold, Requantize               a multiplication and an addition of dyadic constants, then a
                                        Quant of scale 1 that rounds down (or half to even):
                                        clamp(floor((x * mul + add) / 2**shift))
    bipolar results                     the code 0 or 1 of that, times 2, minus 1
    Join, MaxPool, Reshape, Transpose, Concat    Add (multiplied before), and the same operators

A Threshold becomes the multiply-shift that is proven equal on the whole range of its input
(lines.py), so that no scale has to be a fixed-point number: the network that hls4ml gets is the
integer network itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from gatesmith.errors import UserError, raise_all
from gatesmith.frontend.registry import QONNX
from gatesmith.frontend.to_onnx.grids import bits_of
from gatesmith.hls4ml_bridge import lines
from gatesmith.hls4ml_bridge.ranges import ends, met
from gatesmith.ir import BIPOLAR, Array, Graph, Ints, IntType, Node
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.input import Input
from gatesmith.ops.join import Join
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.transpose import Transpose
from gatesmith.ops.window import Window

MOST_SHIFT = 44
LAST = "qonnx.custom_op.channels_last"
STEPS = (Threshold, Requantize, Join)


class NoFormError(Exception):
    """Why a node has no form in hls4ml."""


def ready(graph: Graph, file: str) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The model for hls4ml, and by name of a node of it the node of ours that it computes.

    A bipolar node is there twice: under its own name, and NAME_code is its code, 0 or 1.

    Args:
        graph: Integer.
        file: For messages.

    Errors: ``hls.no-layer``, all of them.
    """
    writer = _Writer(graph)
    errors = []
    for node in graph:
        try:
            writer.write(node)
        except NoFormError as why:
            errors.append(
                UserError(
                    "hls.no-layer",
                    f"hls4ml has no layer for the integer operator {type(node.op).__name__}",
                    where=f"{file}, node {', '.join(node.origin) or node.name}",
                    why=str(why),
                    fix=("build the core itself: gatesmith build",),
                )
            )
    raise_all(errors)
    return writer.model(), writer.ours


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.users = graph, graph.users()
        self.nodes: list[onnx.NodeProto] = []
        self.infos: list[onnx.ValueInfoProto] = []
        self.stored: list[TensorProto] = []
        self.ours: dict[str, str] = {}

    def write(self, node: Node) -> None:
        """One node, its result in the tensor of its name."""
        shape = node.type.shape
        if not isinstance(node.op, Input | Window):
            self.ours[node.name] = node.name
        match node.op:
            case Input():
                return
            case Window():
                self._only_dense(node)
            case Dense(weights=weights, groups=groups):
                before = node.args[0]
                if isinstance(before.op, Window):
                    self._conv(node, before, weights.data, groups)
                elif groups != 1:
                    raise NoFormError("it is grouped, and hls4ml has dense and depthwise products")
                elif len(shape) > 1:  # hls4ml counts the outputs of a MatMul of maps wrongly
                    self._pointwise(node, weights.data)
                else:
                    matrix = self._weights(node, weights.data.T, node.op.weight_type)
                    self._emit(node.name, "MatMul", [self._in(node), matrix], shape)
            case Depthwise():
                self._depthwise(node, node.op)
            case Threshold():
                self._threshold(node, node.op)
            case Requantize() as op:
                self._step(node, self._in(node), op)
            case Join() as op:
                self._join(node, op)
            case MaxPool() as op:
                attributes = self._window(op.kernel, op.strides, op.pads, op.dilations)
                self._emit(node.name, "MaxPool", [self._in(node)], shape, LAST, **attributes)
            case Reduce(kind=kind):
                self._reduce(node, kind)
            case Reshape():
                self._reshape(node)
            case Transpose(perm=perm):
                turned = [0, *(axis + 1 for axis in perm)]
                self._emit(node.name, "Transpose", [self._in(node)], shape, perm=turned)
            case Concat(axis=axis):
                names = [arg.name for arg in node.args]
                if len(names) != 2:
                    raise NoFormError("hls4ml joins two tensors at a time")
                self._emit(node.name, "Concat", names, shape, axis=axis + 1)
            case Const():
                raise NoFormError("a constant that something else than a product reads")
            case _:
                raise NoFormError("there is nothing like it")

    def _in(self, node: Node) -> str:
        return node.args[0].name

    def _only_dense(self, node: Node) -> None:
        readers = [other for other in self.graph if node in other.args]
        if self.users[node] != 1 or not [r for r in readers if isinstance(r.op, Dense)]:
            raise NoFormError("only a convolution may read its windows")

    def _reshape(self, node: Node) -> None:
        size = self._store(f"{node.name}_shape", np.array([1, *node.type.shape]), TensorProto.INT64)
        self._emit(node.name, "Reshape", [self._in(node), size], node.type.shape)

    def _conv(self, node: Node, window: Node, weights: Ints, groups: int) -> None:
        op = window.op
        assert isinstance(op, Window)
        assert isinstance(node.op, Dense)
        if groups != 1:
            raise NoFormError("it is grouped, and hls4ml has dense and depthwise convolutions")
        self._no_fill(op.fill)
        kernel = weights.reshape(len(weights), *op.kernel, -1)
        stored = self._weights(node, kernel, node.op.weight_type)
        attributes = self._window(op.kernel, op.strides, op.pads, op.dilations)
        self._emit(node.name, "Conv", [window.args[0].name, stored], node.type.shape, LAST,
                   group=1, **attributes)  # fmt: skip

    def _pointwise(self, node: Node, weights: Ints) -> None:
        """A product at every position of a map: a convolution of one tap."""
        assert isinstance(node.op, Dense)
        ones = [1] * (len(node.type.shape) - 1)
        kernel = weights.reshape(len(weights), *ones, -1)
        stored = self._weights(node, kernel, node.op.weight_type)
        self._emit(node.name, "Conv", [self._in(node), stored], node.type.shape, LAST, group=1,
                   kernel_shape=ones, strides=ones, pads=[0, 0] * len(ones),
                   dilations=ones)  # fmt: skip

    def _depthwise(self, node: Node, op: Depthwise) -> None:
        self._no_fill(op.fill)
        channels = node.type.channels
        data = np.broadcast_to(op.weights.data, (op.weights.shape[0], channels))
        kernel = data.T.reshape(channels, *op.kernel, 1)
        stored = self._weights(node, kernel, op.weight_type)
        attributes = self._window(op.kernel, op.strides, op.pads, op.dilations)
        self._emit(node.name, "Conv", [self._in(node), stored], node.type.shape, LAST,
                   group=channels, **attributes)  # fmt: skip

    def _no_fill(self, fill: Array) -> None:
        if fill.data.any():
            raise NoFormError("it pads with a code other than 0, and hls4ml pads with 0")

    def _window(
        self,
        kernel: tuple[int, int],
        strides: tuple[int, int],
        pads: tuple[int, int, int, int],
        dilations: tuple[int, int],
    ) -> dict[str, list[int]]:
        if dilations != (1, 1):
            raise NoFormError("hls4ml's templates have no dilation")
        return {
            "kernel_shape": list(kernel),
            "strides": list(strides),
            "pads": list(pads),
            "dilations": list(dilations),
        }

    def _weights(self, node: Node, data: Ints, kind: IntType) -> str:
        stored = self._store(f"{node.name}_weights", data)
        reach = IntType(min(kind.lo, int(data.min())), max(kind.hi, int(data.max()), 0))
        made = f"{node.name}_weights_quant"
        self._quant(made, stored, reach, data.shape, rounding="ROUND", constant=True)
        return made

    def _threshold(self, node: Node, op: Threshold) -> None:
        before, channels = node.args[0], node.args[0].type.channels
        step, levels = before.type.int_elem.step, op.out.code
        lo, hi = met(before)
        rows = np.broadcast_to(op.thresholds.data, (channels, levels.count - 1)).astype(np.int64)
        falling = np.broadcast_to(op.falling.data, (channels,)).astype(bool)
        # it rises in -x: the codes that x has not yet left
        rows = np.where(falling[:, None], step - rows[:, ::-1], rows)
        lo, hi = np.where(falling, -hi, lo), np.where(falling, -lo, hi)
        steps, even = lines.Steps(rows, lo, hi, step), False
        found = lines.search(steps, levels, even=False)
        if found is None:
            even, found = True, lines.search(steps, levels, even=True)
        if found is None:
            raise NoFormError("no multiplication and shift equals its steps on the whole range")
        mul = np.where(falling, -np.array(found[0]), found[0])
        self._step(node, self._in(node), Requantize(Array(mul), Array(found[1]), found[2],
                                                    op.out, even))  # fmt: skip

    def _reduce(self, node: Node, kind: str) -> None:
        """A sum over positions: a product with as many identity matrices, one below the other."""
        positions, channels = node.args[0].type.shape[-2:]
        if kind != "sum" or len(node.args[0].type.shape) != 2:
            raise NoFormError(f"hls4ml has no {kind} over positions")
        flat = f"{node.name}_flat"
        shape = (positions * channels,)
        size = self._store(f"{flat}_shape", np.array([1, *shape]), TensorProto.INT64)
        self._emit(flat, "Reshape", [self._in(node), size], shape)
        ones = np.tile(np.eye(channels, dtype=np.int64), (positions, 1))
        self._emit(node.name, "MatMul", [flat, self._weights(node, ones, IntType(0, 1))],
                   node.type.shape)  # fmt: skip

    def _join(self, node: Node, op: Join) -> None:
        names: list[str] = []
        for arg, mul in zip(node.args, (op.mul_a, op.mul_b), strict=True):
            name = arg.name
            if (mul.data != 1).any():
                name = f"{node.name}_{len(names)}_times"
                self._scale(name, arg.name, (mul, Array([0]), 0), node.type.shape)
            names.append(name)
        plain = op.shift == 0 and not op.add.data.any()
        total = op.total(node.args[0].type.int_elem, node.args[1].type.int_elem)
        if plain and op.out.lo <= total.lo and total.hi <= op.out.hi:
            self._emit(node.name, "Add", names, node.type.shape)
            return
        summed = f"{node.name}_sum"
        self._emit(summed, "Add", names, node.type.shape)
        self._step(node, summed, Requantize(Array([1]), op.add, op.shift, op.out, op.even))

    def _step(self, node: Node, x: str, op: Requantize) -> None:
        """clamp(round((x * mul + add) / 2**shift)), its code."""
        mul, add, shift, out = op.mul, op.add, op.shift, op.out
        if shift > MOST_SHIFT:
            raise NoFormError(f"it shifts by {shift} bits")
        shape = node.type.shape
        bipolar = out == BIPOLAR
        if out.step != 1 and not bipolar:
            raise NoFormError(f"its codes have a step: {out}")
        scaled = x
        if shift or (mul.data != 1).any() or add.data.any():
            # hls4ml takes out a scale of 1 together with the saturation behind it
            scaled = f"{node.name}_scaled"
            self._scale(scaled, x, (mul, add, shift), shape)
        codes = f"{node.name}_code" if bipolar else node.name
        self._clamped(codes, scaled, op, ends(node, op), shape)
        if bipolar:
            self.ours[codes] = node.name
            self._scale(node.name, codes, (Array([2]), Array([-1]), 0), shape)

    def _clamped(
        self, name: str, x: str, op: Requantize, ends: tuple[int, int], shape: Sequence[int]
    ) -> None:
        """Round, then clamp to the codes of ``op``, which a Quant may not have.

        A wider one does where no value leaves them. Else two: one that saturates at the upper end,
        moved to the top of its range, and one that saturates at the lower end, moved to 0.
        """
        out, rounding = op.out.code, "ROUND" if op.even else "FLOOR"
        if bits_of(out, exact=True) is not None or (out.lo <= ends[0] and ends[1] <= out.hi):
            self._quant(name, x, out, shape, rounding=rounding)
            return
        bits = (out.hi - out.lo).bit_length()
        top = (1 << bits) - 1
        up, down = top - out.hi, out.hi - top - out.lo
        if op.even and up % 2:
            raise NoFormError(f"no Quant has exactly the codes {out}")
        whole, one = IntType(0, top), Array([1])
        moved, upper, back = (f"{name}_{part}" for part in ("moved", "upper", "back"))
        self._scale(moved, x, (one, Array([up]), 0), shape)
        self._quant(upper, moved, whole, shape, rounding=rounding)
        self._scale(back, upper, (one, Array([down]), 0), shape)
        if out.lo == 0:
            self._quant(name, back, whole, shape, rounding="FLOOR")
            return
        self._quant(f"{name}_lower", back, whole, shape, rounding="FLOOR")
        self._scale(name, f"{name}_lower", (one, Array([out.lo]), 0), shape)

    def _scale(
        self, name: str, x: str, factors: tuple[Array, Array, int], shape: Sequence[int]
    ) -> None:
        """BatchNormalization with variance 1 and mean 0: x * mul * 2**-shift + add * 2**-shift."""
        (mul, add, shift), channels = factors, shape[-1]
        if max(int(np.abs(a.data).max(initial=0)).bit_length() for a in (mul, add)) > 53:
            raise NoFormError("its constants need more than 53 bits")
        given = [np.broadcast_to(np.ldexp(a.data.astype(float), -shift), (channels,))
                 for a in (mul, add)]  # fmt: skip
        parts = (*given, np.zeros(channels), np.ones(channels))
        names = [self._store(f"{name}_{i}", part) for i, part in enumerate(parts)]
        domain = LAST if len(shape) > 1 else ""
        self._emit(name, "BatchNormalization", [x, *names], shape, domain, epsilon=0.0)

    def _quant(
        self,
        name: str,
        x: str,
        codes: IntType,
        shape: Sequence[int],
        *,
        rounding: str,
        constant: bool = False,
    ) -> None:
        """A Quant of scale 1 with these codes, or more of them."""
        form = bits_of(codes, exact=True) or bits_of(codes, exact=False)
        if form is None:
            raise NoFormError(f"no Quant has the codes {codes}")
        bits, signed, narrow = form
        parts = {"unit": 1.0, "zero": 0.0, "bits": float(bits)}
        given = [self._store(f"{name}_{part}", np.array([value])) for part, value in parts.items()]
        batch = [] if constant else [1]
        self._add(name, "Quant", [x, *given], [*batch, *shape], QONNX, signed=int(signed),
                  narrow=int(narrow), rounding_mode=rounding)  # fmt: skip

    # -- the file --------------------------------------------------------------------------------

    def _emit(
        self,
        name: str,
        kind: str,
        inputs: Sequence[str],
        shape: Sequence[int],
        domain: str = "",
        **attributes: Any,
    ) -> None:
        self._add(name, kind, inputs, [1, *shape], domain, **attributes)

    def _add(
        self,
        name: str,
        kind: str,
        inputs: Sequence[str],
        shape: Sequence[int],
        domain: str,
        **attributes: Any,
    ) -> None:
        made = helper.make_node(kind, list(inputs), [name], name, domain=domain, **attributes)
        self.nodes.append(made)
        self.infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def _store(self, name: str, data: ArrayLike, kind: int = TensorProto.DOUBLE) -> str:
        array: NDArray[Any] = np.asarray(data, helper.tensor_dtype_to_np_dtype(kind))
        self.stored.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        self.infos.append(helper.make_tensor_value_info(name, kind, array.shape))
        return name

    def model(self) -> onnx.ModelProto:
        """The whole file."""
        inputs = [_end(node) for node in self.graph if isinstance(node.op, Input)]
        outputs = [_end(node) for node in self.graph.outputs]
        named = {value.name for value in outputs}
        infos = [info for info in self.infos if info.name not in named]
        graph = helper.make_graph(
            self.nodes, self.graph.name, inputs, outputs, self.stored, value_info=infos
        )
        imports = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
        imports.append(helper.make_opsetid(LAST, 1))
        return helper.make_model(graph, opset_imports=imports, producer_name="gatesmith")


def _end(node: Node) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(node.name, TensorProto.FLOAT, [1, *node.type.shape])
