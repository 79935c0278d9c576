"""The commands as Python functions: ``gatesmith.quantize``, ``build``, ``verify``, ``synth`` ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gatesmith.build_folder import Built, prepare, write
from gatesmith.codegen.wish import Wish
from gatesmith.explain import explained
from gatesmith.fold_target import Wanted, names_of, wishes_of
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.original import OriginalModel
from gatesmith.pipeline import STEPS, Progress, compile_model, dumper, quiet
from gatesmith.place import Place, path_of
from gatesmith.quant.reloadable import Reloads
from gatesmith.quant.with_exit import Exit
from gatesmith.register_wishes import register_wishes
from gatesmith.report.folds import FoldReport
from gatesmith.report.write import check_report, write_report
from gatesmith.rtl_tests.verify import Verdict
from gatesmith.rtl_tests.verify import verify as run_verify

if TYPE_CHECKING:
    from gatesmith.benching.result import Benched
    from gatesmith.compressing.result import Compressed
    from gatesmith.hls4ml_bridge.result import Bridged
    from gatesmith.pruning.result import Pruned
    from gatesmith.quantizing.result import Quantized
    from gatesmith.reloading.run import Reloaded
    from gatesmith.synthesis.run import Synthesised


def build(
    model: Place,
    out: Place,
    *,
    cycles: int | None = None,
    fps: float | None = None,
    clock_mhz: float | None = None,
    latency_us: float | None = None,
    device: str | None = None,
    budget: str | None = None,
    unroll: str | Sequence[str] = (),
    fold: Mapping[str, tuple[int, int] | str | Wish] | None = None,
    input_spec: str | None = None,
    input_lanes: int | None = None,
    exit_at: str | None = None,
    registers: bool = False,
    dma: bool = False,
    reloadable: str | Sequence[str] = (),
    report: Place | None = None,
    dump_ir: tuple[str, ...] = (),
    progress: Progress = quiet,
) -> Built:
    """Compile a model into the folder ``out``, which appears whole or not at all.

    Args:
        model: The .onnx file.
        out: The folder.
        cycles: Most clock cycles a frame.
        fps: Frames a second, with ``clock_mhz``.
        clock_mhz: Clock; the constraints in ip/ have it too.
        latency_us: Most microseconds from the first beat of a frame in to its last one out, with
            ``clock_mhz``.
        device: Name of an FPGA that the design has to fit; alone: the fastest that does.
        budget: ``lut=20000,dsp=40,bram=16`` or a number of LUTs; alone: the fastest within it.
        unroll: Layers whose weights become wires: names, with ``*``, or ``all``.
        fold: By layer, (PE, SIMD) or a text as behind ``--fold LAYER=``.
        input_spec: What the codes of the input stand for.
        input_lanes: Elements in a beat of every input; by default as few as do not slow it down.
        exit_at: ``OUTPUT:MARGIN``: of a model with two heads, frames leave at this one where its
            best score is ahead of the second by more.
        registers: Whether a module with control and status over AXI4-Lite is put around the core.
        dma: Whether frames are moved from and to memory, by address, over AXI4. Needs
            ``registers``.
        reloadable: Layers whose weights and thresholds are written through the registers: names,
            with ``*``, or ``all``; with ``=BITS`` behind for weights of so many bits. Needs
            ``registers``.
        report: Page to write, with the trade-off curve.
        dump_ir: Passes to print the graph after.
        progress: Told what is being done.

    Errors: those of every stage, and ``build.*``.
    """
    model, out, report = path_of(model), path_of(out), path_of(report)
    wishes, unrolled = wishes_of(fold), names_of(unroll)
    wanted = Wanted(
        cycles=cycles,
        fps=fps,
        clock_mhz=clock_mhz,
        latency_us=latency_us,
        device=device,
        budget=budget,
        unroll=unrolled,
        fold=wishes,
        input_lanes=input_lanes,
    )
    target = wanted.target()
    spec = None if input_spec is None else InputSpec.parse(input_spec)
    given = None if exit_at is None else Exit.parse(exit_at)
    layers = register_wishes(names_of(reloadable), registers=registers, dma=dma)
    dump = dumper(dump_ir)
    prepare(out)
    if report is not None:
        check_report(report)
    compiled = compile_model(
        model, target, spec, dump, progress, exit_at=given, reloads=Reloads(layers)
    )
    progress("write", 6, len(STEPS))
    options = {
        "cycles": cycles,
        "fps": fps,
        "clock_mhz": clock_mhz,
        "latency_us": latency_us,
        "device": device,
        "budget": budget,
        "unroll": list(unrolled) or None,
        "fold": {name: str(wish) for name, wish in sorted(wishes.items())} or None,
        "input": input_spec,
        "input_lanes": input_lanes,
        "exit": exit_at,
        "registers": registers or None,
        "dma": dma or None,
        "reloadable": [str(wish) for wish in layers] or None,
    }
    searched = target.limits is not None or target.latency is not None
    folding = explained(compiled.folded, with_curve=searched or report is not None)
    built = write(compiled, model, out, options, folding)
    if report is not None:
        write_report(FoldReport.of(model.stem, folding), report)
    progress("done", len(STEPS), len(STEPS))
    return built


def explore(
    model: Place,
    *,
    unroll: str | Sequence[str] = (),
    fold: Mapping[str, tuple[int, int] | str | Wish] | None = None,
    input_spec: str | None = None,
    report: Place | None = None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """The trade-off curve of a model: what the cheapest design takes at each interval.

    Arguments as of :func:`build`; ``fold`` without PE and SIMD. Returns ``model`` and ``curve`` as
    in gatesmith/explain.py; FIFOs are left out.

    Errors: those of the frontend and of lowering, ``codegen.*``, ``report.*``.
    """
    from gatesmith.exploring import explore as run

    wanted = Wanted(unroll=names_of(unroll), fold=wishes_of(fold))
    return run(path_of(model), wanted, input_spec, path_of(report), progress)


def reload(folder: Place, model: Place, out: Place, *, progress: Progress = quiet) -> Reloaded:
    """The image that turns the core of a build into another network of the same structure.

    Args:
        folder: What build wrote, with ``reloadable``.
        model: The other .onnx file.
        out: File to write, whole or not at all.
        progress: Told what is being done.

    Errors: those of the frontend and of lowering, ``prove.no-build``, ``reload.*``.
    """
    from gatesmith.reloading.run import reload as run

    return run(path_of(folder), path_of(model), path_of(out), progress)


def inspect(model: Place, input_spec: str | None = None) -> dict[str, Any]:
    """The integer layers of a model; the real ones, with the problems, when it has none."""
    from gatesmith.inspecting import inspect as run

    return run(path_of(model), input_spec)


def verify(
    directory: Place,
    data: Place,
    *,
    frames: int | None = None,
    stall: bool = False,
    labels: Place | None = None,
    seed: int = 1,
    rtl: bool = True,
    hls: bool = False,
    gates: str | None = None,
    routed: bool = False,
    progress: Progress = quiet,
) -> Verdict:
    """Run data through RTL, HLS or gates: equality with the reference, and with the original.

    The verdict's ``unexplained`` counts the codes that differ from the float32 original by more
    than its rounding accounts for. Arguments and errors as in gatesmith/rtl_tests/verify.py.
    """
    directory = path_of(directory)
    return run_verify(
        directory,
        path_of(data),
        frames=frames,
        stall=stall,
        labels=path_of(labels),
        seed=seed,
        rtl=rtl,
        hls=hls,
        gates=gates,
        routed=routed,
        progress=progress,
        original=OriginalModel(directory),
    )


def quantize(
    model: Place, data: Place, out: Place, *, progress: Progress = quiet, **options: Any
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

    return run(path_of(model), str(data), path_of(out), Settings(**options), progress)


def prune(
    model: Place, data: Place | None, out: Place, *, progress: Progress = quiet, **options: Any
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

    given = None if data is None else str(data)
    return run(path_of(model), given, path_of(out), Settings(**options), progress)


def compress(
    recipe: Place,
    *,
    out: Place | None = None,
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

    return run(path_of(recipe), path_of(out), axis, progress)


def hls4ml(model: Place, out: Place, *, progress: Progress = quiet, **options: Any) -> Bridged:
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

    return bridge(path_of(model), path_of(out), Settings(**options), progress)


def bench(
    place: Place,
    data: Place,
    *,
    out: Place | None = None,
    keep: Place | None = None,
    csv: Place | None = None,
    plot: Place | None = None,
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
    files = Files(path_of(out), path_of(keep), path_of(csv), path_of(plot))
    files.check()
    found = run(path_of(place), path_of(data), settings, progress)
    files.write(found)
    return found


def synth(folder: Place, device: str, *, progress: Progress = quiet, **options: Any) -> Synthesised:
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

    return run(path_of(folder), device, Settings(**options), progress)
