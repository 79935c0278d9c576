"""Inputs of the network as IR nodes."""

from __future__ import annotations

from math import prod

import onnx

from gatesmith.errors import UserError
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.frontend.names import Names
from gatesmith.frontend.values import (
    FLOATS,
    INT_BITS,
    MOST_AXES,
    MOST_ELEMENTS,
    Activation,
    T,
    kind_name,
)
from gatesmith.ir import Array, Elem, IntType, Node, Real, TensorType
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.input import Input
from gatesmith.plain_text import counted

WIDEST = 32


def make_input(
    value: onnx.ValueInfoProto, spec: InputSpec | None, names: Names, file: str
) -> Activation:
    """The input as the rest of the network reads it.

    1. a real input without a spec is a real Input; 2. with one it is an integer Input and the
    Dequantize that the spec states; 3. an integer input keeps its type, or the narrower one of a
    spec, which cannot give it another meaning.
    """
    kind = value.type.tensor_type.elem_type
    full = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    batched = len(full) >= 2
    frame = full[1:] if batched else full
    if len(full) > MOST_AXES or prod(frame) > MOST_ELEMENTS:
        raise UserError(
            "frontend.too-large",
            f"input {value.name!r}: {counted(prod(frame))} elements a frame, on {len(full)} axes",
            where=f"{file}, input {value.name}",
            why=f"at most {MOST_ELEMENTS} elements on {MOST_AXES} axes are taken",
            fix=("check the declared shape", "or cut the input into tiles"),
        )
    origin = (f"Input {value.name}",)
    elem = _elem(value.name, kind, spec, file)
    node = Node(
        names.fresh(value.name),
        Input(TensorType(frame, elem)),
        origin=origin,
        tensor=None if kind in FLOATS and spec else value.name,
    )
    if kind in FLOATS and spec:
        slope, offset, denominator = spec.affine
        op = Dequantize(Array(float(slope)), Array(float(offset)), denominator)
        name = names.fresh(f"{value.name}_dequantize")
        node = Node(name, op, (node,), origin=origin, tensor=value.name)
    return Activation(node, batched, kind)


def _elem(name: str, kind: int, spec: InputSpec | None, file: str) -> Elem:
    """Element type of the Input node."""
    if kind in FLOATS:
        return spec.elem if spec else Real()
    if kind == T.BOOL:
        held = IntType(0, 1)
    elif kind in INT_BITS:
        held = int_type(kind)
    else:
        raise _refuse(name, file, f"its element type is {kind_name(kind)}", "export with FLOAT")
    if spec is None:
        if held.bits > WIDEST:
            why = f"its element type is {kind_name(kind)}, and gatesmith takes up to {WIDEST} bits"
            raise _refuse(name, file, why, "say which codes really arrive: --input u8:1")
        return held
    if spec.scale != 1 or spec.zero != 0:
        why = f"the model reads {kind_name(kind)} codes, which stand for themselves, not {spec}"
        raise _refuse(name, file, why, f"write --input {spec.elem!r}:1, or leave --input out")
    if spec.elem.lo < held.lo or spec.elem.hi > held.hi:
        why = f"{spec.elem!r} does not fit the model's {kind_name(kind)}"
        raise _refuse(name, file, why, "state a type within the model's, or leave --input out")
    return spec.elem


def int_type(kind: int) -> IntType:
    """Range of an ONNX integer type.

    >>> int_type(3)
    i8
    """
    signed, bits = INT_BITS[kind]
    return IntType(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else IntType(0, 2**bits - 1)


def _refuse(name: str, file: str, why: str, fix: str) -> UserError:
    return UserError(
        "frontend.input-type",
        f"input {name!r} cannot be a stream",
        where=f"{file}, input {name}",
        why=why,
        fix=(fix,),
    )
