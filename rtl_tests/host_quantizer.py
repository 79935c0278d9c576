"""The model's own way from its real inputs to the codes that the streams carry, exact.

An input of build.json with ``host_quantizer`` takes the codes of that node of the real graph;
what leads there in the model is the host's to compute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.ir import Graph, Ints, Node, Reals
from gatesmith.ir.execute import execute
from gatesmith.ir.store import load
from gatesmith.ops.input import Input
from gatesmith.rtl_tests.dataset import HostQuantizer


def host_quantizers(real: Path, entries: Sequence[Mapping[str, Any]]) -> list[HostQuantizer | None]:
    """For each input of build.json its quantizer; None where the codes were declared.

    Args:
        real: The real graph's files (gatesmith/ir/store.py).
        entries: ``inputs`` of build.json.

    Errors: ``ir.unreadable``.
    """
    names = [entry["host_quantizer"] for entry in entries]
    if not any(names):
        return [None] * len(names)
    nodes = {node.name: node for node in load(real)}
    return [None if name is None else quantizer(nodes[name]) for name in names]


def quantizer(node: Node) -> HostQuantizer:
    """Real frames of the Input that ``node`` depends on, to the codes of ``node``."""
    part = Graph((node,))
    (given,) = (entry for entry in part if isinstance(entry.op, Input))

    def quantize(x: Reals) -> Ints:
        return np.asarray(execute(part, {given.name: x})[node], np.int64)

    return quantize
