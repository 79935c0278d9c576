"""The whole way from a model to a build folder, and the list of passes, in order.

    import        ONNX to the real tensor IR            frontend/importer.py
    lower         real to pure integer, exactly         quant/lower.py
    flip_falling  falling channels: negate the weights  quant/flip_falling.py
    exit          two heads, an early exit: one answer  quant/with_exit.py (with --exit)
    fold          how each layer is built, PE, SIMD     gatesmith/folding.py, codegen/fold*.py
    plan          integer graph to graph of stages      codegen/plan.py, fifo_depth.py
    write         stages to files                       gatesmith/build_folder.py

The names are the values of ``--dump-ir after=``. After each pass on the IR the verifier runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from gatesmith.codegen.design import Design
from gatesmith.codegen.exit_depth import has_gates, size_with_exits
from gatesmith.codegen.fifo_depth import size_fifos
from gatesmith.codegen.fold import Target, operations
from gatesmith.errors import UserError
from gatesmith.folding import Folded, fold_design
from gatesmith.frontend.importer import Imported, import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.frontend.names import identifier
from gatesmith.ir import Graph
from gatesmith.ir.check import check, samples
from gatesmith.quant.flip_falling import flip_falling
from gatesmith.quant.lower import Lowered, lower
from gatesmith.quant.reloadable import Reloads
from gatesmith.quant.with_exit import Exit, with_exit

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, steps done, and steps in all."""

STEPS = ("import", "lower", "flip_falling", "exit", "fold", "plan", "write")
SPARE = 1
"""Places more than computed in FIFOs between pipelines that have to hold several beats."""

CHECKED_FRAMES = 16
CHECKED_WORK = 200_000_000
"""Most frames, and multiplications in all, that the verifier runs after a pass."""


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress shown."""


def silent(_name: str, _text: str) -> None:
    """No graph dumped."""


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """Everything known about a design before it is files.

    Attributes:
        imported: The model and its real graph.
        lowered: How the integer graph meets the outside.
        integer: The integer graph after all passes.
        folded: The pipeline, and how it was chosen.
    """

    imported: Imported
    lowered: Lowered
    integer: Graph
    folded: Folded

    @property
    def plan(self) -> Design:
        """The pipeline."""
        return self.folded.design

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know."""
        return self.imported.notes + self.lowered.notes


def compile_model(
    model: Path,
    target: Target,
    spec: InputSpec | None,
    dump: Callable[[str, str], None],
    progress: Progress = quiet,
    *,
    exit_at: Exit | None = None,
    reloads: Reloads | None = None,
) -> Compiled:
    """Run every pass up to the plan; ``dump`` gets the name and the text after each."""
    progress("import", 0, len(STEPS))
    imported = import_model(model, spec)
    check(imported.graph, "import")
    dump("import", str(imported.graph))
    lowered, integer = to_integers(imported, model, dump, progress, reloads)
    if exit_at is not None:
        progress("exit", 3, len(STEPS))
        lowered, integer = with_exit(lowered, integer, exit_at)
        check(integer, "exit", samples(integer, 2))
        dump("exit", str(integer))
    progress("fold", 4, len(STEPS))

    def planned(design: Design) -> Design:
        progress("plan", 5, len(STEPS))
        return sized(design)

    folded = fold_design(integer, target, identifier(model.stem.lower()), planned)
    dump("fold", "\n".join(f"{n.name}: {t.fold}" for n, t in folded.choice.taken.items()))
    dump("plan", "\n".join(f"{s.name}: {s.sources} -> {s.sinks}" for s in folded.design.stages))
    return Compiled(imported, lowered, integer, folded)


def sized(design: Design) -> Design:
    """The design with the least FIFOs for its interval. Errors: ``codegen.no-schedule``."""
    try:
        if has_gates(design):
            return size_with_exits(design, partial(size_fifos, spare=SPARE))
        return size_fifos(design, spare=SPARE)
    except ValueError as error:
        raise UserError(
            "codegen.no-schedule",
            "no FIFO depths let the design reach its interval",
            where=f"design {design.name}, {design.interval} cycles a frame",
            why=str(error),
            fix=("ask for another number of cycles: --cycles N",),
        ) from error


def to_integers(
    imported: Imported,
    model: Path,
    dump: Callable[[str, str], None] = silent,
    progress: Progress = quiet,
    reloads: Reloads | None = None,
) -> tuple[Lowered, Graph]:
    """The passes from the real graph to the last integer one."""
    progress("lower", 1, len(STEPS))
    lowered = lower(imported.graph, model.name, reloads)
    work = sum(operations(node) for node in lowered.graph)
    data = samples(lowered.graph, max(1, min(CHECKED_FRAMES, CHECKED_WORK // max(work, 1))))
    check(lowered.graph, "lower", data)
    dump("lower", str(lowered.graph))
    progress("flip_falling", 2, len(STEPS))
    integer = flip_falling(lowered.graph)
    check(integer, "flip_falling", data)
    dump("flip_falling", str(integer))
    return lowered, integer


def dumper(wanted: tuple[str, ...]) -> Callable[[str, str], None]:
    """Print the text after the passes named in ``--dump-ir after=PASS``."""
    names = set()
    for text in wanted:
        name = text.removeprefix("after=")
        if name not in STEPS[:-1]:
            raise UserError(
                "cli.dump-ir",
                f'no pass "{name}" to dump the graph after',
                where=f"--dump-ir {text}",
                why="the passes are " + ", ".join(STEPS[:-1]),
                fix=("use one of these names: --dump-ir after=lower",),
            )
        names.add(name)

    def dump(name: str, text: str) -> None:
        if name in names:
            print(f"# after {name}\n{text}\n")

    return dump
