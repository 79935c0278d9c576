"""Make the image that turns a core into another network of the same structure.

1. The core is compiled again from its build folder.
2. The other model is lowered with the types of the core's layers, and planned with its folds.
3. Whatever differs and is not in a memory that can be reloaded is an error; all of it at once.
4. The words of the memories are written, with a CRC for each.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gatesmith.build_json import affine_json, input_entry
from gatesmith.codegen import top
from gatesmith.codegen.design import Design
from gatesmith.codegen.plan import plan
from gatesmith.codegen.stream import Reloadable
from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.host_side import classes_json, quantizer_json
from gatesmith.ir import Graph, Node
from gatesmith.ir.check import check
from gatesmith.pipeline import Compiled, Progress, quiet, sized, to_integers
from gatesmith.quant.lower import Lowered
from gatesmith.quant.reloadable import Reloads
from gatesmith.quant.with_exit import Exit, with_exit
from gatesmith.rebuilt import compiled_of
from gatesmith.registered import classes_of
from gatesmith.reloading.differences import layers, outside, texts
from gatesmith.reloading.image import image
from gatesmith.rtl_tests.verify import read_build

STEPS = 4


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A finished image.

    Attributes:
        out: The file.
        memories: Of the core, as in build.json, with ``crc`` of the new content and ``changed``.
        size: Bytes of the file.
        graph: What the core computes then, under the names of the core's own graph.
    """

    out: Path
    memories: list[dict[str, Any]]
    size: int
    graph: Graph

    def summary(self) -> dict[str, Any]:
        """What ``gatesmith reload --json`` prints."""
        return {"image": str(self.out), "bytes": self.size, "memories": self.memories}


def reload(folder: Path, model: Path, out: Path, progress: Progress = quiet) -> Reloaded:
    """The image of ``model`` for the core in ``folder``.

    Errors: those of the frontend and of lowering, ``prove.no-build``, ``reload.*``.
    """
    content = read_build(folder)
    if not (content.get("registers") or {}).get("memories"):
        raise UserError(
            "reload.no-memories",
            "nothing of this core can be reloaded",
            where=str(folder),
            why="it was built without --reloadable",
            fix=("gatesmith build MODEL.onnx -o DIR --registers --reloadable all",),
        )
    _check_place(out)
    progress("core", 0, STEPS)
    core = compiled_of(folder)
    progress("model", 1, STEPS)
    other = _other(core, content["options"], model)
    progress("compare", 2, STEPS)
    problems = list(dict.fromkeys(_problems(core, other)))
    if problems:
        raise UserError(
            "reload.differs",
            "this network does not run on this core",
            where=f"{model} on {folder}",
            why=";\n       ".join(problems),
            fix=(
                "train or quantize it with the structure and the fixed constants of the core",
                "build a core for it: gatesmith build",
            ),
        )
    progress("write", 3, STEPS)
    assert other.design is not None, "designs without a difference can be planned alike"
    memories = [m for stage in top.reloaded(other.design) if (m := stage.reloadable) is not None]
    outputs = ends(other.integer, other.real, other.lowered)["outputs"]
    told = {
        "model": {"file": model.name, "sha256": hashlib.sha256(model.read_bytes()).hexdigest()},
        "outputs": [{"meaning": end["meaning"]} for end in outputs],
    }
    data = image(content["registers"]["content"], memories, told)
    _write(out, data)
    progress("done", STEPS, STEPS)
    graph = _named_like(core.integer, other.integer)
    return Reloaded(out, list(_told(content, memories)), len(data), graph)


@dataclass(frozen=True, slots=True, eq=False)
class _Other:
    """The other network, lowered like the core; its design only where the layers are the same."""

    model: Path
    real: Graph
    lowered: Lowered
    integer: Graph
    design: Design | None


def _other(core: Compiled, options: Mapping[str, Any], model: Path) -> _Other:
    """The other model, lowered like the core, and planned like it where that can be."""
    spec = None if options["input"] is None else InputSpec.parse(options["input"])
    imported = import_model(model, spec)
    lowered, integer = to_integers(imported, model, reloads=Reloads(types=core.lowered.reloaded))
    if options["exit"] is not None:
        lowered, integer = with_exit(lowered, integer, Exit.parse(options["exit"]))
        check(integer, "exit")
    design = None
    if not any(layers(core.integer, integer)):
        named = _named_like(core.integer, integer)
        taken = core.folded.choice.taken
        folds = {y: taken[x].fold for x, y in zip(core.integer, named, strict=True) if x in taken}
        lanes, cycles = core.folded.target.input_lanes, core.folded.choice.cycles
        design = sized(plan(named, folds, core.plan.name, cycles, lanes))
    return _Other(model, imported.graph, lowered, integer, design)


def _named_like(core: Graph, other: Graph) -> Graph:
    """The other graph with the names of the core: those of modules and files come from them."""
    made: dict[Node, Node] = {}
    for x, y in zip(core, other, strict=True):
        args = tuple(made[arg] for arg in y.args)
        made[y] = replace(y, name=x.name, origin=x.origin, tensor=x.tensor, args=args)
    return Graph(tuple(made[output] for output in other.outputs), core.name)


def _problems(core: Compiled, other: _Other) -> Iterator[str]:
    """Everything that differs and cannot be reloaded."""
    yield from layers(core.integer, other.integer)
    mine = (core.integer, core.imported.graph, core.lowered)
    yield from outside(ends(*mine), ends(other.integer, other.real, other.lowered))
    if other.design is not None:
        yield from texts(core.plan, other.design)


def ends(integer: Graph, real: Graph, lowered: Lowered) -> dict[str, list[dict[str, Any]]]:
    """Inputs and outputs of a network as the host meets them."""
    nodes = {node.name: node for node in real}
    inputs = [input_entry(outside, nodes, real) for outside in lowered.inputs]
    return {
        "inputs": [entry | {"quantizer": quantizer_json(real, entry)} for entry in inputs],
        "outputs": [
            {
                "name": node.tensor or node.name,
                "shape": list(port.shape),
                "axes": None if port.axes is None else list(port.axes),
                "host": list(port.host),
                "meaning": affine_json(node.meaning),
                "classes": classes_json(classes_of(node)),
            }
            for node, port in zip(integer.outputs, lowered.outputs, strict=True)
        ],
    }


def _told(content: Mapping[str, Any], memories: Sequence[Reloadable]) -> Iterator[dict[str, Any]]:
    """The memories of the core with what is new in them."""
    for entry, memory in zip(content["registers"]["memories"], memories, strict=True):
        crc = zlib.crc32(memory.parts().astype("<u4").tobytes())
        yield entry | {"crc": crc, "changed": crc != entry["crc"]}


def _check_place(out: Path) -> None:
    """Refuse what could not be written, before any work."""
    if out.is_dir():
        raise _cannot_write(out, "it is a folder")
    if not out.absolute().parent.is_dir():
        raise _cannot_write(out, f"there is no folder {out.parent}")


def _write(out: Path, data: bytes) -> None:
    """Whole or not at all."""
    part = out.with_name(f".{out.name}.{os.getpid()}.new")
    try:
        part.write_bytes(data)
        os.replace(part, out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _cannot_write(out, error.strerror or str(error)) from error


def _cannot_write(out: Path, why: str) -> UserError:
    return UserError(
        "reload.cannot-write",
        "cannot write the image",
        where=f"-o {out}",
        why=why,
        fix=("name a file in a folder that you may write",),
    )
