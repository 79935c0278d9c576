"""The pages in docs/ and the README say what the code says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from gatesmith.cli.app import app
from gatesmith.ops.registry import stems

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCES = ("gatesmith", "frontend", "prune", "quant", "codegen", "cpu_gpu_baselines", "rtl_tests")
AREAS = (
    *("frontend", "prune", "quant", "codegen", "build", "cli", "verify", "ir", "float"),
    *("bench", "compress", "data", "hls", "mutate", "prove", "quantize", "regress", "reload"),
    *("report", "synth"),
)
CODE = re.compile(rf"({'|'.join(AREAS)})\.[a-z0-9]+(-[a-z0-9]+)*")
NO_CODES = {"data.npz", "bench.h", "bench.py", "build.json", "report.html", "report.json"}
HELPERS = {
    "frontend/call.py": ("frontend", "error", 0, "frontend."),
    "rtl_tests/dataset.py": ("rtl_tests/dataset.py", "_refuse", 1, "verify.data-"),
}
"""Files in which a function puts a code together: where it is called, its name, which argument is
the end of the code, and how the code begins."""

if not DOCS.is_dir():
    pytest.skip("docs/ is not beside the package: it is installed", allow_module_level=True)


def source_files() -> Iterator[Path]:
    templates = (ROOT / "templates").rglob("*.py")
    for path in [*(p for folder in SOURCES for p in (ROOT / folder).rglob("*.py")), *templates]:
        if not path.stem.endswith("_test") and not path.stem.startswith("test_"):
            yield path


def codes_in_source() -> dict[str, str]:
    """A file for each error code: string literals that read like one, and what helpers make."""
    found: dict[str, str] = {}
    for path in source_files():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Constant(value=str(text)) if CODE.fullmatch(text):
                    found[text] = name
                case ast.Call(func=ast.Name("UserError"), args=[ast.JoinedStr(), *_]):
                    assert name in HELPERS, f"{name} makes codes: add it to HELPERS"
                case ast.Call(func=ast.Name(called) | ast.Attribute(attr=called), args=args):
                    found |= {code: name for code in made_by_helpers(name, called, args)}
    return {code: path for code, path in found.items() if code not in NO_CODES}


def made_by_helpers(name: str, called: str, args: list[ast.expr]) -> Iterator[str]:
    for where, helper, index, prefix in HELPERS.values():
        if called == helper and name.startswith(where) and len(args) > index:
            match args[index]:
                case ast.Constant(value=str(text)):
                    yield prefix + text


def headings(page: str, pattern: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"^##+ `?({pattern})`?$", text, re.MULTILINE)


def test_every_error_code_is_explained() -> None:
    found, told = codes_in_source(), headings("errors.md", r"[a-z]+\.[a-z0-9-]+")
    assert len(found) > 40
    missing = {code: path for code, path in found.items() if code not in told}
    assert not missing, f"add to docs/errors.md: {missing}"
    assert not set(told) - set(found), "docs/errors.md explains codes that nothing raises"
    assert len(told) == len(set(told)), "docs/errors.md has a heading twice"


def test_every_operator_has_its_meaning() -> None:
    assert sorted(headings("semantics.md", r"[a-z0-9_]+")) == stems()


def test_every_option_is_in_the_manual() -> None:
    manual = (DOCS / "cli.md").read_text("utf-8")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        (section,) = re.findall(rf"^## gatesmith {name}\n(.*?)(?=^## |\Z)", manual, re.S | re.M)
        for parameter in command.params:
            if parameter.param_type_name == "option":
                missing = [o for o in parameter.opts if f"`{o}" not in section]
                assert not missing, f"docs/cli.md, {name}: {missing}"
    assert headings("cli.md", "gatesmith [a-z0-9]+") == [f"gatesmith {name}" for name in commands]


def functions(path: Path) -> set[str]:
    """Functions of a module."""
    module = ast.parse(path.read_text("utf-8"))
    return {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_every_trap_is_closed_by_tests_that_exist() -> None:
    page = (DOCS / "traps.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 21))
    for number, row in rows:
        tests = re.findall(r"`([\w./]+)::(test_\w+)`", row)
        assert tests, f"nothing closes trap {number}"
        missing = [f"{path}::{name}" for path, name in tests if name not in functions(ROOT / path)]
        assert not missing, f"docs/traps.md, trap {number}: {missing}"
    spans = re.findall(r"`[^`]*::[^`]*`", page)
    assert len(spans) == sum(len(re.findall(r"::test_\w+`", row)) for _, row in rows)


PAGES = (*sorted(DOCS.rglob("*.md")), ROOT / "README.md", *sorted(ROOT.glob("examples/*/*.md")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    """Links, and code spans that are paths of this repository."""
    text = page.read_text("utf-8")
    links = [page.parent / t.split("#")[0] for t in re.findall(r"\]\(([^)#:][^):]*)\)", text)]
    tops = "|".join(p.name for p in ROOT.iterdir() if p.is_dir())
    spans = re.findall(rf"`((?:{tops})/[\w./-]+)`", text)
    made = ("build/", ".venv/")
    # A name in capitals stands for another: frontend/ONNX_NAME.py
    paths = [ROOT / s for s in spans if not s.startswith(made) and not re.search("[A-Z]{3}", s)]
    missing = [str(p) for p in [*links, *paths] if not p.exists()]
    assert not missing
