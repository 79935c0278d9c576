"""A report as files: one page, and its figures as PNG beside it.

The page is a single file without scripts that loads nothing. The same report gives the same bytes.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gatesmith.errors import UserError
from gatesmith.report.content import CompressReport, PruneReport, QuantReport
from gatesmith.report.folds import FoldReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = ".html"

Report: TypeAlias = QuantReport | PruneReport | CompressReport | FoldReport


def check_report(out: Path) -> None:
    """Refuse what could not be written, before any work is done.

    Errors: ``report.matplotlib``, ``report.out``.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError(
            "report.matplotlib",
            "a report needs matplotlib",
            where=str(out),
            why="the package is not installed",
            fix=('pip install "gatesmith[quantize]"', "pip install matplotlib"),
        )
    if out.is_dir() or out.suffix in ("", PAGE):
        return
    raise UserError(
        "report.out",
        "a report is a page or a folder",
        where=str(out),
        why=f"its name ends in {out.suffix}, expected .html",
        fix=("give FILE.html, or the name of a folder",),
    )


def write_report(report: Report, out: Path) -> tuple[Path, ...]:
    """Write the page and its figures; return the files, the page first.

    Args:
        report: What to show.
        out: ``NAME.html``, with figures ``NAME_FIGURE.png`` beside it; or a folder, which is made,
            for ``report.html`` and ``FIGURE.png``.

    Errors: ``report.matplotlib``, ``report.out``.
    """
    check_report(out)
    from gatesmith.codegen.render import render
    from gatesmith.report.style import png, styled, svg

    folder = out.is_dir() or out.suffix != PAGE
    page = out / f"report{PAGE}" if folder else out
    prefix = "" if folder else f"{out.stem}_"
    template, context = _context(report)
    pictures: dict[str, bytes] = {}
    drawn: dict[str, str] = {}
    with styled():
        for name, figure in _figures(report).items():
            pictures[f"{prefix}{name}.png"] = png(figure)
            drawn[name] = svg(figure, name)
    text = render(f"report/{template}.html.j2", figures=drawn, **context)
    page.parent.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        _replace(page.parent / name, content)
    _replace(page, text.encode("utf-8", "replace"))
    return (page, *(page.parent / name for name in pictures))


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)


def _context(report: Report) -> tuple[str, dict[str, Any]]:
    """Name of the template, and everything that it says, as text."""
    from gatesmith.report import compressed, folds, pruned, quantized

    match report:
        case QuantReport():
            return "quantize", quantized.context(report)
        case PruneReport():
            return "prune", pruned.context(report)
        case CompressReport():
            return "compress", compressed.context(report)
        case FoldReport():
            return "folds", folds.context(report)
        case _:
            raise AssertionError(f"gatesmith/report/write.py has no page for {type(report)}")


def _figures(report: Report) -> dict[str, Figure]:
    """Figures by name, in the order of the page."""
    from gatesmith.report import figures, figures_compress, figures_prune, folds

    match report:
        case QuantReport():
            return figures.figures(report)
        case PruneReport():
            return figures_prune.figures(report)
        case CompressReport():
            return figures_compress.figures(report)
        case FoldReport():
            return folds.figures(report)
        case _:
            raise AssertionError(f"gatesmith/report/write.py has no figures for {type(report)}")
