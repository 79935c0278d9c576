"""What is asked of gatesmith itself, or of a build's bench: proofs, mutants, random networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatesmith.api import build, reload, verify
from gatesmith.original import OriginalModel
from gatesmith.pipeline import Progress, quiet
from gatesmith.place import Place, path_of

if TYPE_CHECKING:
    from gatesmith.rtl_tests.formal.run import Proved
    from gatesmith.rtl_tests.mutation.run import Mutated
    from gatesmith.rtl_tests.regress.outcome import Outcome
    from gatesmith.rtl_tests.regress.run import Regressed
    from gatesmith.rtl_tests.regress.worker import Tools


def mutate(folder: Place, *, progress: Progress = quiet, **options: Any) -> Mutated:
    """Change the RTL of a build in many small ways, and count those that its bench notices.

    Args:
        folder: What build wrote; it stays as it is.
        progress: Told what is being done.
        options: Of :func:`gatesmith.rtl_tests.mutation.run.mutate`.

    Errors: ``mutate.*``, ``verify.*``, ``synth.*``, ``cli.bad-value``.
    """
    from gatesmith.rtl_tests.mutation.run import mutate as run

    return run(path_of(folder), progress, **options)


def prove(
    folder: Place | None = None,
    *,
    only: str | None = None,
    timeout: float = 120.0,
    traces: Place | None = None,
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

    folder, traces = path_of(folder), path_of(traces)
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
    failures: Place = "regress",
    junit: Place | None = None,
    report: Place | None = None,
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

    junit, report = path_of(junit), path_of(report)
    settings = Settings(
        networks=networks, minutes=minutes, seed=seed, jobs=jobs, failures=path_of(failures)
    )
    if report is not None:
        check_report(report)
    found = run(settings, _regress_tools(hls, strict), progress)
    if junit is not None:
        write_junit(found, junit)
    if report is not None:
        write_report(found.as_json(), report)
    return found


def replay(bundle: Place, *, hls: bool = True, strict: bool = False) -> Outcome:
    """Run a failure that :func:`regress` saved again. Errors: ``regress.no-bundle``."""
    from gatesmith.rtl_tests.regress.bundle import replay as run

    return run(path_of(bundle), _regress_tools(hls, strict))


def _regress_tools(hls: bool, strict: bool) -> Tools:
    from gatesmith.rtl_tests.regress.worker import Tools

    return Tools(build, OriginalModel, hls=hls, strict=strict, verify=verify, reload=reload)
