"""Which operators of the IR can be written to a file, and by whom."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from gatesmith.ir import Node, Op

if TYPE_CHECKING:
    from gatesmith.frontend.to_onnx.writer import Writer

Export: TypeAlias = "Callable[[Writer, Node], None]"

MODULES = ("dequantizers", "elementwise", "movement", "quantizers", "vectors", "windows")
"""Files of this folder that register exports."""

_EXPORTS: dict[type[Op], Export] = {}


def exports(*ops: type[Op]) -> Callable[[Export], Export]:
    """Register the decorated function: it writes a node and tells the writer where its value is."""

    def register(function: Export) -> Export:
        for op in ops:
            assert op not in _EXPORTS, op
            _EXPORTS[op] = function
        return function

    return register


@cache
def all_exports() -> dict[type[Op], Export]:
    """Export of every operator class."""
    for name in MODULES:
        importlib.import_module(f"gatesmith.frontend.to_onnx.{name}")
    return _EXPORTS
