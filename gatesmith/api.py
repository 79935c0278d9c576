"""The commands as Python functions: ``gatesmith.quantize``, ``build``, ``verify``, ``synth`` ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatesmith.build_folder import Built, prepare, write
from gatesmith.codegen.wish import Wish
from gatesmith.explain import explained
from gatesmith.fold_target import Wanted, names_of, wishes_of
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.original import OriginalModel
from gatesmith.pipeline import STEPS, Progress, compile_model, dumper, quiet
from gatesmith.quant.with_exit import Exit
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
    from gatesmith.rtl_tests.formal.run import Proved
    from gatesmith.rtl_tests.regress.outcome import Outcome
    from gatesmith.rtl_tests.regress.run import Regressed
    from gatesmith.rtl_tests.regress.worker import Tools
    from gatesmith.synthesis.run import Synthesised


def build(
    model: Path,
    out: Path,
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
    report: Path | None = None,
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
        report: Page to write, with the trade-off curve.
        dump_ir: Passes to print the graph after.
        progress: Told what is being done.

    Errors: those of every stage, and ``build.*``.
    """
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
    dump = dumper(dump_ir)
    prepare(out)
    if report is not None:
        check_report(report)
    compiled = compile_model(model, target, spec, dump, progress, exit_at=given)
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
    }
    searched = target.limits is not None or target.latency is not None
    folding = explained(compiled.folded, with_curve=searched or report is not None)
    built = write(compiled, model, out, options, folding)
    if report is not None:
        write_report(FoldReport.of(model.stem, folding), report)
    progress("done", len(STEPS), len(STEPS))
    return built


def explore(
    model: Path,
    *,
    unroll: str | Sequence[str] = (),
    fold: Mapping[str, tuple[int, int] | str | Wish] | None = None,
    input_spec: str | None = None,
    report: Path | None = None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """The trade-off curve of a model: what the cheapest design takes at each interval.

    Arguments as of :func:`build`; ``fold`` without PE and SIMD. Returns ``model`` and ``curve`` as
    in gatesmith/explain.py; FIFOs are left out.

    Errors: those of the frontend and of lowering, ``codegen.*``, ``report.*``.
    """
    from gatesmith.exploring import explore as run

    wanted = Wanted(unroll=names_of(unroll), fold=wishes_of(fold))
    return run(model, wanted, input_spec, report, progress)


def inspect(model: Path, input_spec: str | None = None) -> dict[str, Any]:
    """The integer layers of a model; the real ones, with the problems, when it has none."""
    from gatesmith.inspecting import inspect as run

    return run(model, input_spec)


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
        original=OriginalModel(directory),
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
    from gatesmith.rebuilt import design_of
    from gatesmith.rtl_tests.formal import blocks, built
    from gatesmith.rtl_tests.formal.run import prove as run

    if folder is None:
        return run(blocks.shipped(), progress, only=only, timeout=timeout, traces=traces)
    found, skipped = built.blocks(design_of(folder), folder)
    return run(found, progress, skipped=skipped, only=only, timeout=timeout, traces=traces)


def regress(
    *,
    networks: int | None = None,
    minutes: float | None = None,
    seed: int = 1,
    jobs: int | None = None,
    hls: bool = True,
    strict: bool = False,
    failures: Path = Path("regress"),
    junit: Path | None = None,
    report: Path | None = None,
    progress: Progress = quiet,
) -> Regressed:
    """Random networks through reference, RTL and HLS; what fails is made smaller and saved.

    Args:
        networks: How many; or
        minutes: how long.
        seed: The same seed gives the same networks, in the same order.
        jobs: Processes; None: one a processor.
        hls: Whether the HLS C++ runs too.
        strict: Whether an interval or a latency that is not the predicted one is a failure.
        failures: Folder for bundles of failures.
        junit: JUnit XML file to write.
        report: Page to write, .md or .html.
        progress: Told how far it is.

    Errors: ``cli.*``, ``report.out``, ``verify.no-*``.
    """
    from gatesmith.rtl_tests.regress.junit import write_junit
    from gatesmith.rtl_tests.regress.report import check_report, write_report
    from gatesmith.rtl_tests.regress.run import Settings
    from gatesmith.rtl_tests.regress.run import regress as run

    settings = Settings(networks=networks, minutes=minutes, seed=seed, jobs=jobs, failures=failures)
    if report is not None:
        check_report(report)
    found = run(settings, _regress_tools(hls, strict), progress)
    if junit is not None:
        write_junit(found, junit)
    if report is not None:
        write_report(found.as_json(), report)
    return found


def replay(bundle: Path, *, hls: bool = True, strict: bool = False) -> Outcome:
    """Run a failure that :func:`regress` saved again. Errors: ``regress.no-bundle``."""
    from gatesmith.rtl_tests.regress.bundle import replay as run

    return run(bundle, _regress_tools(hls, strict))


def _regress_tools(hls: bool, strict: bool) -> Tools:
    from gatesmith.rtl_tests.regress.worker import Tools

    return Tools(build, OriginalModel, hls=hls, strict=strict, verify=verify)


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
