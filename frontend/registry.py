"""Which ONNX operators the frontend takes, and what it knows of each.

Every file ``frontend/<operator in snake case>.py`` registers its converter here. What is not
registered is refused; so is an attribute that the registration does not name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import onnx

import gatesmith.frontend

if TYPE_CHECKING:
    from gatesmith.frontend.call import Call
    from gatesmith.frontend.values import Value

NOT_CONVERTERS = {
    "arithmetic",
    "call",
    "constants",
    "fold_limits",
    "frames",
    "functions",
    "importer",
    "input_spec",
    "inputs",
    "load",
    "movement",
    "names",
    "normalization",
    "prepare",
    "q_arithmetic",
    "q_operators",
    "quantizers",
    "reductions",
    "registry",
    "several",
    "texts",
    "values",
    "walk",
    "windows",
}
"""Modules of this folder that are no operator."""

NEVER = 10**9

Kind: TypeAlias = Literal["int", "float", "string", "ints", "floats", "strings", "tensor", "sparse"]
Result: TypeAlias = "Value | tuple[Value | None, ...]"
Convert: TypeAlias = "Callable[[Call], Result]"

_A = onnx.AttributeProto
_KINDS: dict[int, str] = {
    _A.INT: "int",
    _A.FLOAT: "float",
    _A.STRING: "string",
    _A.INTS: "ints",
    _A.FLOATS: "floats",
    _A.STRINGS: "strings",
    _A.TENSOR: "tensor",
    _A.SPARSE_TENSOR: "sparse",
    _A.GRAPH: "subgraph",
    _A.GRAPHS: "subgraphs",
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute that a converter reads.

    Attributes:
        name: As in the file.
        kind: Its type.
        default: Value when absent; None when there is no default.
        required: Whether absence is an error.
        since: First opset that has it with this default.
        until: Last opset that has it with this default.
    """

    name: str
    kind: Kind
    default: Any = None
    required: bool = False
    since: int = 1
    until: int = NEVER


@dataclass(frozen=True, slots=True)
class Converter:
    """One registered operator; the fields are the arguments of :func:`converter`."""

    op: str
    convert: Convert
    inputs: tuple[int, int]
    attributes: tuple[Attribute, ...]
    since: int

    def attribute(self, name: str, opset: int) -> Attribute | None:
        """The attribute of this name at this opset."""
        for attribute in self.attributes:
            if attribute.name == name and attribute.since <= opset <= attribute.until:
                return attribute
        return None

    def misfits(self, node: onnx.NodeProto, opset: int) -> Iterator[tuple[str, str]]:
        """(what, why) of everything about ``node`` that this converter does not take.

        1. an operator older than the opset has it; 2. a number of inputs out of bounds; 3. an
        attribute that is unknown at this opset; 4. one of another type; 5. a required one missing.
        """
        if opset < self.since:
            yield f"{self.op} does not exist yet", f"it came with opset {self.since}, not {opset}"
        least, most = self.inputs
        given = len(node.input)
        if not least <= given <= most:
            bounds = str(least) if least == most else f"{least} to {most}"
            yield f"{self.op} has {given} inputs", f"it takes {bounds}"
        present = set()
        for proto in node.attribute:
            present.add(proto.name)
            known = self.attribute(proto.name, opset)
            kind = _KINDS.get(proto.type, f"type {proto.type}")
            if proto.ref_attr_name:
                yield (
                    f"attribute {proto.name!r} refers to {proto.ref_attr_name!r}",
                    "only a node inside a function can take the attributes of that function",
                )
            elif known is None:
                at = f"at opset {opset}" if self.since else "here"
                yield (
                    f"{self.op} has an attribute {proto.name!r} that gatesmith does not know",
                    f"attributes taken {at}: {', '.join(self.names(opset)) or 'none'}",
                )
            elif kind != known.kind:
                yield f"attribute {proto.name!r} has the type {kind}", f"it must be {known.kind}"
        for attribute in self.attributes:
            there = attribute.since <= opset <= attribute.until
            if there and attribute.required and attribute.name not in present:
                yield f"{self.op} has no attribute {attribute.name!r}", "it is required"

    def names(self, opset: int) -> list[str]:
        """Names of the attributes at this opset."""
        return sorted(a.name for a in self.attributes if a.since <= opset <= a.until)


STANDARD = ""
MICROSOFT = "com.microsoft"
QONNX = "qonnx.custom_op.general"
QONNX_ALIASES = (QONNX, "finn.custom_op.general", "onnx.brevitas", STANDARD)
"""Domains in which exporters have put the operators of QONNX; the last is what old ones left."""

_CONVERTERS: dict[tuple[str, str], Converter] = {}


def converter(
    op: str,
    *,
    domain: str = STANDARD,
    inputs: int | tuple[int, int] = 1,
    attributes: tuple[Attribute, ...] = (),
    since: int = 1,
) -> Callable[[Convert], Convert]:
    """Register the decorated function for an operator.

    Args:
        op: ONNX op_type.
        domain: Canonical domain; see ``prepare`` for the others that lead there.
        inputs: How many inputs, or least and most.
        attributes: All that are taken; any other is an error.
        since: First opset that has the operator.
    """

    def register(function: Convert) -> Convert:
        bounds = (inputs, inputs) if isinstance(inputs, int) else inputs
        _CONVERTERS[domain, op] = Converter(op, function, bounds, attributes, since)
        return function

    return register


def stems() -> list[str]:
    """File stem of every converter module."""
    modules = pkgutil.iter_modules(gatesmith.frontend.__path__)
    found = (module.name for module in modules if not module.ispkg)
    return sorted(n for n in found if n not in NOT_CONVERTERS and not n.endswith("_test"))


@cache
def converters() -> dict[tuple[str, str], Converter]:
    """Every converter by (domain, op_type)."""
    for stem in stems():
        importlib.import_module(f"gatesmith.frontend.{stem}")
    return _CONVERTERS
