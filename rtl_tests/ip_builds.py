"""Small builds whose names try to break out of every file format that ip/ is written in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

import gatesmith
from gatesmith.build_folder import Built
from gatesmith.rtl_tests import branching_networks, qonnx_networks
from gatesmith.rtl_tests.qonnx_builder import Net

HOSTILE = "a\"b'c[exec touch pwned]$x;{ ]]> </td><script>&amp; `c` | *d* -- %s {{ 7 }}\\"
"""Of the model file, of tensors and nodes: quotes, brackets and ends of many languages."""


def small(folder: Path) -> Built:
    """The smallest network with weights in memory images; every name is hostile."""
    net = Net((6,), 3)
    net.quant(3, 0.5).dense(6, 4, 2).quant(2, 1.0).dense(4, 3, 2)
    net.rename = {node.name: f"{HOSTILE}\n{k}\x01" for k, node in enumerate(net.nodes)}
    net.rename |= {"x": f"x{HOSTILE}", net.current: f"y{HOSTILE}\u202e"}
    return _built(net.model(), folder, HOSTILE.replace("/", ""))


def ends(folder: Path) -> Built:
    """Several outputs, channels last on the streams, one bipolar, a Softmax left to the host."""
    return _built(branching_networks.two_ends(True).model, folder, "ends")


def bipolar(folder: Path) -> Built:
    """A bipolar input, several elements a beat, an arg-max."""
    return _built(qonnx_networks.bipolar_input(True).model, folder, "bipolar")


def registers(folder: Path) -> Built:
    """As small, behind registers, with every layer reloadable."""
    return _behind_registers(folder, reloadable="all")


def memory(folder: Path) -> Built:
    """As small, with frames by address."""
    return _behind_registers(folder, dma=True)


def _behind_registers(folder: Path, **options: Any) -> Built:
    net = Net((6,), 3)
    net.quant(3, 0.5).dense(6, 4, 2).quant(2, 1.0).dense(4, 3, 2)
    net.rename = {node.name: f"{HOSTILE}\n{k}\x01" for k, node in enumerate(net.nodes)}
    net.rename |= {"x": f"x{HOSTILE}", net.current: f"y{HOSTILE}\u202e"}
    name = HOSTILE.replace("/", "")
    return _built(net.model(), folder, name, registers=True, **options)


def _built(model: onnx.ModelProto, folder: Path, name: str, **options: Any) -> Built:
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return gatesmith.build(path, folder / "build", cycles=64, **options)
