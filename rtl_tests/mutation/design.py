"""The RTL of a build, as slang sees it: texts, what is elaborated of them, memory images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatesmith.errors import UserError
from gatesmith.rtl_tests.mutation.mutant import IMAGE, Mutant, ascii_of
from gatesmith.rtl_tests.mutation.sites import Walker, module_nodes

BEYOND = tuple(f"DiagCode({name})" for name in ("IndexOOB", "RangeOOB", "RangeWidthOOB"))
"""What slang warns of, and a two-state simulator does as it likes: bits behind a vector's end."""


@dataclass(frozen=True, slots=True)
class Image:
    """A memory image.

    Attributes:
        file: In rtl/.
        bits: Of a word.
        words: That the memory has.
    """

    file: str
    bits: int
    words: int


@dataclass(frozen=True, slots=True, eq=False)
class Rtl:
    """RTL of a build.

    Attributes:
        folder: rtl/.
        top: Top module.
        texts: By file, in the order of files.f.
        headers: Text of each module's header up to its semicolon, by module.
        ports: Names and whether they are inputs, by module.
        parameters: Those of each module that an instance may set.
        images: Memory images that are read.
        live: By file, ranges of generate blocks that no instance has.
    """

    folder: Path
    top: str
    texts: Mapping[str, str]
    headers: Mapping[str, str]
    ports: Mapping[str, Mapping[str, bool]]
    parameters: Mapping[str, tuple[str, ...]]
    images: tuple[Image, ...]
    dead: Mapping[str, Sequence[tuple[int, int]]]

    @staticmethod
    def of(folder: Path, top: str) -> Rtl:
        """RTL of the build in ``folder``. Errors: ``mutate.no-parser``, ``mutate.not-the-rtl``."""
        pyslang = parser()
        rtl = folder / "rtl"
        names = (rtl / "files.f").read_text("utf-8").split()
        texts = {name: ascii_of((rtl / name).read_bytes()) for name in names}
        headers: dict[str, str] = {}
        ports: dict[str, dict[str, bool]] = {}
        parameters: dict[str, tuple[str, ...]] = {}
        for name, text in texts.items():
            for node in module_nodes(pyslang.syntax.SyntaxTree.fromText(text, name)):
                header = node.header
                module = header.name.valueText
                place = header.sourceRange
                headers[module] = text[place.start.offset : place.end.offset]
                ports[module] = {
                    port.declarator.name.valueText: port.header.direction.valueText == "input"
                    for port in header.ports.ports
                    if type(port).__name__ != "Token"
                }
                parameters[module] = _settable(header)
        compilation, errors = elaborate(texts, top)
        if errors:
            raise UserError(
                "mutate.not-the-rtl",
                "the RTL of the build cannot be read",
                where=str(rtl),
                why=errors[0],
                fix=("run gatesmith build again",),
            )
        images, dead = _elaborated(pyslang, compilation, texts)
        return Rtl(rtl, top, texts, headers, ports, parameters, images, dead)

    def sites(self) -> list[Mutant]:
        """Every mutant of the elaborated text, in order."""
        pyslang = parser()
        inputs = {m: frozenset(p for p, i in ports.items() if i) for m, ports in self.ports.items()}
        found: list[Mutant] = []
        for file, text in self.texts.items():
            for node in module_nodes(pyslang.syntax.SyntaxTree.fromText(text, file)):
                top = node.header.name.valueText == self.top
                found += Walker(text, file, node, inputs, whole=top).found
        live = [m for m in found if not self._is_dead(m)]
        return list({m.key: m for m in live}.values())

    def _is_dead(self, mutant: Mutant) -> bool:
        dead = self.dead.get(mutant.file, ())
        return any(start <= mutant.start and mutant.end <= end for start, end in dead)

    def in_images(self) -> Iterator[tuple[Image, list[tuple[int, int]], str]]:
        """Images with their text, and where each word of it is."""
        for image in self.images:
            text = ascii_of((self.folder / image.file).read_bytes())
            places = [
                (word.start(), word.end()) for word in re.finditer(r"(?m)^[0-9a-fA-F]+$", text)
            ]
            yield image, places[: image.words], text


def flipped(image: Image, text: str, place: tuple[int, int], bit: int) -> Mutant:
    """One bit of one word inverted."""
    start, end = place
    before = text[start:end]
    after = f"{int(before, 16) ^ (1 << bit):0{len(before)}x}"
    line = text.count("\n", 0, start) + 1
    return Mutant(image.file, image.file, line, "memory", start, end, before, after, IMAGE)


def exchanged(
    image: Image, text: str, first: tuple[int, int], second: tuple[int, int]
) -> Mutant | None:
    """Two words in a row in each other's place; None where they are the same."""
    a, b = text[slice(*first)], text[slice(*second)]
    before = text[first[0] : second[1]]
    after = f"{b}{text[first[1] : second[0]]}{a}"
    line = text.count("\n", 0, first[0]) + 1
    same = Mutant(image.file, image.file, line, "memory", first[0], second[1], before, after, IMAGE)
    return None if a == b else same


def parser() -> Any:
    """pyslang. Errors: ``mutate.no-parser``."""
    try:
        import pyslang  # optional: only this needs it
        import pyslang.ast
        import pyslang.syntax
    except ImportError as error:
        raise UserError(
            "mutate.no-parser",
            "slang is not installed",
            where="gatesmith mutate",
            why=str(error),
            fix=("pip install 'gatesmith[sim,synth]'",),
        ) from error
    return pyslang


def elaborate(texts: Mapping[str, str], top: str) -> tuple[Any, list[str]]:
    """The elaborated design, and what slang calls errors."""
    pyslang = parser()
    options = pyslang.ast.CompilationOptions()
    options.topModules = {top}
    bag = pyslang.Bag()
    bag.compilationOptions = options
    compilation = pyslang.ast.Compilation(bag)
    for name, text in texts.items():
        compilation.addSyntaxTree(pyslang.syntax.SyntaxTree.fromText(text, name))
    found = compilation.getAllDiagnostics()
    codes = [(str(d.code), d.isError()) for d in found]
    return compilation, [code for code, error in codes if error or code in BEYOND]


def _settable(header: Any) -> tuple[str, ...]:
    if header.parameters is None:
        return ()
    return tuple(
        d.name.valueText
        for declared in header.parameters.declarations
        if type(declared).__name__ != "Token" and "localparam" not in str(declared)
        for d in declared.declarators
        if type(d).__name__ != "Token"
    )


def _elaborated(
    pyslang: Any, compilation: Any, texts: Mapping[str, str]
) -> tuple[tuple[Image, ...], dict[str, list[tuple[int, int]]]]:
    """Memory images, and generate blocks that no instance has."""
    blocks: dict[tuple[str, int, int], bool] = {}
    arrays: dict[str, tuple[int, int]] = {}
    manager = compilation.sourceManager
    read = {
        (file, name): image
        for file, text in texts.items()
        for image, name in re.findall(r'\$readmemh\("([^"]+)",\s*(\w+)\)', text)
    }

    def visit(symbol: Any) -> None:
        kind = type(symbol).__name__
        if kind == "GenerateBlockSymbol" and symbol.syntax is not None:
            place = symbol.syntax.sourceRange
            file = manager.getFileName(symbol.location)
            key = (file, place.start.offset, place.end.offset)
            blocks[key] = blocks.get(key, False) or not symbol.isUninstantiated
        elif kind == "VariableSymbol" and symbol.type.isUnpackedArray:
            image = read.get((manager.getFileName(symbol.location), symbol.name))
            if image is not None:
                size = symbol.type.range.width
                arrays[image] = (symbol.type.elementType.bitWidth, size)

    compilation.getRoot().visit(visit)
    dead: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for (file, start, end), lives in blocks.items():
        if not lives:
            dead[file].append((start, end))
    images = tuple(Image(file, *size) for file, size in sorted(arrays.items()))
    return images, dict(dead)
