"""Ports of a module, as slang elaborates it."""

from __future__ import annotations

from pathlib import Path

import pyslang


def ports_of(folder: Path, top: str) -> dict[str, tuple[bool, int]]:
    """Whether it is an output, and bits, by name; ``folder`` has the .sv files of ``top``."""
    compilation = pyslang.ast.Compilation()
    for source in sorted(folder.glob("*.sv")):
        compilation.addSyntaxTree(pyslang.syntax.SyntaxTree.fromFile(str(source)))
    (instance,) = (i for i in compilation.getRoot().topInstances if i.name == top)
    return {
        port.name: (port.direction == pyslang.ast.ArgumentDirection.Out, port.type.bitWidth)
        for port in instance.body.portList
    }
