"""One simulator with all mutants, and those among them that no tool accepts.

A mutant that slang calls an error alone, or Verilator in the model, is stillborn: no bench has to
find it. Verilator names the file of a copy; of an expression it accepts what slang does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from gatesmith.errors import UserError
from gatesmith.rtl_tests.mutation.design import Rtl, elaborate
from gatesmith.rtl_tests.mutation.mutant import IMAGE, Mutant
from gatesmith.rtl_tests.mutation.schemata import COPY_FILE, schemata
from gatesmith.rtl_tests.simulator import DEFINES, user_errors
from gatesmith.templates.tb import toolchain

TOP = "tb_main"
STREAMS = (*DEFINES, "GATESMITH_STREAMS")
ROUNDS = 200
"""Verilator stops at its first errors, so that several looks may be needed."""


def slang_refuses(rtl: Rtl, mutant: Mutant) -> bool:
    """Whether the design with this one change cannot be elaborated."""
    if mutant.how == IMAGE:
        return False
    texts = {**rtl.texts, mutant.file: mutant.applied(rtl.texts[mutant.file])}
    return bool(elaborate(texts, rtl.top)[1])


def build_model(
    folder: Path, rtl: Rtl, mutants: Mapping[int, Mutant], told: Callable[[int], None]
) -> tuple[Path, set[int]]:
    """The simulator, and numbers of mutants that Verilator refuses.

    Args:
        folder: Build folder.
        rtl: Its RTL.
        mutants: By number.
        told: Called with how many were refused so far.

    Errors: ``verify.no-simulator``, ``verify.no-compiler``, ``verify.build-failed``.
    """
    refused: set[int] = set()
    bench = [(folder / "tb" / name) for name in ("tb.sv", "main.sv", "streams.svh")]
    with (
        user_errors(folder),
        tempfile.TemporaryDirectory(prefix="gatesmith-mutate-") as name,
        resources.as_file(resources.files(__package__).joinpath("main.cpp")) as main,
    ):
        for _ in range(ROUNDS):
            work = Path(name) / str(len(refused))
            work.mkdir()
            files = schemata(rtl, {n: m for n, m in mutants.items() if n not in refused})
            paths = [work / file for file in files]
            for path, text in zip(paths, files.values(), strict=True):
                path.write_text(text, "utf-8")
            try:
                simulator = toolchain.build(
                    [paths[0], *bench, *paths[1:]], defines=STREAMS, top=TOP, main=main
                )
            except toolchain.ToolError as error:
                bad = _blamed(error)
                if not bad - refused:
                    raise
                refused |= bad
                told(len(refused))
            else:
                return simulator, refused
    raise UserError(
        "mutate.no-model",
        "Verilator accepts no set of the mutants",
        where=str(folder),
        why=f"{len(refused)} were left out, and it still refuses",
        fix=("another --seed", "fewer --mutants"),
    )


def _blamed(error: toolchain.ToolError) -> set[int]:
    """Mutants in whose files Verilator found errors."""
    lines = [line for line in error.why.splitlines() if line.startswith("%Error")]
    return {int(number) for line in lines for number in COPY_FILE.findall(line)}


def image_files(rtl: Rtl, mutant: Mutant | None) -> Mapping[str, str]:
    """Memory images that differ from those of the build."""
    if mutant is None or mutant.how != IMAGE:
        return {}
    text = (rtl.folder / mutant.file).read_text("ascii")
    return {mutant.file: mutant.applied(text)}
