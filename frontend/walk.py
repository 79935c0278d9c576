"""From a checked ONNX graph to the IR: one visit to every node that an output needs.

A node with a problem is reported and replaced by a placeholder of its shape, so that what stands
behind it is still checked; a node whose operand has no known shape is checked as far as its
attributes go. Nothing is raised before the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from onnx import checker, defs, helper, numpy_helper, shape_inference

from gatesmith.errors import UserError
from gatesmith.frontend.call import Call
from gatesmith.frontend.constants import fold, folds, from_tensor
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.frontend.inputs import int_type, make_input
from gatesmith.frontend.names import Names
from gatesmith.frontend.prepare import Prepared, label
from gatesmith.frontend.registry import QONNX, STANDARD, Converter, converters
from gatesmith.frontend.values import (
    FLOATS,
    INT_BITS,
    Activation,
    Constant,
    T,
    Unknown,
    Value,
    kind_name,
)
from gatesmith.ir import Array, Elem, Node, Real, TensorType
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input

_HINTS = {
    "FloatQuant": "quantize to integers (Quant) instead of minifloats",
    "Hardmax": "use ArgMax: it gives the index of the same element",
    "LpPool": "use AveragePool or MaxPool",
    "LSTM": "unroll it into MatMul, Sigmoid and Tanh, or use a 1-D convolution",
    "GRU": "unroll it into MatMul, Sigmoid and Tanh, or use a 1-D convolution",
}


MOST_SHAPE = 1024
"""Elements of a constant that can be a shape: inference is told the values of no longer ones."""

_NO_SHAPE = (
    defs.SchemaError,
    shape_inference.InferenceError,
    checker.ValidationError,
    ValueError,
    RuntimeError,
)
"""What onnx raises where it cannot tell a shape."""


@dataclass(slots=True)
class Walk:
    """State of the walk.

    Attributes:
        prepared: The checked model.
        file: Its path, for messages.
        spec: What arrives on real inputs.
        values: Every tensor met so far.
        errors: Every problem met so far.
        notes: What the user should know.
        kept: Indices of the nodes that an output needs.
        unread: Shape and element type of results that nothing needs, like Values of TopK.
    """

    prepared: Prepared
    file: str
    spec: InputSpec | None
    values: dict[str, Value] = field(default_factory=dict)
    errors: list[UserError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    unread: dict[str, tuple[tuple[int, ...], int]] = field(default_factory=dict)
    _names: Names = field(default_factory=Names)
    _unsupported: dict[tuple[str, str], list[onnx.NodeProto]] = field(default_factory=dict)

    def run(self) -> tuple[Node, ...]:
        """Convert; the outputs are only good when there are no errors."""
        graph = self.prepared.model.graph
        self.kept, needed = _needed(graph)
        self._note_dead(graph)
        initializers = {i.name: i for i in graph.initializer}
        for value in graph.input:
            if value.name in initializers:
                continue
            if value.name in needed:
                self._input(value)
            else:
                self.notes.append(f"input {value.name!r} is not needed and was left out")
        for name in sorted(needed & initializers.keys()):
            self._initializer(initializers[name])
        for index in self.kept:
            self._node(index, graph.node[index], needed)
        self.errors[:0] = [self._unsupported_error(*item) for item in self._unsupported.items()]
        return tuple(self._outputs(graph))

    # -- leaves ----------------------------------------------------------------------------------

    def _note_dead(self, graph: onnx.GraphProto) -> None:
        kept = set(self.kept)
        dead = [label(node) for i, node in enumerate(graph.node) if i not in kept]
        if dead:
            more = f" and {len(dead) - 8} more" if len(dead) > 8 else ""
            self.notes.append(f"no output needs these nodes: {', '.join(dead[:8])}{more}")

    def _input(self, value: onnx.ValueInfoProto) -> None:
        try:
            made = make_input(value, self.spec, self._names, self.file)
        except UserError as error:
            self.errors.append(error)
            self.values[value.name] = Unknown()
            return
        self.values[value.name] = made
        if self.spec and made.kind in FLOATS:
            self.notes.append(f"input {value.name!r} arrives as {self.spec}")
        stated = _annotation(self.prepared.model.graph, value.name)
        if stated and not self.spec and made.kind in FLOATS:
            self.notes.append(
                f"the file says that input {value.name!r} holds {stated} numbers; "
                f"--input {'i' if stated[0] == 'I' else 'u'}{stated.lstrip('UINT')}:1 streams them"
            )

    def _initializer(self, tensor: onnx.TensorProto) -> None:
        try:
            self.values[tensor.name] = from_tensor(tensor, tensor.name)
        except (ValueError, TypeError, KeyError) as error:
            self.values[tensor.name] = Unknown()
            self.errors.append(
                UserError(
                    "frontend.corrupt-tensor",
                    f"tensor {tensor.name!r} cannot be read",
                    where=self.file,
                    why=str(error),
                    fix=("export the model again: the data does not fill the stated shape",),
                )
            )

    # -- nodes -----------------------------------------------------------------------------------

    def _node(self, index: int, node: onnx.NodeProto, needed: set[str]) -> None:
        inputs = [self.values[name] if name else None for name in node.input]
        try:
            results = self._convert(index, node, inputs, needed)
        except UserError as error:
            self.errors.append(error)
            results = None
        if results is None:
            results = self._placeholders(node, inputs)
        elif any(name not in results for name in node.output if name):
            shapes = _inferred(node, inputs, self.prepared)
            self.unread |= {name: shapes[name] for name in shapes if name not in results}
        for name in node.output:
            if name:
                self.values[name] = results.get(name, Unknown())

    def _convert(
        self, index: int, node: onnx.NodeProto, inputs: list[Value | None], needed: set[str]
    ) -> dict[str, Value] | None:
        """Results by name; None when the node is reported already or cannot be converted."""
        constants = [c for c in inputs if c is None or isinstance(c, Constant)]
        found = converters().get((node.domain, node.op_type))
        broken = index in self.prepared.broken
        if len(constants) == len(inputs) and folds(node) and not broken:
            shapes = _inferred(node, inputs, self.prepared)
            results = fold(node, constants, self.prepared.opset, self.file, shapes)
            return {constant.name: constant for constant in results}
        if found is None:
            self._unsupported.setdefault((node.domain, node.op_type), []).append(node)
            return None
        if self._misfits(index, node, found) or any(isinstance(v, Unknown) for v in inputs):
            return None
        call = Call(
            node=node,
            converter=found,
            opset=self.prepared.opset,
            file=self.file,
            inputs=inputs,
            used=[name in needed for name in node.output],
            names=self._names,
            notes=self.notes,
        )
        result = found.convert(call)
        several = result if isinstance(result, tuple) else (result,)
        pairs = zip(node.output, several, strict=False)
        return {name: _bound(call, name, value) for name, value in pairs if value is not None}

    def _misfits(self, index: int, node: onnx.NodeProto, found: Converter) -> bool:
        """Report what the registry or, failing that, onnx.checker has against a node."""
        misfits = list(found.misfits(node, self.prepared.opset))
        if not misfits and index in self.prepared.broken:
            misfits = [("onnx.checker refuses the node", self.prepared.broken[index])]
        for what, why in misfits:
            self.errors.append(
                UserError(
                    "frontend.attribute" if "attribute" in what else "frontend.invalid-node",
                    what,
                    where=f"{self.file}, node {label(node)}",
                    why=why,
                    fix=(
                        "export the model again, for another opset",
                        "or remove what is named here, if the network means the same without it",
                    ),
                )
            )
        return bool(misfits)

    def _unsupported_error(self, key: tuple[str, str], nodes: list[onnx.NodeProto]) -> UserError:
        domain, op = key
        taken = len({name for _, name in converters()})
        full = f"{domain}.{op}" if domain else op
        functions = {(f.domain, f.name) for f in self.prepared.model.functions}
        fix = [_HINTS[op]] if op in _HINTS else []
        if key in functions:
            fix.append("inline functions first: onnx.inliner.inline_local_functions(model)")
        fix.append("express it with operators that are taken, or keep that part in software")
        plural = "s" if len(nodes) > 1 else ""
        return UserError(
            "frontend.unsupported-op",
            f"operator {full} is not supported",
            where=f"{self.file}, node{plural} {', '.join(label(node) for node in nodes)}",
            why=f"it is none of the {taken} operators taken (docs/onnx-node-tests.md lists them)",
            fix=tuple(fix),
        )

    # -- placeholders ----------------------------------------------------------------------------

    def _placeholders(self, node: onnx.NodeProto, inputs: list[Value | None]) -> dict[str, Value]:
        """Stand-ins behind a problem, where the shape is known."""
        batched = any(isinstance(v, Activation) and v.batched for v in inputs)
        first = inputs[0] if inputs else None
        if node.domain == QONNX and isinstance(first, Activation):
            return {node.output[0]: self._stand_in(node, first.full, T.FLOAT, batched)}
        if node.domain != STANDARD or any(isinstance(v, Unknown) for v in inputs):
            return {}
        inferred = _inferred(node, inputs, self.prepared)
        return {
            name: self._stand_in(node, full, kind, batched)
            for name, (full, kind) in inferred.items()
        }

    def _stand_in(
        self, node: onnx.NodeProto, full: tuple[int, ...], kind: int, batched: bool
    ) -> Activation:
        leading = batched and len(full) > 0 and full[0] == 1
        elem: Elem = int_type(kind) if kind in INT_BITS else Real()
        op = Input(TensorType(full[1:] if leading else full, elem))
        return Activation(Node(self._names.fresh(label(node)), op), leading, kind)

    # -- results ---------------------------------------------------------------------------------

    def _outputs(self, graph: onnx.GraphProto) -> Iterator[Node]:
        for output in graph.output:
            value = self.values[output.name]
            if isinstance(value, Activation):
                yield value.node
            elif isinstance(value, Constant):
                data = value.data
                if data.dtype.kind not in "fiub":
                    self.errors.append(self._bad_output(output.name, value.kind))
                    continue
                op = Const(Array(data[0] if data.ndim > 1 and data.shape[0] == 1 else data))
                origin = (f"Output {output.name}",)
                name = self._names.fresh(output.name)
                yield Node(name, op, origin=origin, tensor=output.name)
                self.notes.append(f"output {output.name!r} is constant")

    def _bad_output(self, name: str, kind: int) -> UserError:
        return UserError(
            "frontend.element-type",
            f"output {name!r} is no number",
            where=f"{self.file}, output {name}",
            why=f"its element type is {kind_name(kind)}",
            fix=("remove this output from the model",),
        )


def _annotation(graph: onnx.GraphProto, name: str) -> str | None:
    """Integer type that FINN or QONNX wrote beside a tensor, such as UINT8."""
    for annotation in graph.quantization_annotation:
        if annotation.tensor_name == name:
            for entry in annotation.quant_parameter_tensor_names:
                if entry.key == "finn_datatype" and re.fullmatch(r"U?INT\d+", entry.value):
                    return str(entry.value)
    return None


def _needed(graph: onnx.GraphProto) -> tuple[list[int], set[str]]:
    """Indices of the nodes that the outputs depend on, in order, and the tensors they read."""
    needed = {output.name for output in graph.output}
    wanted = []
    for index in range(len(graph.node) - 1, -1, -1):
        node = graph.node[index]
        if any(name in needed for name in node.output if name):
            wanted.append(index)
            needed.update(name for name in node.input if name)
    return wanted[::-1], needed


def _bound(call: Call, name: str, value: Value) -> Value:
    """A result that knows which ONNX tensor it is, unless the node is older than the call."""
    if isinstance(value, Constant):
        return replace(value, name=name)
    if isinstance(value, Activation) and value.node in call.made and value.node.tensor is None:
        return replace(value, node=replace(value.node, tensor=name))
    return value


def _inferred(
    node: onnx.NodeProto, inputs: list[Value | None], prepared: Prepared
) -> dict[str, tuple[tuple[int, ...], int]]:
    """Shapes and element types of the outputs, as far as onnx can tell."""
    types, data = {}, {}
    for name, value in zip(node.input, inputs, strict=True):
        if isinstance(value, Constant | Activation):
            types[name] = helper.make_tensor_type_proto(value.kind, value.full)
        if isinstance(value, Constant) and value.data.size <= MOST_SHAPE:
            if value.data.dtype == np.int64:
                data[name] = numpy_helper.from_array(value.data, name)
            elif value.kind == T.FLOAT:  # scales of Resize
                data[name] = numpy_helper.from_array(value.data.astype(np.float32), name)
    try:
        schema = defs.get_schema(node.op_type, prepared.opset, node.domain)
        known = [a for a in node.attribute if a.name in schema.attributes]
        plain = helper.make_node(node.op_type, node.input, node.output)
        plain.attribute.extend(known)
        found = shape_inference.infer_node_outputs(
            schema,
            plain,
            types,
            data,
            opset_imports=[helper.make_opsetid(STANDARD, prepared.opset)],
            ir_version=prepared.model.ir_version,
        )
    except _NO_SHAPE:
        return {}
    results = {}
    for name, proto in found.items():
        dims = [dim.dim_value for dim in proto.tensor_type.shape.dim]
        if proto.tensor_type.HasField("shape") and min(dims, default=1) > 0:
            results[name] = (tuple(dims), proto.tensor_type.elem_type)
    return results
