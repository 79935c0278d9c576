"""The design of a build folder, made again from its model and its options."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from gatesmith.codegen.design import Design
from gatesmith.errors import UserError
from gatesmith.fold_target import Wanted, wishes_of
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.pipeline import Compiled, compile_model, dumper
from gatesmith.quant.reloadable import Reloads, Wish
from gatesmith.quant.with_exit import Exit
from gatesmith.rtl_tests.verify import read_build

SPEEDS = ("cycles", "fps", "clock_mhz", "latency_us", "device", "budget", "input_lanes")
BUILT_WITH = (*SPEEDS, "unroll", "fold", "input", "exit")
"""Options in build.json from which the design is made again."""

LATER = ("registers", "dma", "reloadable")
"""The same of options that builds of earlier versions do not have."""


def design_of(folder: Path) -> Design:
    """The design of a build, compiled again. Errors: ``prove.no-build``, those of build."""
    return compiled_of(folder).plan


def compiled_of(folder: Path) -> Compiled:
    """The model of a build, compiled again. Errors: ``prove.no-build``, those of build."""
    try:
        content = read_build(folder)
        options = content["options"]
        known = (*BUILT_WITH, *LATER)
        foreign = [name for name, value in options.items() if value and name not in known]
        why = f"it was made with an option that is not known here: {foreign}" if foreign else ""
        given = {name: options[name] for name in BUILT_WITH}
    except (KeyError, TypeError, AttributeError) as error:
        why = f"build.json has no {error}"
    if why:
        raise UserError(
            "prove.no-build",
            "the design of this build cannot be made again",
            where=str(folder),
            why=why,
            fix=("run gatesmith build again, with this version",),
        )
    wanted = Wanted(
        **{name: given[name] for name in SPEEDS},
        unroll=tuple(given["unroll"] or ()),
        fold=wishes_of(given["fold"]),
    )
    spec = None if given["input"] is None else InputSpec.parse(given["input"])
    exit_at = None if given["exit"] is None else Exit.parse(given["exit"])
    layers = tuple(Wish.parse(text) for text in options.get("reloadable") or ())
    reloads = Reloads(layers)
    with tempfile.TemporaryDirectory() as away:
        model = Path(away) / f"{content['name']}.onnx"  # modules are named after the file
        shutil.copyfile(folder / "model.onnx", model)
        return compile_model(
            model, wanted.target(), spec, dumper(()), exit_at=exit_at, reloads=reloads
        )
