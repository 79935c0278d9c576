"""The stream blocks of a build, as they are instantiated there.

The text that is proven is that of the build folder; what it has to mean comes from the design that
the model compiles to. What is too large for a solver is proven in part: data that is only moved is
cut to one bit, long frames are followed for a few cycles, and of large arithmetic units only the
protocol is looked at. Sizes decide that, so the same build always gives the same proofs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from gatesmith.codegen.design import Design
from gatesmith.codegen.early_exit import EarlyExitStage
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.fork import ForkStage
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.codegen.window import WindowStage
from gatesmith.errors import UserError
from gatesmith.ir import IntType
from gatesmith.rtl_tests.formal.blocks import Block
from gatesmith.rtl_tests.formal.harness import proof
from gatesmith.rtl_tests.formal.meaning import elements
from gatesmith.rtl_tests.formal.proof import Proof
from gatesmith.rtl_tests.formal.run import Skipped

SMALL_DEPTH, SMALL_UNITS, SMALL_FRAME = 5, 8, 8
"""Up to here all reachable states: places of a FIFO; units on both sides of a width converter;
elements of a frame on all streams."""
LONG_FRAME = 256
"""Elements of a frame up to which values are followed."""
CYCLES = 10
"""Bound of what is larger."""
MOST_BITS = 4096
"""Registers and memory of a stage that a solver is given."""
BIT = IntType(0, 1)


def blocks(design: Design, folder: Path) -> tuple[list[Block], list[Skipped]]:
    """Proofs of the stages of a build, and the stages without one.

    Args:
        design: What the model of the build compiles to.
        folder: The build.

    Instances that differ in nothing that is proven are proven once.
    Errors: ``prove.not-the-build``.
    """
    made: dict[str, Block] = {}
    skipped: list[Skipped] = []
    for stage in design:
        why = _too_large(stage)
        if why:
            skipped.append(Skipped(stage.name, why))
            continue
        for name, make in _proofs(stage):
            made.setdefault(name, Block(name, partial(_as_built, make, folder)))
    return list(made.values()), skipped


def _too_large(stage: Stage) -> str:
    """Why no solver is given this stage, or nothing."""
    if isinstance(stage, FifoStage | SkidBufferStage | ForkStage):
        return ""
    if isinstance(stage, WidthConverterStage):
        units = stage.parameters["IN"] + stage.parameters["OUT"]
        return f"{units} units on both sides, over {LONG_FRAME}" if units > LONG_FRAME else ""
    cost = stage.cost()
    bits = cost.ff + cost.ram_bits + stage.weight_bits
    return f"{bits:,} bits of registers and memory, over {MOST_BITS:,}" if bits > MOST_BITS else ""


def _proofs(stage: Stage) -> Iterator[tuple[str, Callable[[], Proof]]]:
    """Names and proofs of one stage; for a fork one of each reader."""
    kind = type(stage).__name__.removesuffix("Stage")
    depth: int | None = None
    match stage:
        case FifoStage():
            cut: Stage = replace(stage, x=Stream(BIT, 1, 1, 1))
            block = int(stage.block_ram)
            text = f"W=1 (of {stage.x.width}) DEPTH={stage.depth} BLOCK_RAM={block}"
            depth = None if stage.depth <= SMALL_DEPTH else CYCLES
            yield f"{kind} {text}", partial(_fifo, cut, text, depth, block)
        case SkidBufferStage():
            text = f"W=1 (of {stage.x.width})"
            yield f"{kind} {text}", partial(proof, replace(stage, x=Stream(BIT, 1, 1, 1)), text)
        case ForkStage():
            for reader in range(stage.count):
                text = f"W=1 (of {stage.x.width}) readers={stage.count} reader={reader}"
                cut = replace(stage, x=Stream(BIT, 1, 1, 1))
                yield f"{kind} {text}", partial(proof, cut, text, sink=reader)
        case WidthConverterStage():
            given = stage.parameters
            ins, outs = given["IN"], given["OUT"]
            text = f"W=1 (of {given['W']}) IN={ins} OUT={outs}"
            cut = replace(stage, x=Stream(BIT, ins * outs, 1, ins), channels=ins * outs, lanes=outs)
            depth = None if ins + outs <= SMALL_UNITS else CYCLES
            yield f"{kind} {text}", partial(proof, cut, text, depth=depth)
        case _:
            size = elements(stage)
            small = size <= SMALL_FRAME and not isinstance(stage, WindowStage)
            depth = None if small else CYCLES
            one_to_one = len(stage.sinks) == 1 and not isinstance(stage, EarlyExitStage)
            frames = size <= LONG_FRAME and one_to_one
            made = partial(proof, stage, stage.module, depth=depth, frames=frames)
            yield f"{kind} {stage.module}", made


def _fifo(cut: Stage, text: str, depth: int | None, block_ram: int) -> Proof:
    """Where the memory lies follows from the width that the build has, not from one bit."""
    made = proof(cut, text, depth=depth)
    given = {**made.parameters, "BLOCK_RAM": block_ram}
    before = ".BLOCK_RAM(0)"
    assert before in made.harness, "one bit in LUTs"
    harness = made.harness.replace(before, f".BLOCK_RAM({block_ram})")
    return replace(made, harness=harness, parameters=given)


def _as_built(make: Callable[[], Proof], folder: Path) -> Proof:
    """The proof, about the files that are in the build."""
    made = make()
    try:
        files = {name: (folder / "rtl" / name).read_text("utf-8") for name in made.files}
    except OSError as error:
        raise UserError(
            "prove.not-the-build",
            "the build does not have the files of its own model",
            where=str(folder),
            why=f"there is no rtl/{Path(error.filename or '').name} for {made.instance}",
            fix=("run gatesmith build again: another version made this folder",),
        ) from error
    return replace(made, files=files)
