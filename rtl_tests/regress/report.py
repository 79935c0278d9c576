"""A run as a page: Markdown, or HTML that loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatesmith.codegen.render import render
from gatesmith.errors import UserError

SUFFIXES = (".md", ".html")


def check_report(path: Path) -> None:
    """Errors: ``report.out``."""
    if path.suffix not in SUFFIXES:
        raise UserError(
            "report.out",
            "a report of regress is Markdown or HTML",
            where=f"--report {path}",
            why=f"its name ends in {path.suffix or 'nothing'}",
            fix=("give FILE.md or FILE.html",),
        )


def write_report(told: Mapping[str, Any], path: Path) -> None:
    """Write the page of what Regressed.as_json tells. Errors: ``report.out``."""
    check_report(path)
    table = told["coverage"]
    groups, rows = table["columns"], table["cells"]
    text = render(f"regress/report{path.suffix}.j2", told=told, groups=groups, rows=rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
