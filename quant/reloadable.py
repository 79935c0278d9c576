"""Layers whose weights and thresholds are to be written while the core is in use.

Such a layer is lowered for any weights of a type, not for those that it has: its sums are wide
enough for all of them, and what quantizes them is always a Threshold, with a row for each channel.
Another network of the same structure then needs nothing but other numbers.

The type is BIPOLAR or TERNARY where the weights are, else signed, of the bits that they take; or of
the bits that were asked for. Another network is lowered with the types of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from gatesmith.errors import UserError
from gatesmith.ir import BIPOLAR, TERNARY, Ints, IntType, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.reshape import Reshape

ALL = "all"
"""In the place of a layer's name: every layer that can be."""

MOST_BITS = 16
"""Widest weight that lowering takes for one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was said of some layers.

    Attributes:
        pattern: Name in the IR or of the ONNX node, with ``*`` and ``?``; ``all``.
        bits: Of a weight; None: as many as the weights take.

    >>> Wish.parse("fc1=4"), Wish.parse("all")
    (Wish(pattern='fc1', bits=4), Wish(pattern='all', bits=None))
    """

    pattern: str
    bits: int | None = None

    @staticmethod
    def parse(text: str) -> Wish:
        """``LAYER`` or ``LAYER=BITS``; ValueError says what is wrong."""
        name, equals, bits = text.rpartition("=")
        if not equals:
            name, bits = text, ""
        if not name.strip():
            raise ValueError(f"{text!r} names no layer")
        if equals and not (bits.isascii() and bits.isdigit() and 1 <= int(bits) <= MOST_BITS):
            raise ValueError(f"{bits!r} are no bits of a weight: 1 to {MOST_BITS}")
        return Wish(name.strip(), int(bits) if bits else None)

    def __str__(self) -> str:
        return self.pattern if self.bits is None else f"{self.pattern}={self.bits}"

    @property
    def names_many(self) -> bool:
        """Whether it may mean layers that cannot be."""
        return self.pattern == ALL or any(sign in self.pattern for sign in "*?[")

    def means(self, names: Sequence[str]) -> bool:
        """Whether a layer with these names is meant."""
        any_of = self.pattern in names or any(fnmatchcase(n, self.pattern) for n in names)
        return self.pattern == ALL or any_of


@dataclass(slots=True)
class Reloads:
    """The wishes, and what becomes of them while a graph is lowered.

    Attributes:
        wishes: What was said; of several for one layer the last counts.
        types: Of another network, by number of the layer: the type of its weights, or None.
        layers: Names of each layer, in the order in which they are lowered.
        found: Type of the weights of each, None where it is not reloaded.
        met: Wishes that mean some layer.
    """

    wishes: tuple[Wish, ...] = ()
    types: tuple[IntType | None, ...] | None = None
    layers: list[str] = field(default_factory=list)
    found: list[IntType | None] = field(default_factory=list)
    met: set[Wish] = field(default_factory=set)

    def wish(self, names: Sequence[str]) -> Wish | None:
        """What was said of a layer."""
        means = [wish for wish in self.wishes if wish.means(names)]
        self.met.update(means)
        return means[-1] if means else None

    def type_of(self, names: Sequence[str], weights: Ints) -> IntType | None:
        """Type of the weights of the next layer, where it is to be reloaded.

        Raises:
            ValueError: The weights do not fit what was asked for.
        """
        wish, number = self.wish(names), len(self.layers)
        self.layers.append(names[0])
        if self.types is None:
            kind = None if wish is None else type_for(weights, wish.bits)
        else:
            kind = self.types[number] if number < len(self.types) else None
        self.found.append(kind)
        if kind is not None and not kind.contains(weights):
            lo, hi = int(weights.min()), int(weights.max())
            raise ValueError(f"its weights are {lo} to {hi} in steps of their grid, not {kind}")
        return kind

    def unknown(self) -> list[UserError]:
        """Wishes that mean no layer."""
        why = f"the layers with weights are {', '.join(self.layers) or 'none'}"
        return [
            UserError(
                "build.reloadable-unknown",
                f'no layer "{wish.pattern}" to reload',
                where=f"--reloadable {wish}",
                why=why,
                fix=("use one of these names, or all", "gatesmith inspect MODEL.onnx lists them"),
            )
            for wish in self.wishes
            if wish not in self.met
        ]


def type_for(weights: Ints, bits: int | None) -> IntType:
    """The type of weights that can be replaced.

    >>> import numpy as np
    >>> [type_for(np.array(w), None) for w in ([-1, 1], [0, 1], [-3, 2], [0, 7])]
    [bipolar, i2[-1..1], i3, i4]
    >>> type_for(np.array([0, 1]), 4), type_for(np.array([1]), 1)
    (i4, bipolar)
    """
    if bits == 1:
        return BIPOLAR
    if bits is None:
        if BIPOLAR.contains(weights):
            return BIPOLAR
        if TERNARY.contains(weights):
            return TERNARY
        lo, hi = min(-1, int(weights.min())), max(0, int(weights.max()))
        bits = IntType(lo, hi).bits
    half = 1 << (bits - 1)
    return IntType(-half, half - 1)


def reloads(node: Node) -> bool:
    """Whether values are the sums of a layer that can be reloaded; nothing but a shape between."""
    while isinstance(node.op, Reshape):
        (node,) = node.args
    return isinstance(node.op, Dense) and node.op.reloadable
