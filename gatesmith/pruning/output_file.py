"""The pruned network as a file, read back and compared before it has its name."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import onnx

from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import Graph
from gatesmith.ir.check import check

FRAMES = 8
"""Random frames that the file is compared on."""

CLOSE = 1e-3
"""Largest relative difference; both run in float32, in another order of sums at most."""


def write_float(graph: Graph, out: Path) -> None:
    """Write a real graph to ``out``, whole or not at all.

    Raises:
        AssertionError: The file computes something else than the graph: gatesmith has a bug.
    """
    check(graph, "prune")
    model = to_onnx(graph, form="float").model
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".prune-") as folder:
        file = Path(folder) / out.name
        onnx.save(model, file)
        _same(graph, import_model(file).graph)
        os.replace(file, out)


def _same(ours: Graph, theirs: Graph) -> None:
    runner, random = GraphRunner(), np.random.default_rng(0)
    inputs = {node.name: node for node in ours if not node.args and node.name in _inputs(theirs)}
    frames = {
        name: random.standard_normal((FRAMES, *node.type.shape)).astype(np.float32)
        for name, node in inputs.items()
    }
    a = runner(ours, ours.outputs, frames)
    b = runner(theirs, theirs.outputs, frames)
    for one, two in zip(ours.outputs, theirs.outputs, strict=True):
        wanted, found = a[one.name], b[two.name]
        most = float(np.abs(wanted).max()) or 1.0
        if not np.abs(wanted - found).max() <= CLOSE * most:
            raise AssertionError(f"{one.name} is another value in the file")


def _inputs(graph: Graph) -> set[str]:
    from gatesmith.ops.input import Input

    return {node.name for node in graph if isinstance(node.op, Input)}
