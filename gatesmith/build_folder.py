"""A build as a folder: written beside its place and moved there when it is whole.

build.json            every option, version, hash, fold, cycle count and cost
model.onnx            the model as it was given
ir/real.*, integer.*  the graphs (gatesmith/ir/store.py)
rtl/                  SystemVerilog, memory contents, files.f
hls/                  the same design in HLS C++, its test bench, scripts for the tools
tb/                   bench that runs without gatesmith
vectors/              frames for it
ip/, TOP.core         the core for other tools: IP-XACT, FuseSoC, Tcl, data sheet, drivers
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatesmith import __version__
from gatesmith.build_json import FORMAT, describe, in_words
from gatesmith.codegen import top
from gatesmith.codegen.hls.project import hls_files
from gatesmith.codegen.ip.project import ip_files
from gatesmith.drivers import driver_files
from gatesmith.errors import UserError
from gatesmith.frontend.load import one_file
from gatesmith.ir.store import save
from gatesmith.pipeline import Compiled
from gatesmith.registered import content_of, described, registered
from gatesmith.rtl_tests.sample import write_sample
from gatesmith.rtl_tests.testbench import bench_files
from gatesmith.templates.tb.shards import patience
from gatesmith.whole_folder import whole_folder

_PICKED = ("name", "top", "interval", "latency", "data_dependent", "cost")


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
                "depth": s.get("depth"),
                "drivers": s["drivers"],
                "types": _types(s),
            }
            for s in self.content["stages"]
        ]
        ends = {side: list(map(in_words, self.content[side])) for side in ("inputs", "outputs")}
        picked = {key: self.content[key] for key in _PICKED}
        folding = self.content["folding"]
        return {**picked, **ends, "stages": stages, "folding": folding, "notes": list(self.notes)}


def prepare(out: Path) -> None:
    """Check that ``out`` can be written, before any work. Errors: ``build.*``."""
    try:
        place = out.resolve(strict=False)
    except (OSError, RuntimeError) as error:  # Python 3.13 no longer raises RuntimeError
        raise _cannot_write(out, "its links lead in a circle") from error
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
    ancestor = next(p for p in (place, *place.parents) if p.exists())
    place = ancestor.parent if ancestor == place else ancestor
    if not place.is_dir():
        raise _cannot_write(out, f"{place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _cannot_write(out, f"{place} is not writable")


def write(
    compiled: Compiled,
    model: Path,
    out: Path,
    options: dict[str, Any],
    folding: dict[str, Any],
) -> Built:
    """Write the build beside ``out``, then put it there. Errors: ``build.cannot-write``."""
    try:
        with whole_folder(out) as fresh:
            content = _fill(compiled, model, fresh, options, folding)
    except OSError as error:
        raise _cannot_write(out, error.strerror or str(error)) from error
    return Built(out.absolute(), content, compiled.notes)


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


def _fill(
    compiled: Compiled,
    model: Path,
    folder: Path,
    options: dict[str, Any],
    folding: dict[str, Any],
) -> dict[str, Any]:
    """All files, below ``folder``."""
    for name in ("rtl", "tb", "ir"):
        (folder / name).mkdir(parents=True)
    design = compiled.plan
    content = _content(compiled, model, options) | {"folding": folding}
    text = dict(top.files(design.stages))
    model_file = content["model"]
    told = f"{model_file['file']}, sha256 {model_file['sha256']}"
    with_registers = bool(content["options"]["registers"])
    text[f"{design.name}.sv"] = top.render_top(design, told, monitored=with_registers)
    content["registers"], made = None, None
    if with_registers:
        digits = content_of(text)
        made = registered(design, compiled.integer, content, digits)
        content["registers"] = described(design, made, digits)
        text |= {name: body for name, body in made.files().items() if name not in text}
    sources = sorted(name for name in text if name.endswith(".sv"))
    text["files.f"] = "".join(f"{name}\n" for name in sources)
    for name, body in text.items():
        (folder / "rtl" / name).write_text(body, "utf-8", newline="\n")
    for name, body in hls_files(design, told).items():
        path = folder / "hls" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, "utf-8", newline="\n")
    for name, body in bench_files(content).items():
        (folder / "tb" / name).write_text(body, "utf-8", newline="\n")
    write_sample(folder, compiled.integer, content)
    beats = {path.name: path.read_bytes() for path in (folder / "vectors").glob("*.bin")}
    real = compiled.imported.graph
    around_core = ip_files(content, real, text, beats, patience(content))
    if made is not None:
        around_core |= driver_files(content, made.map, real)
    for name, body in around_core.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, "utf-8", newline="\n")
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
    lowered = compiled.lowered
    return {
        "format": FORMAT,
        "gatesmith": __version__,
        "name": model.stem,
        "top": compiled.plan.name,
        "model": {"file": model.name, "sha256": _sha256(model)},
        "options": options,
        **describe(
            compiled.plan,
            compiled.integer,
            compiled.imported.graph,
            lowered.inputs,
            lowered.outputs,
        ),
        "notes": list(compiled.notes),
    }


def _types(stage: dict[str, Any]) -> str:
    """Element types that go in and come out, each once."""
    sides = (stage["sources"], stage["sinks"])
    ins, outs = (", ".join(dict.fromkeys(s["type"] for s in side)) for side in sides)
    return f"{ins} -> {outs}"
