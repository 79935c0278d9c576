"""What keeps another network from running on a core, all of it at once.

Two designs are compared node by node and stage by stage. Only what stands in a memory that can be
reloaded may differ; everything else is in the wires. In the end the text of every module is
compared too: should a difference have slipped through, it is found there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from gatesmith.codegen import top
from gatesmith.codegen.design import Design
from gatesmith.codegen.stream import Stage
from gatesmith.ir import Array, Graph, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold

LOADED = {Dense: {"weights"}, Threshold: {"thresholds", "falling"}}
"""Attributes of a reloadable operator that are in its memory."""


def layers(a: Graph, b: Graph) -> Iterator[str]:
    """Differences of two integer graphs, in words."""
    mine, other = list(a), list(b)
    kinds, found = ([type(node.op).__name__ for node in nodes] for nodes in (mine, other))
    if kinds != found:
        at = next(
            (k for k, (x, y) in enumerate(zip(kinds, found, strict=False)) if x != y),
            min(len(kinds), len(found)),
        )
        here = f"{kinds[at]} {mine[at].name}" if at < len(mine) else "the end"
        there = f"{found[at]} {other[at].name}" if at < len(other) else "the end"
        yield f"it has {len(found)} operators, the core {len(kinds)}; first {there}, not {here}"
        return
    places = {node: k for k, node in enumerate(mine)}
    others = {node: k for k, node in enumerate(other)}
    for x, y in zip(mine, other, strict=True):
        if [places[arg] for arg in x.args] != [others[arg] for arg in y.args]:
            yield f"{y.name} reads something else than {x.name} of the core"
        yield from _node(x, y)


def _node(x: Node, y: Node) -> Iterator[str]:
    """Differences of two operators of one kind."""
    may = LOADED.get(type(x.op), set()) if getattr(x.op, "reloadable", False) else set()
    for field in fields(x.op):
        if field.name in may:
            continue
        mine, other = getattr(x.op, field.name), getattr(y.op, field.name)
        if mine == other:
            continue
        if not isinstance(mine, Array):
            yield f"{y.name}: {field.name} is {other}, of the core {mine}"
        elif isinstance(x.op, Dense):
            yield f"{y.name}: other {field.name}, and the layer is not reloadable"
        else:
            yield f"{y.name}: other {field.name}, which {type(x.op).__name__} has in its wires"
    if x.type != y.type:
        yield f"{y.name} gives {y.type}, of the core {x.type}"


def outside(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Differences of the ports, ``inputs`` and ``outputs`` as in build.json; meanings may differ.

    Only those of outputs: what an input's integers stand for, the host applies before.
    """
    for side, keys in (
        ("inputs", ("shape", "code_shape", "axes", "meaning", "quantizer")),
        ("outputs", ("shape", "axes", "host", "classes")),
    ):
        if len(a[side]) != len(b[side]):
            yield f"it has {len(b[side])} {side}, the core {len(a[side])}"
            continue
        for x, y in zip(a[side], b[side], strict=True):
            for key in keys:
                if x[key] != y[key]:
                    what = f"{side[:-1]} {y['name']}: {key}"
                    yield f"{what} is {y[key]}, of the core {x[key]}"


def texts(a: Design, b: Design) -> Iterator[str]:
    """Modules and memory images that differ, comments aside, of memories not to be reloaded."""
    loaded = {f"{stage.module}_{_what(stage)}.mem" for stage in top.reloaded(a)}
    mine, other = (_files(design) for design in (a, b))
    for name in sorted({*mine, *other} - loaded):
        if mine.get(name) != other.get(name):
            yield f"file {name} of the RTL differs"


def _what(stage: Stage) -> str:
    assert stage.reloadable is not None
    return stage.reloadable.what


def _files(design: Design) -> dict[str, str]:
    """Text of each file without comments: ONNX names stand there."""
    texts = dict(top.files(design.stages)) | {
        f"{design.name}.sv": top.render_top(design, monitored=True)
    }
    return {
        name: "\n".join(line.partition("//")[0].rstrip() for line in text.splitlines())
        for name, text in texts.items()
    }
