"""The quantized network as a file, proven to mean what was quantized."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import Graph
from gatesmith.pipeline import to_integers
from gatesmith.quant.fake_quant import expand
from gatesmith.quant.lower import lower
from gatesmith.quantizing.accuracy import IntegerNetwork
from gatesmith.quantizing.settings import FORMATS


def check_out(out: Path, form: str) -> None:
    """Refuse what could not be written at the end. Errors: ``cli.bad-value``, ``quantize.out``."""
    if form not in FORMATS:
        raise UserError(
            "cli.bad-value",
            f"--format {form!r} is unknown",
            where="gatesmith quantize",
            why=f"there are {' and '.join(FORMATS)}",
            fix=("write --format qonnx, or --format qdq for onnxruntime",),
        )
    why = None
    if out.suffix != ".onnx":
        why = "its name does not end in .onnx"
    elif out.is_dir():
        why = "it is a folder"
    elif not out.absolute().parent.is_dir():
        why = f"there is no folder {out.absolute().parent}"
    elif not os.access(out.absolute().parent, os.W_OK):
        why = f"the folder {out.absolute().parent} is not writable"
    if why is not None:
        raise UserError(
            "quantize.out",
            "the output file cannot be written",
            where=f"-o {out}",
            why=why,
            fix=("name a file OUT.onnx in a folder that is there and writable",),
        )


def written(graph: Graph, out: Path, form: Any, read: Callable[[IntegerNetwork], None]) -> None:
    """Write ``graph`` to ``out``, whole or not at all, after it was read back and compared.

    Args:
        graph: Real, with FakeQuant.
        out: The .onnx file.
        form: ``qonnx`` or ``qdq``.
        read: Gets the integer network of the file, before it has its name.

    Raises:
        AssertionError: The file means something else than the graph: gatesmith has a bug.
    """
    model = to_onnx(graph, form=form).model
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".quantize-") as folder:
        file = Path(folder) / out.name
        onnx.save(model, file)
        imported = import_model(file)
        lowered, integer = to_integers(imported, file)
        same_integers(lower(expand(graph), out.name).graph, lowered.graph)
        read(IntegerNetwork(imported.graph, lowered, integer))
        os.replace(file, out)


def same_integers(ours: Graph, theirs: Graph) -> None:
    """AssertionError unless two integer graphs are the same operators on the same values."""
    a, b = list(ours), list(theirs)
    if len(a) != len(b):  # not assert: python -O must compare as well
        raise AssertionError(f"{len(a)} integer operators became {len(b)} in the file")
    place = {node: index for index, node in enumerate(a)}
    other = {node: index for index, node in enumerate(b)}
    for one, two in zip(a, b, strict=True):
        same = one.op == two.op and one.meaning == two.meaning
        same &= [place[arg] for arg in one.args] == [other[arg] for arg in two.args]
        if not same:
            raise AssertionError(f"{one} became {two} in the file")
