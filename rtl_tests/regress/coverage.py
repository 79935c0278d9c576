"""What the networks of a run covered: operators by options, counted in networks.

A mark is ``ROW/COLUMN``: an operator of the integer graph, or how a layer is built, beside
something that was true where it stood. Columns are in groups: the kind and width of the elements
that come in and go out, how many of them at a time, and what the network is like and was asked to
be. What no network had is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gatesmith.codegen.matrix_units import ROMS, UNITS
from gatesmith.frontend.registry import converters
from gatesmith.ir import BIPOLAR, TERNARY, IntType
from gatesmith.rtl_tests.regress.case import Case

OPERATORS = (
    *(
        "Input",
        "Dense",
        "Depthwise",
        "Window",
        "Threshold",
        "Requantize",
        "Table",
        "Join",
        "Product",
    ),
    *("Gather", "Concat", "Reshape", "MaxPool", "Reduce", "Select", "TopK", "IntSoftmax"),
    *("IntLayerNorm", "Decide", "EarlyExit", "Gate"),
)
"""Of the integer graph."""

BLOCKS = ("Fifo", "Fork", "SkidBuffer", "WidthConverter")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "kind": ("bipolar", "ternary", "unsigned", "signed", "offset"),
    "bits": ("1", "2", "3-4", "5-8", "9+"),
    "lanes": ("one", "some", "all"),
    "frame": ("one beat", "several"),
    "network": ("branches", "several inputs", "several outputs", "exit", "data dependent"),
    "asked": ("cycles", "latency", "budget", "fold", "input lanes", "unroll", "reload", "nothing"),
}
LAYERS = tuple(f"{unit}" for unit in UNITS)
ROM_NAMES = tuple(ROMS)


def columns() -> list[str]:
    """All columns of the table."""
    return [name for names in COLUMNS.values() for name in names]


def rows() -> list[str]:
    """All rows: operators, blocks of streams, units and memories of layers."""
    return [*OPERATORS, *BLOCKS, *(f"unit {u}" for u in LAYERS), *(f"rom {r}" for r in ROM_NAMES)]


def marks(case: Case) -> tuple[str, ...]:
    """Everything that a network covers."""
    found: set[str] = {f"onnx/{name}" for name in case.operators}
    shared = [*_network(case.build), *_asked(case.options)]
    ops = {node.name: type(node.op).__name__ for node in case.graph}
    units = {layer["name"]: layer for layer in case.build["folding"]["layers"]}
    for entry in case.build["inputs"]:
        found |= {f"Input/{column}" for column in (*_stream(entry), *shared)}
    for name in ops.values():
        if name in ("Reshape", "Gate", "EarlyExit", "Decide"):
            found |= {f"{name}/{column}" for column in shared}
    for stage in case.build["stages"]:
        streams = {c for s in (*stage["sources"], *stage["sinks"]) for c in _stream(s)}
        names = [_row(stage["kind"], ops.get(stage["node"], ""))]
        layer = units.get(stage["name"])
        if layer is not None:
            names += [f"unit {layer['unit']}", f"rom {layer['rom']}"]
        found |= {f"{name}/{c}" for name in names if name for c in (*streams, *shared)}
    return tuple(sorted(found))


def _row(kind: str, operator: str) -> str:
    """Row of a stage: its own where it is a block, else the operator it stands for."""
    if kind in BLOCKS:
        return kind
    for name in OPERATORS:
        if kind == name or (name == "Window" and kind.startswith("Window")):
            return name
    return operator


def _network(build: Mapping[str, Any]) -> Iterator[str]:
    if any(stage["kind"] == "Fork" for stage in build["stages"]):
        yield "branches"
    if len(build["inputs"]) > 1:
        yield "several inputs"
    if len(build["outputs"]) > 1:
        yield "several outputs"
    if build["interval_early"] is not None:
        yield "exit"
    if build["data_dependent"]:
        yield "data dependent"


def _asked(options: Mapping[str, Any]) -> Iterator[str]:
    told = {"cycles": "cycles", "latency_us": "latency", "budget": "budget", "fold": "fold"}
    told |= {"input_lanes": "input lanes", "unroll": "unroll", "reloadable": "reload"}
    found = [name for option, name in told.items() if options.get(option)]
    yield from found or ["nothing"]


def _stream(entry: Mapping[str, Any]) -> Iterator[str]:
    elem = IntType(**entry["elem"])
    yield _kind(elem)
    bits = elem.bits
    yield (
        "1"
        if bits == 1
        else "2"
        if bits == 2
        else "3-4"
        if bits < 5
        else "5-8"
        if bits < 9
        else "9+"
    )
    channels, lanes = int(entry["channels"]), int(entry["lanes"])
    yield "all" if lanes >= channels else "one" if lanes == 1 else "some"
    yield "one beat" if entry["beats"] == 1 else "several"


def _kind(elem: IntType) -> str:
    if elem == BIPOLAR:
        return "bipolar"
    if elem == TERNARY:
        return "ternary"
    if elem.step != 1 or elem.lo > 0 or elem.hi < 0:
        return "offset"
    return "signed" if elem.lo < 0 else "unsigned"


def table(found: Iterable[Iterable[str]]) -> dict[str, Any]:
    """Counts of networks by row and column, what is in no network, and ONNX operators."""
    counts = Counter(mark for own in found for mark in own)
    cells = {row: {c: counts[f"{row}/{c}"] for c in columns()} for row in rows()}
    onnx = {name.removeprefix("onnx/"): n for name, n in counts.items() if name.startswith("onnx/")}
    return {
        "columns": {group: list(names) for group, names in COLUMNS.items()},
        "cells": cells,
        "never": {
            "rows": [row for row, own in cells.items() if not any(own.values())],
            "onnx": sorted({name for _, name in converters()} - set(onnx)),
            "cells": sum(not n for own in cells.values() for n in own.values()),
        },
        "onnx": dict(sorted(onnx.items())),
    }
