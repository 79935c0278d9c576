"""The commands as Python functions: ``gatesmith.quantize``, ``build``, ``verify``, ``synth`` ..."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatesmith.build_folder import Built, prepare, write
from gatesmith.codegen.design import Design
from gatesmith.codegen.fold import Target
from gatesmith.codegen.wish import Wish
from gatesmith.cpu_gpu_baselines.comparison import Comparison
from gatesmith.errors import UserError, UserErrors
from gatesmith.figures import operations, parameters
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Graph, Ints, IntType, Node, Values
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input
from gatesmith.pipeline import STEPS, Progress, compile_model, dumper, quiet, to_integers
from gatesmith.quant.with_exit import Exit
from gatesmith.rtl_tests.verify import Verdict, read_build
from gatesmith.rtl_tests.verify import verify as run_verify

if TYPE_CHECKING:
    from gatesmith.benching.result import Benched
    from gatesmith.compressing.result import Compressed
    from gatesmith.hls4ml_bridge.result import Bridged
    from gatesmith.pruning.result import Pruned
    from gatesmith.quantizing.result import Quantized
    from gatesmith.rtl_tests.formal.run import Proved
    from gatesmith.synthesis.run import Synthesised


def build(
    model: Path,
    out: Path,
    *,
    cycles: int | None = None,
    fps: float | None = None,
    clock_mhz: float | None = None,
    fold: Mapping[str, tuple[int, int] | str | Wish] | None = None,
    input_spec: str | None = None,
    exit_at: str | None = None,
    dump_ir: tuple[str, ...] = (),
    progress: Progress = quiet,
) -> Built:
    """Compile a model into the folder ``out``, which appears whole or not at all.

    Args:
        model: The .onnx file.
        out: The folder.
        cycles: Most clock cycles a frame.
        fps: Frames a second, with ``clock_mhz``.
        clock_mhz: Clock.
        fold: By layer, (PE, SIMD) or a text as behind ``--fold LAYER=``.
        input_spec: What the codes of the input stand for.
        exit_at: ``OUTPUT:MARGIN``: of a model with two heads, frames leave at this one where its
            best score is ahead of the second by more.
        dump_ir: Passes to print the graph after.
        progress: Told what is being done.

    Errors: those of every stage, and ``build.*``.
    """
    wishes = {name: _wish(name, given) for name, given in (fold or {}).items()}
    target = _target(cycles, fps, clock_mhz, wishes)
    spec = None if input_spec is None else InputSpec.parse(input_spec)
    given = None if exit_at is None else Exit.parse(exit_at)
    dump = dumper(dump_ir)
    prepare(out)
    compiled = compile_model(model, target, spec, dump, progress, exit_at=given)
    progress("write", 6, len(STEPS))
    options = {
        "cycles": cycles,
        "fps": fps,
        "clock_mhz": clock_mhz,
        "fold": {name: str(wish) for name, wish in sorted(wishes.items())} or None,
        "input": input_spec,
        "exit": exit_at,
    }
    built = write(compiled, model, out, options)
    progress("done", len(STEPS), len(STEPS))
    return built


def _wish(name: str, given: tuple[int, int] | str | Wish) -> Wish:
    """``(8, 16)``, ``"8,16,nm"`` or a Wish. Errors: ``cli.bad-fold``."""
    if isinstance(given, Wish):
        return given
    try:
        return Wish.parse(given if isinstance(given, str) else ",".join(map(str, given)))
    except ValueError as error:
        raise UserError(
            "cli.bad-fold",
            "cannot read the folding",
            where=f"fold, layer {name}",
            why=str(error),
            fix=('give (PE, SIMD), or a text such as "8,16,nm"',),
        ) from error


def _target(
    cycles: int | None,
    fps: float | None,
    clock_mhz: float | None,
    fold: Mapping[str, Wish],
) -> Target:
    """The folding target; a rate becomes cycles, rounded down."""
    hand = dict(fold)
    if cycles is not None:
        return Target(cycles, hand, f"--cycles {cycles}")
    if fps is None or clock_mhz is None:
        return Target(None, hand)
    most = int(clock_mhz * 1e6 // fps)
    said = f"--fps {fps:g} at --clock-mhz {clock_mhz:g}"
    if most < 1:
        raise UserError(
            "codegen.target",
            f"{fps:g} frames a second are out of reach",
            where=said,
            why="that is more than one frame a clock cycle",
            fix=(f"ask for at most {clock_mhz * 1e6:g} frames a second", "raise --clock-mhz"),
        )
    return Target(most, hand, said)


def inspect(model: Path, input_spec: str | None = None) -> dict[str, Any]:
    """The integer layers of a model; the real ones, with the problems, when it has none."""
    spec = None if input_spec is None else InputSpec.parse(input_spec)
    imported = import_model(model, spec)
    problems: list[str] = []
    notes = imported.notes
    try:
        lowered, graph = to_integers(imported, model)
        notes += lowered.notes
    except (UserError, UserErrors) as error:
        problems = [str(e) for e in getattr(error, "errors", (error,))]
        graph = imported.graph
    layers = [_layer(node) for node in graph if not isinstance(node.op, Const)]
    return {
        "model": model.name,
        "form": "real" if problems else "integer",
        "inputs": [_end(node) for node in graph if isinstance(node.op, Input)],
        "outputs": [_end(node) for node in graph.outputs],
        "chain": _is_chain(graph),
        "layers": layers,
        "parameters": sum(layer["parameters"] for layer in layers),
        "operations": sum(layer["operations"] for layer in layers),
        "notes": list(notes),
        "problems": problems,
    }


def _end(node: Node) -> str:
    """An input or output in words."""
    return f"{node.tensor or node.name}: {node.type}"


def _is_chain(graph: Graph) -> bool:
    """Whether each layer reads the one before it and nothing else."""
    nodes = [node for node in graph if not isinstance(node.op, Const)]
    before = dict(zip(nodes, [None, *nodes], strict=False))
    return len(graph.outputs) == 1 and all(
        arg is before[node] for node in nodes for arg in node.args if not isinstance(arg.op, Const)
    )


def _layer(node: Node) -> dict[str, Any]:
    elem = node.type.elem
    return {
        "name": node.name,
        "op": type(node.op).__name__,
        "args": [arg.name for arg in node.args if not isinstance(arg.op, Const)],
        "origin": list(node.origin),
        "type": str(node.type),
        "range": [elem.lo, elem.hi] if isinstance(elem, IntType) else None,
        "bits": elem.bits if isinstance(elem, IntType) else None,
        "parameters": parameters(node),
        "operations": operations(node),
        "meaning": None if node.meaning is None else str(node.meaning),
    }


def verify(
    directory: Path,
    data: Path,
    *,
    frames: int | None = None,
    stall: bool = False,
    labels: Path | None = None,
    seed: int = 1,
    rtl: bool = True,
    hls: bool = False,
    progress: Progress = quiet,
) -> Verdict:
    """Run data through RTL or HLS of a build: equality with the reference, and with the original.

    The verdict's ``unexplained`` counts the codes that differ from the float32 original by more
    than its rounding accounts for. Arguments and errors as in gatesmith/rtl_tests/verify.py.
    """
    return run_verify(
        directory,
        data,
        frames=frames,
        stall=stall,
        labels=labels,
        seed=seed,
        rtl=rtl,
        hls=hls,
        progress=progress,
        original=_Original(directory),
    )


def quantize(
    model: Path, data: str | Path, out: Path, *, progress: Progress = quiet, **options: Any
) -> Quantized:
    """Quantize a float network and write it to ``out``, whole or not at all.

    Args:
        model: The float .onnx file.
        data: A file, a folder of images, or ``module:object``.
        out: The .onnx file to write.
        progress: Told what is being done.
        options: Fields of :class:`gatesmith.quantizing.settings.Settings`.

    Errors: those of the frontend and of lowering, ``data.*``, ``quantize.*``, ``cli.*``.
    """
    from gatesmith.quantizing.run import quantize as run
    from gatesmith.quantizing.settings import Settings

    return run(model, str(data), out, Settings(**options), progress)


def prune(
    model: Path, data: str | Path | None, out: Path, *, progress: Progress = quiet, **options: Any
) -> Pruned:
    """Prune a float network and write it to ``out``, whole or not at all.

    Args:
        model: The float .onnx file.
        data: A file, a folder of images, or ``module:object``; None where nothing looks at data.
        out: The .onnx file to write.
        progress: Told what is being done.
        options: Fields of :class:`gatesmith.pruning.settings.Settings`.

    Errors: those of the frontend, ``data.*``, ``prune.*``, ``quantize.*``, ``cli.*``.
    """
    from gatesmith.pruning.run import prune as run
    from gatesmith.pruning.settings import Settings

    return run(model, None if data is None else str(data), out, Settings(**options), progress)


def compress(
    recipe: Path,
    *,
    out: Path | None = None,
    axis: str | None = None,
    progress: Progress = quiet,
) -> Compressed:
    """Make a network smaller by a recipe: prune, quantize, code, build.

    Args:
        recipe: The .toml file (docs/cli.md); files in it are relative to its folder.
        out: Folder to write, in the place of the recipe's own.
        axis: Cost of a Pareto run, likewise.
        progress: Told what is being done.

    Errors: ``compress.recipe``, and those of the commands that it stands for.
    """
    from gatesmith.compressing.run import compress as run

    return run(recipe, out, axis, progress)


def hls4ml(model: Path, out: Path, *, progress: Progress = quiet, **options: Any) -> Bridged:
    """Write hls4ml's project of a quantized network and compare its C simulation with ours.

    Args:
        model: The quantized .onnx file.
        out: Folder of the project; appears whole or not at all.
        progress: Told what is being done.
        options: Fields of :class:`gatesmith.hls4ml_bridge.settings.Settings`.

    Errors: those of the frontend and of lowering, ``verify.data-*``, ``hls.*``, ``cli.*``.
    """
    from gatesmith.hls4ml_bridge.run import bridge
    from gatesmith.hls4ml_bridge.settings import Settings

    return bridge(model, out, Settings(**options), progress)


def bench(
    place: Path,
    data: Path,
    *,
    out: Path | None = None,
    keep: Path | None = None,
    csv: Path | None = None,
    plot: Path | None = None,
    progress: Progress = quiet,
    **options: Any,
) -> Benched:
    """Time a network on every engine there is, after its outputs were compared.

    Args:
        place: An .onnx file, or a build folder.
        data: .npz, .npy or IDX file.
        out: JSON file to write.
        keep: Folder for a JSON file whose name has the date.
        csv: CSV file to write.
        plot: PNG file to write.
        progress: Told what is being done.
        options: Fields of :class:`gatesmith.benching.settings.Settings`.

    Errors: those of the frontend, of lowering and of verify, ``bench.*``, ``cli.bad-value``.
    """
    from gatesmith.benching.files import Files
    from gatesmith.benching.run import bench as run
    from gatesmith.benching.settings import Settings

    settings = Settings(**options)
    settings.check()
    files = Files(out, keep, csv, plot)
    files.check()
    found = run(place, data, settings, progress)
    files.write(found)
    return found


def prove(
    folder: Path | None = None,
    *,
    only: str | None = None,
    timeout: float = 120.0,
    traces: Path | None = None,
    progress: Progress = quiet,
) -> Proved:
    """Prove the stream blocks: those that are shipped, or those of a build.

    Args:
        folder: What build wrote; None: the shipped blocks, in small instances.
        only: Instances whose name has this in it.
        timeout: Longest time of one solver, seconds.
        traces: Folder for counterexamples.
        progress: Told what is being done.

    Errors: ``prove.*``, ``cli.bad-value``, ``synth.failed``, ``synth.no-cache``.
    """
    from gatesmith.rtl_tests.formal import blocks, built
    from gatesmith.rtl_tests.formal.run import prove as run

    if folder is None:
        return run(blocks.shipped(), progress, only=only, timeout=timeout, traces=traces)
    found, skipped = built.blocks(_design_of(folder), folder)
    return run(found, progress, only=only, timeout=timeout, traces=traces, skipped=skipped)


BUILT_WITH = ("cycles", "fps", "clock_mhz", "fold", "input", "exit")
"""Options in build.json from which the design is made again."""


def _design_of(folder: Path) -> Design:
    """The design of a build, compiled again. Errors: ``prove.no-build``, those of build."""
    try:
        content = read_build(folder)
        options = content["options"]
        foreign = [name for name, value in options.items() if value and name not in BUILT_WITH]
        why = f"it was made with an option that is not known here: {foreign}" if foreign else ""
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
    wishes = {name: _wish(name, given) for name, given in (options["fold"] or {}).items()}
    target = _target(options["cycles"], options["fps"], options["clock_mhz"], wishes)
    spec = None if options["input"] is None else InputSpec.parse(options["input"])
    given = None if options["exit"] is None else Exit.parse(options["exit"])
    with tempfile.TemporaryDirectory() as away:
        model = Path(away) / f"{content['name']}.onnx"  # modules are named after the file
        shutil.copyfile(folder / "model.onnx", model)
        return compile_model(model, target, spec, dumper(()), exit_at=given).plan


def synth(folder: Path, device: str, *, progress: Progress = quiet, **options: Any) -> Synthesised:
    """Synthesise a build with Yosys, place it with nextpnr; the report goes to FOLDER/synth.

    Args:
        folder: What build wrote.
        device: One of :func:`gatesmith.synthesis.devices.devices`.
        progress: Told what is being done.
        options: Fields of :class:`gatesmith.synthesis.settings.Settings`.

    Errors: ``synth.*``, ``cli.bad-value``.
    """
    from gatesmith.synthesis.run import synth as run
    from gatesmith.synthesis.settings import Settings

    return run(folder, device, Settings(**options), progress)


class _Original:
    """The model of a build in a float32 runtime; opened when the first frames come."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.comparison: Comparison | None = None
        self.inputs: dict[str, Node] = {}
        self.frames = self.right = 0
        self.labelled = False

    def take(self, x: Mapping[str, Values], labels: Ints | None) -> None:
        """Compare some more frames."""
        if self.comparison is None:
            given = read_build(self.directory)["options"]["input"]
            spec = None if given is None else InputSpec.parse(given)
            imported = import_model(self.directory / "model.onnx", spec)
            self.comparison = Comparison(imported.graph, imported.model, onnxruntime=True)
            self.inputs = {n.name: n for n in imported.graph if isinstance(n.op, Input)}
        arrays = {self.inputs[name]: array for name, array in x.items()}
        predicted = self.comparison.compare(self.comparison.given(arrays))
        self.frames += len(predicted)
        if labels is not None:
            self.labelled = True
            self.right += int((predicted == labels).sum())

    def told(self) -> dict[str, Any]:
        """Engine, codes compared, differing, explained, unexplained, and the engine's top-1."""
        assert self.comparison is not None, "a data set has frames"
        found = self.comparison
        parts = [*found.constants, *(part for side in found.result() for part in side)]
        counts = {
            key: sum(getattr(part, key) for part in parts)
            for key in ("compared", "differing", "explained", "unexplained")
        }
        top1 = self.right / self.frames if self.labelled else None
        return {"engine": found.runtime.engine, **counts, "top1": top1}
