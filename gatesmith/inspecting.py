"""``gatesmith inspect``: the layers of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatesmith.errors import UserError, UserErrors
from gatesmith.figures import operations, parameters
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Graph, IntType, Node
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input
from gatesmith.pipeline import to_integers


def inspect(model: Path, input_spec: str | None = None) -> dict[str, Any]:
    """The integer layers of a model; the real ones, with the problems, when it has none."""
    spec = None if input_spec is None else InputSpec.parse(input_spec)
    imported = import_model(model, spec)
    problems: list[str] = []
    notes = imported.notes
    try:
        lowered, graph = to_integers(imported, model)
        notes += lowered.notes
    except (UserError, UserErrors) as error:
        problems = [str(e) for e in getattr(error, "errors", (error,))]
        graph = imported.graph
    layers = [_layer(node) for node in graph if not isinstance(node.op, Const)]
    return {
        "model": model.name,
        "form": "real" if problems else "integer",
        "inputs": [_end(node) for node in graph if isinstance(node.op, Input)],
        "outputs": [_end(node) for node in graph.outputs],
        "chain": _is_chain(graph),
        "layers": layers,
        "parameters": sum(layer["parameters"] for layer in layers),
        "operations": sum(layer["operations"] for layer in layers),
        "notes": list(notes),
        "problems": problems,
    }


def _end(node: Node) -> str:
    """An input or output in words."""
    return f"{node.tensor or node.name}: {node.type}"


def _is_chain(graph: Graph) -> bool:
    """Whether each layer reads the one before it and nothing else."""
    nodes = [node for node in graph if not isinstance(node.op, Const)]
    before = dict(zip(nodes, [None, *nodes], strict=False))
    return len(graph.outputs) == 1 and all(
        arg is before[node] for node in nodes for arg in node.args if not isinstance(arg.op, Const)
    )


def _layer(node: Node) -> dict[str, Any]:
    elem = node.type.elem
    return {
        "name": node.name,
        "op": type(node.op).__name__,
        "args": [arg.name for arg in node.args if not isinstance(arg.op, Const)],
        "origin": list(node.origin),
        "type": str(node.type),
        "range": [elem.lo, elem.hi] if isinstance(elem, IntType) else None,
        "bits": elem.bits if isinstance(elem, IntType) else None,
        "parameters": parameters(node),
        "operations": operations(node),
        "meaning": None if node.meaning is None else str(node.meaning),
    }
