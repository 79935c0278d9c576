"""Lossless file form of a graph: ``STEM.json`` for the structure, ``STEM.npz`` for the arrays.

Loading gives a graph with the same text form and the same content of every constant; equal graphs
give byte-identical files.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.errors import UserError
from gatesmith.ir.array import Array
from gatesmith.ir.graph import Graph, Node
from gatesmith.ir.npz import save_arrays
from gatesmith.ir.types import Affine, IntType, Real, TensorType

FORMAT = 1


def save(graph: Graph, stem: Path) -> None:
    """Write both files; the folder must exist."""
    arrays: dict[str, Array] = {}
    index: dict[Node, int] = {}
    nodes = []
    for node in graph:
        index[node] = len(index)
        nodes.append(
            {
                "name": node.name,
                "op": type(node.op).__name__,
                "attributes": {
                    f.name: _pack(getattr(node.op, f.name), arrays) for f in fields(node.op)
                },
                "args": [index[arg] for arg in node.args],
                "origin": list(node.origin),
                "tensor": node.tensor,
                "meaning": _pack(node.meaning, arrays),
            }
        )
    outputs = [index[output] for output in graph.outputs]
    content = {"format": FORMAT, "name": graph.name, "outputs": outputs, "nodes": nodes}
    stem.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    save_arrays(stem.with_suffix(".npz"), {key: array.data for key, array in arrays.items()})


def load(stem: Path) -> Graph:
    """Read what :func:`save` wrote. Errors: ``ir.unreadable``."""
    from gatesmith.ops.registry import classes  # the operators are built on this package

    try:
        content = json.loads(stem.with_suffix(".json").read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, not {FORMAT}")
        nodes: list[Node] = []
        with np.load(stem.with_suffix(".npz"), allow_pickle=False) as arrays:
            for entry in content["nodes"]:
                packed = entry["attributes"].items()
                attributes = {key: _unpack(value, arrays) for key, value in packed}
                nodes.append(
                    Node(
                        name=entry["name"],
                        op=classes()[entry["op"]](**attributes),
                        args=tuple(nodes[i] for i in entry["args"]),
                        origin=tuple(entry["origin"]),
                        tensor=entry["tensor"],
                        meaning=_unpack(entry["meaning"], arrays),
                    )
                )
        return Graph(tuple(nodes[i] for i in content["outputs"]), content["name"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(
            "ir.unreadable",
            "cannot read a stored graph",
            where=f"{stem}.json and .npz",
            why=f"{type(error).__name__}: {error}",
            fix=("run gatesmith build again: the folder is damaged or of another version",),
        ) from error


def _pack(value: Any, arrays: dict[str, Array]) -> Any:
    """JSON form of an attribute; arrays go to the side."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return {"float": value.hex()}
        case Fraction():
            return {"fraction": str(value)}
        case Array():
            key = next((k for k, a in arrays.items() if a == value), f"a{len(arrays)}")
            arrays[key] = value
            return {"array": key}
        case IntType(lo=lo, hi=hi, step=step):
            return {"int": [lo, hi, step]}
        case Real():
            return {"real": True}
        case TensorType(shape=shape, elem=elem):
            return {"tensor": [list(shape), _pack(elem, arrays)]}
        case Affine(scale=scale, offset=offset):
            return {"affine": [[str(s) for s in scale], [str(o) for o in offset]]}
        case tuple():
            return {"tuple": [_pack(item, arrays) for item in value]}
        case _:
            raise TypeError(f"no file form for {value!r}: add one in gatesmith/ir/store.py")


def _unpack(value: Any, arrays: Any) -> Any:
    """Inverse of :func:`_pack`."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "float":
            return float.fromhex(content)
        case "fraction":
            return Fraction(content)
        case "array":
            return Array(arrays[content])
        case "int":
            return IntType(*content)
        case "real":
            return Real()
        case "tensor":
            return TensorType(tuple(content[0]), _unpack(content[1], arrays))
        case "affine":
            scale, offset = content
            return Affine(tuple(map(Fraction, scale)), tuple(map(Fraction, offset)))
        case "tuple":
            return tuple(_unpack(item, arrays) for item in content)
        case _:
            raise ValueError(f"unknown kind of value {kind!r}")
