"""The registers of a build: what is around its core, and what build.json says of it.

``registers`` of build.json is null without --registers, else

    module      around the core          bank    with the registers         span    bytes
    content     16 hexadecimal digits: what registers hash_high and hash_low say
    map         registers: name, offset, about, and fields: name, lsb, bits, kind, about, value
    inputs, outputs    of each a ``window``: beats that its data window holds, and ``words``: of 32
                bits, that a frame takes in it and in memory; of outputs
                ``classes``: null, or how the register argmax finds the class: index, falls
    streams     wires whose stalls are counted, by number
    buses       AXI4 towards memory, of inputs and then outputs: prefix, reads; none without --dma
    memories    that can be reloaded, by number: stage, node, what, depth, bits, chunks, crc
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

from gatesmith.codegen import top
from gatesmith.codegen.design import Design
from gatesmith.codegen.ip.quote import told
from gatesmith.codegen.registers.around import Around, Classes, around
from gatesmith.codegen.registers.fields import RegisterMap
from gatesmith.ir import Graph, Node
from gatesmith.ops.early_exit import EarlyExit
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.top_k import TopK
from gatesmith.rtl_tests.answers import has_classes

CONTENT_DIGITS = 16
"""Hexadecimal digits of the hash that a core says of its content: 64 bits."""


def registered(design: Design, integer: Graph, build: Mapping[str, Any], rtl: str) -> Around:
    """What is put around a design.

    Args:
        design: The hardware.
        integer: The graph that it computes.
        build: Content of build.json, for the names of tensors.
        rtl: :func:`content_of` the files of the core.
    """
    tensors = {
        entry["prefix"]: told(str(entry["name"])) for entry in (*build["inputs"], *build["outputs"])
    }
    classes = [classes_of(node) for node in integer.outputs]
    dma = bool(build["options"]["dma"])
    return around(design, int(rtl, 16), classes, tensors, dma=dma)


def content_of(rtl: Mapping[str, str]) -> str:
    """Hash of the files of a core, names and texts, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(rtl):
        digest.update(f"{name}\0{rtl[name]}\0".encode())
    return digest.hexdigest()[:CONTENT_DIGITS]


def classes_of(output: Node) -> Classes | None:
    """How the class is read off the integers of an output; None where they do not say it.

    With a scale and an offset for each channel the largest real number is not that of the largest
    integer: such an output has no arg-max in the hardware.
    """
    if not has_classes(output):
        return None
    at = output
    while isinstance(at.op, Reshape):
        (at,) = at.args
    if isinstance(at.op, TopK | EarlyExit):
        return Classes(index=True)
    meaning = output.meaning
    if meaning is None:
        return Classes()
    if len(set(meaning.scale)) > 1 or len(set(meaning.offset)) > 1 or meaning.scale[0] == 0:
        return None
    return Classes(falls=meaning.scale[0] < 0)


def described(design: Design, made: Around, content: str) -> dict[str, Any]:
    """``registers`` of build.json."""
    crcs = [
        zlib.crc32(stage.reloadable.parts().astype("<u4").tobytes())
        for stage in top.reloaded(design)
        if stage.reloadable is not None
    ]
    nodes = {stage.name: stage.node for stage in design}
    return {
        "module": made.name,
        "bank": made.map.name,
        "span": made.map.span,
        "content": content,
        "map": map_json(made.map),
        "inputs": [{"window": end.window, "words": end.words} for end in made.inputs],
        "outputs": [
            {
                "window": end.window,
                "words": end.words,
                "classes": None
                if end.classes is None
                else {"index": end.classes.index, "falls": end.classes.falls},
            }
            for end in made.outputs
        ],
        "streams": list(made.streams),
        "buses": [{"prefix": bus.prefix, "reads": bus.reads} for bus in made.buses],
        "memories": [
            {
                "stage": memory.stage,
                "node": nodes[memory.stage],
                "what": memory.what,
                "depth": memory.depth,
                "bits": memory.bits,
                "chunks": memory.chunks,
                "crc": crc,
            }
            for memory, crc in zip(made.memories, crcs, strict=True)
        ],
    }


def map_json(registers: RegisterMap) -> list[dict[str, Any]]:
    """The map."""
    return [
        {
            "name": register.name,
            "offset": register.offset,
            "about": register.about,
            "fields": [
                {
                    "name": field.name,
                    "lsb": field.lsb,
                    "bits": field.bits,
                    "kind": field.kind.name.lower(),
                    "about": field.about,
                    "value": field.value,
                }
                for field in register.fields
            ],
        }
        for register in registers
    ]
