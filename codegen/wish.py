"""What the user wishes for a layer: PE and SIMD, a way to build it, a way to store its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gatesmith.codegen.matrix_unit import FOLDED, PLAIN, Fold, Layer, divisors
from gatesmith.codegen.matrix_units import ROMS, UNITS, layer_of, refusal
from gatesmith.errors import UserError
from gatesmith.ir import Node


@dataclass(frozen=True, slots=True)
class Wish:
    """Of one layer; None leaves it to the search.

    Attributes:
        pe: Outputs at a time.
        simd: Multiplications for each of them at a time.
        unit: A key of UNITS.
        rom: One of ROMS.

    >>> Wish.parse("8,16,folded"), str(Wish.parse("plain"))
    (Wish(pe=8, simd=16, unit='folded', rom=None), 'plain')
    """

    pe: int | None = None
    simd: int | None = None
    unit: str | None = None
    rom: str | None = None

    @staticmethod
    def parse(text: str) -> Wish:
        """``PE,SIMD``, ``PE,SIMD,WORD``, ``WORD,...``; ValueError says what is wrong."""
        words = [word.strip() for word in text.split(",")]
        numbers = [word for word in words if word.isascii() and word.isdigit()]
        if words[: len(numbers)] != numbers or len(numbers) not in (0, 2):
            raise ValueError(f"{text} is not PE,SIMD with words such as {_words()} behind")
        if "0" in {number.lstrip("0") or "0" for number in numbers}:
            raise ValueError(f"PE and SIMD of {text} must both be 1 or more")
        pe, simd = map(int, numbers) if numbers else (None, None)
        return Wish(pe, simd).with_words(words[len(numbers) :])

    def with_words(self, words: Sequence[str]) -> Wish:
        """Units and ROMs by name; ValueError for unknown or contradicting ones."""
        units = [word for word in words if word in UNITS]
        roms = [word for word in words if word in ROMS]
        unknown = [word for word in words if word not in UNITS and word not in ROMS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no way to build a layer: there are {_words()}")
        for same in (units, roms):
            if len(same) > 1:
                raise ValueError(f"{' and '.join(same)} exclude each other")
        return Wish(self.pe, self.simd, next(iter(units), None), next(iter(roms), None))

    def __str__(self) -> str:
        parts = (self.pe, self.simd, self.unit, self.rom)
        return ",".join(str(part) for part in parts if part is not None)

    @property
    def folds(self) -> bool:
        """Whether PE and SIMD are said."""
        return self.pe is not None

    @property
    def rom_name(self) -> str:
        """The way to store weights."""
        return PLAIN if self.rom is None else self.rom

    def over(self, earlier: Wish) -> Wish:
        """Both: what this one leaves open is the earlier one's."""
        fold = self if self.folds else earlier
        return Wish(fold.pe, fold.simd, self.unit or earlier.unit, self.rom or earlier.rom)

    def allows(self, fold: Fold) -> bool:
        """Whether a fold is one of those wished for."""
        return self.pe in (None, fold.pe) and self.simd in (None, fold.simd)


def _words() -> str:
    return ", ".join([*UNITS, *(rom for rom in ROMS if rom != PLAIN)])


def wished(
    layers: Sequence[Node], given: Mapping[str, Wish], cycles: int, errors: list[UserError]
) -> dict[Node, Wish]:
    """Wish of each layer, checked for these cycles a frame; what cannot be goes to ``errors``."""
    wishes: dict[Node, Wish] = {}
    unknown: list[UserError] = []
    for name, wish in given.items():
        found = [node for node in layers if _named(name, node)]
        if not found:
            unknown.append(_unknown_layer(name, layers))
        for node in found:
            wishes[node] = wish.over(wishes.get(node, Wish()))
    refused = {node: _refused(node, wish, cycles) for node, wish in wishes.items()}
    errors += [error for error in refused.values() if error is not None] + unknown
    return {node: wish for node, wish in wishes.items() if refused[node] is None}


def _named(pattern: str, node: Node) -> bool:
    """By the name in the IR, or that of the first ONNX node; ``*`` and ``?`` match anything."""
    names = (node.name, *node.origin[:1])
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


def _refused(node: Node, wish: Wish, cycles: int) -> UserError | None:
    layer = layer_of(node, cycles)
    if wish.unit is None and wish.folds and wish.rom is None:
        wish = Wish(wish.pe, wish.simd, FOLDED)
    units = [UNITS[wish.unit]] if wish.unit is not None else list(UNITS.values())
    able = [unit for unit in units if wish.rom_name in unit.roms]
    if not able:
        return _cannot(node, wish, f"{wish.unit} units store weights as {', '.join(units[0].roms)}")
    whys = [refusal(unit, layer, wish.rom_name) for unit in able]
    if all(why is not None for why in whys):
        different = dict.fromkeys(why for why in whys if why is not None)
        return _cannot(node, wish, "; ".join(different))
    fits = [unit for unit, why in zip(able, whys, strict=True) if why is None]
    folds = [fold for unit in fits for fold in unit.folds(layer, wish.rom_name)]
    if not any(wish.allows(fold) for fold in folds):
        return _does_not_divide(node, layer, wish, folds)
    return None


def _cannot(node: Node, wish: Wish, why: str) -> UserError:
    return UserError(
        "codegen.unit",
        f"{node.name} cannot be built as {wish}",
        where=f'--fold, layer "{node.name}"',
        why=why,
        fix=("leave it to gatesmith: name other layers only",),
    )


def _unknown_layer(name: str, layers: Sequence[Node]) -> UserError:
    return UserError(
        "codegen.fold",
        f'no layer "{name}" to fold',
        where="--fold",
        why="the foldable layers are " + ", ".join(node.name for node in layers),
        fix=("use one of these names", "gatesmith inspect MODEL.onnx lists them"),
    )


def _does_not_divide(node: Node, layer: Layer, wish: Wish, folds: Sequence[Fold]) -> UserError:
    plain = wish.unit in (None, FOLDED)
    pes = divisors(layer.outputs) if plain else sorted({fold.pe for fold in folds})
    simds = divisors(layer.inputs) if plain else sorted({fold.simd for fold in folds})
    return UserError(
        "codegen.fold",
        f"PE={wish.pe}, SIMD={wish.simd} cannot fold {node.name}",
        where=f'--fold, layer "{node.name}" with {layer.inputs} inputs and {layer.outputs} outputs',
        why="PE must divide the number of outputs, and SIMD the number of inputs"
        if plain
        else f"a {wish.unit} unit of this layer has other folds",
        fix=(
            f"PE: one of {', '.join(map(str, pes))}",
            f"SIMD: one of {', '.join(map(str, simds))}",
        ),
    )


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
