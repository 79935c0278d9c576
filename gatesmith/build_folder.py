"""A build as a folder: written beside its place and moved there when it is whole.

build.json            every option, version, hash, fold, cycle count and cost
model.onnx            the model as it was given
ir/real.*, integer.*  the graphs (gatesmith/ir/store.py)
rtl/                  SystemVerilog, memory contents, files.f
tb/                   bench that runs without gatesmith
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from gatesmith import __version__
from gatesmith.codegen import top
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.errors import UserError
from gatesmith.frontend.load import one_file
from gatesmith.ir import Affine, Graph, IntType
from gatesmith.ir.store import save
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.input import Input
from gatesmith.pipeline import Compiled
from gatesmith.rtl_tests.testbench import bench_files
from gatesmith.rtl_tests.vectors import write_sample

FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A finished build.

    Attributes:
        folder: Where it is.
        content: What build.json says.
        notes: What the user should know.
    """

    folder: Path
    content: dict[str, Any]
    notes: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """What ``gatesmith build --json`` prints."""
        stages = [
            {
                "name": s["name"],
                "kind": s["kind"],
                "origin": s["origin"],
                "pe": s["pe"],
                "simd": s["simd"],
                "interval": s["interval"],
                "cost": s["cost"],
                "types": f"{s['source']['type']} -> {s['sink']['type']}",
            }
            for s in self.content["stages"]
        ]
        ends = {side: _describe(self.content[side]) for side in ("input", "output")}
        picked = {key: self.content[key] for key in ("name", "top", "interval", "latency", "cost")}
        return {**picked, **ends, "stages": stages, "notes": list(self.notes)}


def prepare(out: Path) -> None:
    """Check that ``out`` can be written, before any work. Errors: ``build.*``."""
    if out.exists() and not out.is_dir():
        raise _cannot_write(out, "it is a file, not a folder")
    if out.is_dir() and any(out.iterdir()) and not _is_build(out):
        raise UserError(
            "build.foreign-folder",
            "the output folder holds other files",
            where=f"-o {out}",
            why="a build replaces its folder, and this one was not made by gatesmith",
            fix=("name a new or empty folder", "remove its content first"),
        )
    ancestor = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    place = ancestor.parent if ancestor == out.absolute() else ancestor
    if not place.is_dir():
        raise _cannot_write(out, f"{place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _cannot_write(out, f"{place} is not writable")


def write(compiled: Compiled, model: Path, out: Path, options: dict[str, Any]) -> Built:
    """Write the build beside ``out``, then put it there. Errors: ``build.cannot-write``."""
    out = out.absolute()
    fresh = out.parent / f".{out.name}.{os.getpid()}.new"
    old = out.parent / f".{out.name}.{os.getpid()}.old"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(fresh, ignore_errors=True)
        content = _fill(compiled, model, fresh, options)
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    except OSError as error:
        if old.exists() and not out.exists():
            old.rename(out)
        raise _cannot_write(out, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return Built(out, content, compiled.notes)


def _is_build(folder: Path) -> bool:
    try:
        return "gatesmith" in json.loads((folder / "build.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False


def _cannot_write(out: Path, why: str) -> UserError:
    return UserError(
        "build.cannot-write",
        "cannot write the build folder",
        where=f"-o {out}",
        why=why,
        fix=("name a folder that you may write, on a disk with room",),
    )


def _fill(compiled: Compiled, model: Path, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """All files, below ``folder``."""
    for name in ("rtl", "tb", "ir"):
        (folder / name).mkdir(parents=True)
    design = compiled.plan
    content = _content(compiled, model, options)
    text = dict(top.files(design.stages))
    model_file = content["model"]
    told = f"{model_file['file']}, sha256 {model_file['sha256']}"
    text[f"{design.name}.sv"] = top.render_top(design.name, design.stages, told)
    sources = sorted(name for name in text if name.endswith(".sv"))
    text["files.f"] = "".join(f"{name}\n" for name in sources)
    for name, body in text.items():
        (folder / "rtl" / name).write_text(body, "utf-8", newline="\n")
    for name, body in bench_files(content).items():
        (folder / "tb" / name).write_text(body, "utf-8", newline="\n")
    write_sample(folder, compiled.integer, content)
    save(compiled.imported.graph, folder / "ir" / "real")
    save(compiled.integer, folder / "ir" / "integer")
    (folder / "model.onnx").write_bytes(one_file(model))
    content["files"] = {
        str(path.relative_to(folder).as_posix()): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    body = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / "build.json").write_text(body, "utf-8", newline="\n")
    return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content(compiled: Compiled, model: Path, options: dict[str, Any]) -> dict[str, Any]:
    """build.json without the hashes of the other files."""
    design, integer = compiled.plan, compiled.integer
    (result,) = integer.outputs
    given = next(node for node in compiled.imported.graph if isinstance(node.op, Input))
    entry = next(node for node in integer if isinstance(node.op, Input))
    cost = design.cost
    return {
        "format": FORMAT,
        "gatesmith": __version__,
        "name": model.stem,
        "top": design.name,
        "model": {"file": model.name, "sha256": _sha256(model)},
        "options": options,
        "input": {
            "name": given.tensor or given.name,
            "node": entry.name,
            "real_node": given.name,
            "shape": list(given.type.shape),
            **_port(design.source),
            "meaning": _affine(_input_meaning(compiled)),
            "host_quantizer": compiled.lowered.host_quantizer,
        },
        "output": {
            "name": result.tensor or result.name,
            "node": result.name,
            "shape": list(compiled.lowered.shapes[0]),
            **_port(design.sink),
            "meaning": _affine(result.meaning),
        },
        "interval": design.interval,
        "latency": design.latency,
        "cost": _cost(cost),
        "stages": [_stage(stage) for stage in design.stages],
        "host": list(compiled.lowered.host[0]),
        "notes": list(compiled.notes),
    }


def _input_meaning(compiled: Compiled) -> Affine | None:
    """What the input's integers stand for, where that is one scale and offset."""
    graph: Graph = compiled.imported.graph
    name = compiled.lowered.host_quantizer
    entry = next(n for n in graph if (n.name == name if name else isinstance(n.op, Input)))
    behind = [n for n in graph if entry in n.args and isinstance(n.op, Dequantize)]
    if entry.meaning is not None or not behind:
        return entry.meaning
    op = behind[0].op
    assert isinstance(op, Dequantize)
    if op.scale.data.size != 1 or op.offset.data.size != 1:
        return None
    scale, offset = (Fraction(float(a.data.reshape(-1)[0])) for a in (op.scale, op.offset))
    return Affine((scale / op.denominator,), (offset / op.denominator,))


def _affine(meaning: Affine | None) -> dict[str, list[str]] | None:
    if meaning is None:
        return None
    return {"scale": list(map(str, meaning.scale)), "offset": list(map(str, meaning.offset))}


def _elem(elem: IntType) -> dict[str, int]:
    return {"lo": elem.lo, "hi": elem.hi, "step": elem.step}


def _stream(stream: Stream) -> dict[str, Any]:
    return {
        "type": str(stream.elem),
        "elem": _elem(stream.elem),
        "bits": stream.elem.bits,
        "lanes": stream.lanes,
        "channels": stream.channels,
        "vectors": stream.vectors,
        "beats": stream.beats,
    }


def _port(stream: Stream) -> dict[str, Any]:
    return {**_stream(stream), "tdata_bits": -(-stream.width // 8) * 8}


def _cost(cost: Any) -> dict[str, int]:
    return {"lut": cost.lut, "ff": cost.ff, "dsp": cost.dsp, "ram_bits": cost.ram_bits}


def _stage(stage: Stage) -> dict[str, Any]:
    kind = type(stage).__name__.removesuffix("Stage")
    return {
        "name": stage.name,
        "module": stage.module,
        "kind": kind,
        "node": stage.node,
        "origin": list(stage.origin),
        "pe": getattr(stage, "pe", None),
        "simd": getattr(stage, "simd", None),
        "interval": stage.interval,
        "cost": _cost(stage.cost()),
        "source": _stream(stage.source),
        "sink": _stream(stage.sink),
    }


def _describe(port: dict[str, Any]) -> str:
    meaning = port["meaning"]
    parts = [
        f"{port['beats']} beats of {port['lanes']} x {port['type']}",
        f"tdata {port['tdata_bits']} bits",
        f"shape {port['shape']}",
    ]
    if meaning is not None:
        scale, offset = meaning["scale"], meaning["offset"]
        one = len(scale) == len(offset) == 1
        parts.append(f"real = {scale[0]} * n + {offset[0]}" if one else "scale per channel")
    return ", ".join(parts)
