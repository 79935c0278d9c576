"""One network: written, built by the product as a user would, with data and what should come out.

Options that a layer cannot take (a unit that does not suit it, lanes that do not divide) are left
out and the build is tried again; a network that cannot be built for another reason is refused, with
the product's code for it. Anything else that comes out of a build is a failure.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx

from gatesmith.codegen.matrix_unit import divisors
from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import Graph, Ints
from gatesmith.ir.store import load
from gatesmith.rtl_tests.regress import corpus
from gatesmith.rtl_tests.regress.kinds import write_step
from gatesmith.rtl_tests.regress.other import Other
from gatesmith.rtl_tests.regress.recipe import GRAMMAR, Recipe
from gatesmith.rtl_tests.regress.writer import Layer, Writer, Written
from gatesmith.rtl_tests.sample import sample_frames
from gatesmith.rtl_tests.vectors import Port, Reference

TRIES = 6
"""Builds of one network, with fewer options each time."""

DROPPED = {
    "codegen.unit": ("fold", "by_hand", "unroll"),
    "codegen.fold": ("fold", "by_hand"),
    "codegen.input-lanes": ("input_lanes",),
    "codegen.does-not-fit": ("budget",),
    "codegen.latency": ("latency_us", "clock_mhz"),
    "codegen.target": ("cycles", "latency_us", "clock_mhz"),
    "cli.contradicting-options": ("unroll", "by_hand"),
    "build.reloadable-unknown": ("reloadable",),
    "build.reloadable-bits": ("reloadable",),
    "build.reloadable-unit": ("reloadable",),
}
"""Options that a refusal is about."""

Tamper: TypeAlias = Callable[[Path], None]
"""Changes a build folder before it is run: for tests of this kit itself."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a network was not built: code of the error, and its text."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """A build ended in something that is no answer to a user."""

    text: str


@dataclass(slots=True)
class Case:
    """A network that was built.

    Attributes:
        name: Of its top module.
        seed: Of data and stalls.
        folder: Of the build.
        build: build.json.
        graph: The integer graph.
        options: Arguments of the build that stood in the end.
        given: Data of each input, (frames, *code_shape).
        operators: Of the ONNX model.
        expected: What should come out, (frames, bytes), by output.
        other: Another network that is loaded while the core runs.
    """

    name: str
    seed: int
    folder: Path
    build: dict[str, Any]
    graph: Graph
    options: dict[str, Any]
    given: list[Ints]
    operators: tuple[str, ...] = ()
    expected: list[bytes] = field(default_factory=list)
    other: Other | None = None

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.given[0])


Build: TypeAlias = Callable[..., Any]
"""gatesmith.build."""


def write_model(recipe: Recipe) -> Written:
    """The ONNX network of a recipe."""
    if recipe.family == GRAMMAR:
        return Writer(recipe).written(write_step)
    return corpus.write(recipe.family, recipe.seed, recipe.traits)


def make_case(
    recipe: Recipe, name: str, work: Path, build: Build, tamper: Tamper | None = None
) -> Case | Refused | Crashed:
    """Build the network of a recipe as ``work``/``name``."""
    try:
        written = write_model(recipe)
        model = work / f"{name}.onnx"
        onnx.save(written.model, model)
    except Exception:  # a bug of the grammar is a failure like any other
        return Crashed(traceback.format_exc())
    asked = arguments(recipe, written)
    return build_case(model, work, asked, build, recipe.seed, tamper=tamper, frames=recipe.frames)


def arguments(recipe: Recipe, written: Written) -> dict[str, Any]:
    """Arguments of gatesmith.build for a recipe."""
    asked = {k: v for k, v in recipe.options.items() if k not in ("fold", "by_hand")}
    fold: dict[str, str] = {}
    for number, layer in enumerate(written.layers):
        words = []
        chosen = recipe.options.get("by_hand", {}).get(str(number))
        if chosen is not None and layer.inputs:
            words.append(_by_hand(layer, chosen))
        if str(number) in recipe.options.get("fold", {}):
            words.append(recipe.options["fold"][str(number)])
        if words:
            fold[layer.name] = ",".join(words)
    if fold:
        asked["fold"] = fold
    if written.spec is not None:
        asked["input_spec"] = written.spec
    return asked


def _by_hand(layer: Layer, chosen: int) -> str:
    pes, simds = divisors(layer.outputs), divisors(layer.inputs)
    return f"{pes[chosen % len(pes)]},{simds[(chosen >> 8) % len(simds)]}"


def build_case(
    model: Path,
    work: Path,
    asked: dict[str, Any],
    build: Build,
    seed: int,
    *,
    tamper: Tamper | None = None,
    frames: int = 8,
    given: list[Ints] | None = None,
) -> Case | Refused | Crashed:
    """Build a model with these options, or as many of them as can be, in ``work``.

    Args:
        model: The file; its stem is the name of the case.
        work: Where the build goes.
        asked: Arguments of gatesmith.build.
        build: gatesmith.build.
        seed: Of data and stalls.
        tamper: Changes the build.
        frames: How many are drawn, where the design is fast enough.
        given: Data, where it is not to be drawn.
    """
    folder = work / model.stem
    for _ in range(TRIES):
        try:
            build(model, folder, **asked)
            break
        except (UserError, UserErrors) as error:
            errors = error.errors if isinstance(error, UserErrors) else (error,)
            fewer = _without(asked, errors)
            if fewer == asked:
                return Refused(errors[0].code, str(errors[0]))
            asked = fewer
        except Exception:
            return Crashed(traceback.format_exc())
    else:
        return Refused("no-options-left", f"no build after {TRIES} tries with {asked}")
    try:
        if tamper is not None:
            tamper(folder)
        return _ready(model, folder, asked, seed, given=given, frames=frames)
    except Exception:
        return Crashed(traceback.format_exc())


def _ready(
    model: Path,
    folder: Path,
    asked: dict[str, Any],
    seed: int,
    *,
    given: list[Ints] | None,
    frames: int,
) -> Case:
    content = json.loads((folder / "build.json").read_text("utf-8"))
    graph = load(folder / "ir" / "integer")
    if given is None:
        given = draw_data(content, seed, frames)
    operators = tuple(sorted({node.op_type for node in onnx.load(model).graph.node}))
    case = Case(model.stem, seed, folder, content, graph, asked, given, operators)
    _write_vectors(case)
    return case


def _without(asked: dict[str, Any], errors: tuple[UserError, ...]) -> dict[str, Any]:
    """Options without those that the errors are about."""
    fewer = dict(asked)
    for error in errors:
        for option in DROPPED.get(error.code, ()):
            if option == "fold" and "fold" in fewer:
                left = {k: v for k, v in fewer["fold"].items() if not _about(error, k)}
                fewer["fold"] = left if len(left) < len(fewer["fold"]) else {}
                if not fewer["fold"]:
                    del fewer["fold"]
                break
            if option in fewer:
                del fewer[option]
                if option != "latency_us":
                    break
    if "fold" in fewer and any(e.code == "cli.contradicting-options" for e in errors):
        fewer.pop("unroll", None)
    return fewer


def _about(error: UserError, layer: str) -> bool:
    """Whether an error names a layer, by its ONNX node or by what the IR made of the name."""
    plain = re.sub(r"\W+", "_", layer).strip("_")
    return bool(re.search(rf'"({re.escape(layer)}|{re.escape(plain)})"', error.where + error.what))


# ---- data ---------------------------------------------------------------------------------------


def draw_data(content: Mapping[str, Any], seed: int, frames: int) -> list[Ints]:
    """Frames for every input, of the kinds that a build carries along."""
    rng = np.random.default_rng([seed, 99])
    wanted = enough(content, frames)
    return [
        sample_frames(Port.of(entry).elem, (wanted, *entry["code_shape"]), rng)
        for entry in content["inputs"]
    ]


def enough(content: Mapping[str, Any], frames: int) -> int:
    """At least as many as fill the pipeline and measure its interval behind that."""
    interval = max(1, int(content["interval"]))
    full = int(content["latency"]) // interval + 4
    return min(max(frames, full), max(4, CYCLES_A_RUN // interval))


CYCLES_A_RUN = 6_000
"""A run of more cycles gets fewer frames, down to four."""


def _write_vectors(case: Case) -> None:
    """input_K.bin and expected_K.bin, beats as the benches read them."""
    reference = Reference(case.graph, case.build)
    given = reference.given(case.given)
    folder = case.folder / "vectors"
    for k, (port, x) in enumerate(zip(reference.sources, given.values(), strict=True)):
        (folder / f"input_{k}.bin").write_bytes(port.encode(x).tobytes())
    for k, (port, y) in enumerate(zip(reference.sinks, reference.outputs(given), strict=True)):
        case.expected.append(port.encode(y).tobytes())
        (folder / f"expected_{k}.bin").write_bytes(case.expected[-1])


def write_other(case: Case, other: Other) -> None:
    """after_K.bin: what comes out with the other network's weights; and these, other.txt."""
    case.other = other
    reference = Reference(other.graph, case.build)
    results = reference.outputs(reference.given(case.given))
    folder = case.folder / "vectors"
    for k, (port, y) in enumerate(zip(reference.sinks, results, strict=True)):
        (folder / f"after_{k}.bin").write_bytes(port.encode(y).tobytes())
    lines = [f"{w.memory} {w.word} {w.chunk} {w.data}\n" for w in other.words]
    (folder / "other.txt").write_text("".join(lines), "ascii")
