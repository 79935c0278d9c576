"""What build.json says of a design: its ports, its stages, its numbers.

An input or output (``inputs``, ``outputs``, in the order of the integer graph):

    name            tensor of the model                node    of the integer graph
    shape           frame of the model                 prefix  of the ports: s_axis, s_axis_<name>
    axes            null, or p: the stream carries codes.transpose(p), row-major, where the frame's
                    axes stand in another order on it (channels last) than in the model
    type, elem, bits, lanes, channels, vectors, beats, tdata_bits      the stream
    meaning         what a code stands for: real = scale * code + offset, fractions, one or one for
                    each channel of the last axis; null where there is no such
    inputs: real_node (of the real graph), host_quantizer (node of it whose codes the stream
    carries; null where they were declared), code_shape (that of the codes, before ``axes``)
    outputs: host (operators left to the host)

A stage (``stages``, drivers before readers) lists what drives its inputs (``drivers``: a ``wire``
of another stage, or an input), its ``sources`` and ``sinks``. With ``compare`` the streams out of
it carry the values of ``node``, row-major. A FIFO has its ``depth``.

Where ``data_dependent``, of a stage or of the whole, ``interval`` and ``latency`` are those of
frames that take longest. With an early exit ``interval_early`` is that of frames which all leave
there, and ``gated`` stages see only the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from gatesmith.codegen import top
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.exit_depth import behind_gates, early_interval, has_gates
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.latency import latency
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.window import WindowStage
from gatesmith.ir import Affine, Graph, IntType, Node
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.input import Input
from gatesmith.ops.reshape import Reshape
from gatesmith.quant.lower import InputPort, OutputPort

FORMAT = 2


def describe(
    design: Design,
    integer: Graph,
    real: Graph,
    inputs: Sequence[InputPort],
    outputs: Sequence[OutputPort],
) -> dict[str, Any]:
    """The part of build.json that follows from the design.

    Args:
        design: The hardware.
        integer: The graph that it computes.
        real: What the model means.
        inputs: How the outside meets the inputs of ``integer``.
        outputs: The same of its outputs.
    """
    return {
        "inputs": _inputs(design, real, inputs),
        "outputs": _outputs(design, integer, outputs),
        "interval": design.interval,
        "latency": latency(design),
        "data_dependent": any(stage.data_dependent for stage in design),
        "interval_early": early_interval(design) if has_gates(design) else None,
        "cost": _cost(design.cost),
        "stages": _stages(design, integer),
    }


def in_words(port: Mapping[str, Any]) -> str:
    """One line on an input or output."""
    parts = [
        f"{port['name']}: {port['beats']} beats of {port['lanes']} x {port['type']}",
        f"tdata {port['tdata_bits']} bits",
        f"shape {port['shape']}",
    ]
    if port["axes"] is not None:
        parts.append(f"axes on the stream {port['axes']}")
    meaning = port["meaning"]
    if meaning is not None:
        scale, offset = meaning["scale"], meaning["offset"]
        one = len(scale) == len(offset) == 1
        parts.append(f"real = {scale[0]} * n + {offset[0]}" if one else "scale per channel")
    return ", ".join(parts)


# ---- ports --------------------------------------------------------------------------------------


def _inputs(design: Design, real: Graph, inputs: Sequence[InputPort]) -> list[dict[str, Any]]:
    met = {port.node: port for port in inputs}
    nodes = {node.name: node for node in real}
    prefixes = top.prefixes("s_axis", design.inputs)
    entries = []
    for port, prefix in zip(design.inputs, prefixes, strict=True):
        outside = met[port.node]
        entry = input_entry(outside, nodes, real)
        begin = {key: entry[key] for key in ("name", "node", "real_node")}
        shapes = {key: entry[key] for key in ("shape", "code_shape", "axes")}
        rest = {key: entry[key] for key in ("meaning", "host_quantizer")}
        entries.append({**begin, "prefix": prefix, **shapes, **_port(port), **rest})
    return entries


def input_entry(outside: InputPort, nodes: Mapping[str, Node], real: Graph) -> dict[str, Any]:
    """What data for an input has to be like; ``nodes``: those of ``real`` by name."""
    given = nodes[outside.real_node]
    coded = nodes[outside.host_quantizer or outside.real_node]
    return {
        "name": given.tensor or given.name,
        "node": outside.node,
        "real_node": given.name,
        "shape": list(given.type.shape),
        "code_shape": list(coded.type.shape),
        "axes": None if outside.axes is None else list(outside.axes),
        "meaning": affine_json(input_meaning(real, coded)),
        "host_quantizer": outside.host_quantizer,
    }


def elem_entry(elem: IntType) -> dict[str, int]:
    """An element type."""
    return {"lo": elem.lo, "hi": elem.hi, "step": elem.step}


def _outputs(design: Design, integer: Graph, outputs: Sequence[OutputPort]) -> list[dict[str, Any]]:
    prefixes = top.prefixes("m_axis", design.outputs)
    return [
        {
            "name": node.tensor or node.name,
            "node": node.name,
            "prefix": prefix,
            "shape": list(outside.shape),
            "axes": None if outside.axes is None else list(outside.axes),
            **_port(port),
            "meaning": affine_json(node.meaning),
            "host": list(outside.host),
        }
        for port, node, outside, prefix in zip(
            design.outputs, integer.outputs, outputs, prefixes, strict=True
        )
    ]


def input_meaning(real: Graph, coded: Node) -> Affine | None:
    """What an input's integers stand for, where that is one scale and offset.

    Of a quantizer only where nothing but a Reshape is before it: else the numbers that its codes
    stand for are not those of the input.
    """
    at = coded
    while at.args and (at is coded or isinstance(at.op, Reshape)):
        at = at.args[0]
    if not isinstance(at.op, Input):
        return None
    behind = [n.op for n in real if coded in n.args and isinstance(n.op, Dequantize)]
    if coded.meaning is not None or not behind:
        return coded.meaning
    op = behind[0]
    if op.scale.data.size != 1 or op.offset.data.size != 1:
        return None
    scale, offset = (Fraction(float(a.data.reshape(-1)[0])) for a in (op.scale, op.offset))
    return Affine((scale / op.denominator,), (offset / op.denominator,))


def affine_json(meaning: Affine | None) -> dict[str, list[str]] | None:
    """Exact fractions as texts."""
    if meaning is None:
        return None
    return {"scale": list(map(str, meaning.scale)), "offset": list(map(str, meaning.offset))}


def _port(port: CorePort) -> dict[str, Any]:
    return {**_stream(port.stream), "tdata_bits": top.byte_bits(port.stream.width)}


def _stream(stream: Stream) -> dict[str, Any]:
    elem: IntType = stream.elem
    return {
        "type": str(elem),
        "elem": elem_entry(elem),
        "bits": elem.bits,
        "lanes": stream.lanes,
        "channels": stream.channels,
        "vectors": stream.vectors,
        "beats": stream.beats,
    }


# ---- stages -------------------------------------------------------------------------------------


def _stages(design: Design, integer: Graph) -> list[dict[str, Any]]:
    wires = top.wires(design)
    nodes = {node.name: node for node in integer}
    gated = behind_gates(design)
    moved = _reordered(design) | gated
    return [
        _stage(placed, wires, None if placed.stage.name in moved else nodes.get(placed.stage.node))
        | {"gated": placed.stage.name in gated}
        for placed in design.placed
    ]


def _reordered(design: Design) -> set[str]:
    """Stages whose streams have the values of their node in an order of their own.

    Windows that group channels in another way than the operator, and what only passes them on.
    """
    nodes = {stage.name: stage.node for stage in design}
    moved: set[str] = set()
    for placed in design.placed:
        stage = placed.stage
        own = isinstance(stage, WindowStage) and stage.groups != stage.op.groups
        if own or any(d.name in moved and nodes[d.name] == stage.node for d in placed.drivers):
            moved.add(stage.name)
    return moved


def _stage(placed: Placed, wires: Mapping[Driver, str], node: Node | None) -> dict[str, Any]:
    """One stage; ``node`` is what its streams carry, row-major, or None."""
    stage = placed.stage
    named = [wires[Driver(stage.name, k)] for k in range(len(stage.sinks))]
    found = {
        "name": stage.name,
        "module": stage.module,
        "kind": type(stage).__name__.removesuffix("Stage"),
        "node": stage.node,
        "origin": list(stage.origin),
        "pe": getattr(stage, "pe", None),
        "simd": getattr(stage, "simd", None),
        "weight_bits": stage.weight_bits,
        "interval": stage.interval,
        "data_dependent": stage.data_dependent,
        "cost": _cost(stage.cost()),
        "drivers": [wires[driver] for driver in placed.drivers],
        "sources": [_stream(stream) for stream in stage.sources],
        "sinks": [
            {"wire": wire, **_stream(stream)}
            for wire, stream in zip(named, stage.sinks, strict=True)
        ],
        "compare": node is not None and _carries(placed, node),
    }
    return found | {"depth": stage.depth} if isinstance(stage, FifoStage) else found


def _carries(placed: Placed, node: Node) -> bool:
    """Whether every stream out of a stage has the type and the size of ``node``."""
    return all(
        stream.elem == node.type.elem and stream.channels * stream.vectors == node.type.size
        for stream in placed.stage.sinks
    )


def _cost(cost: Cost) -> dict[str, int]:
    return cost.as_json()
