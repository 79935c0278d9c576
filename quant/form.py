"""Forms: how lowering sees a real value.

A form says that a value is an exact real function of an integer node, element by element:

    value[i] = step_n(... step_1(base[order[i]]))

The steps are affine maps, clamps, signs, leaks, monotone functions and look-ups with constants that
are rational, so nothing is rounded; a quantizer ends the chain and turns it into thresholds, a
multiply-shift or a table. ``order`` is where transposes, slices and copies have put the base's
elements; it costs nothing until something needs the value's own order (quant/layout.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Ints, Node, Reals

Rationals: TypeAlias = NDArray[np.object_]
"""Array of Fraction, broadcasts to the shape of the value it belongs to."""

ONE, ZERO = Fraction(1), Fraction(0)


def rationals(values: Reals) -> Rationals:
    """The exact rational of each float64."""
    out: Rationals = np.empty(values.shape, object)
    flat = out.reshape(-1)
    flat[:] = [Fraction(v) for v in values.reshape(-1).tolist()]
    return out


def rational(value: Fraction | int) -> Rationals:
    """A scalar."""
    out: Rationals = np.empty((), object)
    out[()] = Fraction(value)
    return out


def objects(items: list[Any]) -> Rationals:
    """One axis of anything hashable."""
    out: Rationals = np.empty(len(items), object)
    for index, item in enumerate(items):
        out[index] = item
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """v -> mul * v + add."""

    mul: Rationals
    add: Rationals

    def __post_init__(self) -> None:
        # NumPy turns the result of 0-d object arithmetic into the bare object; keep arrays.
        object.__setattr__(self, "mul", np.asarray(self.mul, object))
        object.__setattr__(self, "add", np.asarray(self.add, object))


@dataclass(frozen=True, slots=True, eq=False)
class Clamp:
    """v -> min(max(v, lo), hi); None is no limit."""

    lo: Fraction | None
    hi: Fraction | None


@dataclass(frozen=True, slots=True, eq=False)
class Sign:
    """v -> -1, 0 or +1."""


@dataclass(frozen=True, slots=True, eq=False)
class Leak:
    """v -> v if v >= 0 else slope * v, slopes of 0 or more."""

    slope: Rationals


@dataclass(frozen=True, slots=True, eq=False)
class Monotone:
    """v -> f(v), a kind of gatesmith/ops/function.py that never falls and has an inverse."""

    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """n -> row[(n - lo) / step] of the base's type; only as the first step.

    Attributes:
        rows: Array of tuples of Fraction, one entry for each value of the base.
    """

    rows: Rationals


Step: TypeAlias = Scale | Clamp | Sign | Leak | Monotone | Lookup
Chain: TypeAlias = tuple[tuple[Any, ...], ...]
"""The steps of one element: ("scale", mul, add), ("clamp", lo, hi), ("sign",), ("leak", slope),
("monotone", kind), ("lookup", row, lo, step)."""

_ARRAYS = {"mul", "add", "slope", "rows"}


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A value as an exact function of an integer node.

    Attributes:
        base: Integer node; None while the value still is a real input of the model that no
            quantizer has met.
        shape: Frame shape of the value.
        steps: Applied first to last.
        order: int64 (size,): flat position in ``base`` of each element of the value; None for the
            identity. Elements may be left out and may be repeated.
        host: Operators that are left to the host, behind the steps (a final Softmax).
        origin: ONNX nodes behind the base that the steps stand for.
        source: The real Input that it comes from while ``base`` is None.
    """

    base: Node | None
    shape: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    order: Ints | None = None
    host: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    source: Node | None = None

    @property
    def size(self) -> int:
        """Elements of the value."""
        return int(np.prod(self.shape, dtype=np.int64))

    def then(self, step: Step) -> Form:
        """One more step; neighbouring affine maps become one, look-ups take everything in."""
        last = self.steps[-1] if self.steps else None
        if isinstance(step, Scale) and isinstance(last, Scale):
            merged = Scale(step.mul * last.mul, step.mul * last.add + step.add)
            return replace(self, steps=(*self.steps[:-1], merged))
        return replace(self, steps=(*self.steps, step))

    def affine(self) -> Scale | None:
        """The whole chain as one affine map, if it is one."""
        match self.steps:
            case ():
                return Scale(rational(1), rational(0))
            case (Scale() as only,):
                return only
            case _:
                return None

    def reshaped(self, shape: tuple[int, ...]) -> Form:
        """The same elements in the same order under another shape."""
        return self.moved(lambda a: a.reshape(shape), identity=True)

    def transposed(self, perm: tuple[int, ...]) -> Form:
        """Axes in another order."""
        return self.moved(lambda a: a.transpose(perm))

    def moved(self, rearrange: Callable[[Ints], Ints], *, identity: bool = False) -> Form:
        """The value after any movement of its elements, which may drop and repeat some.

        Args:
            rearrange: Takes an array of the value's shape; the movement itself.
            identity: Whether the row-major order of the elements stays.
        """
        size = self.size
        order = np.arange(size) if self.order is None else self.order
        moved = rearrange(order.reshape(self.shape))
        steps = tuple(self._move(step, rearrange) for step in self.steps)
        flat = np.ascontiguousarray(moved).reshape(-1)
        same = identity and self.order is None
        if not same and self.base is not None and flat.size == self.base.type.size:
            same = bool((flat == np.arange(flat.size)).all())
        elif not same and self.base is None and flat.size == size and self.order is None:
            same = bool((flat == np.arange(size)).all())
        return replace(self, shape=moved.shape, steps=steps, order=None if same else flat)

    def _move(self, step: Step, rearrange: Callable[[Ints], Ints]) -> Step:
        """A step whose parameters have moved with the elements, as small as it can be."""
        changed = {}
        for field in fields(step):
            if field.name not in _ARRAYS:
                continue
            array = getattr(step, field.name)
            if array.ndim:
                codes, table = numbered(array)
                full = rearrange(np.broadcast_to(codes, self.shape))
                changed[field.name] = table[collapsed(full)]
        return replace(step, **cast(Any, changed)) if changed else step

    def arrays(self) -> list[Rationals]:
        """Parameters of every step that has some, in the order of :meth:`channel_chains`."""
        return [
            getattr(step, field.name)
            for step in self.steps
            for field in fields(step)
            if field.name in _ARRAYS
        ]

    def channel_chains(
        self, extra: tuple[Rationals, ...] = ()
    ) -> list[tuple[Chain, tuple[Fraction, ...]]] | None:
        """Chain and extra parameters of each element of the base, in its order.

        As few entries as say it all: one when every element is alike, one a channel of the base's
        last axis when the vectors are alike, else one an element. None when an element of the base
        that appears several times in the value meets different parameters.
        """
        assert self.base is not None
        params = [*self.arrays(), *extra]
        if all(a.size == 1 for a in params):
            return [self.entry(tuple(a.reshape(-1)[0] for a in params))]
        numbers, rows = combined(params)
        ids = self._in_base_order(np.broadcast_to(numbers, self.shape).reshape(-1))
        if ids is None:
            return None
        channels = self.base.type.channels
        vectors = ids.reshape(-1, channels)
        if (vectors == vectors[0]).all():
            ids = vectors[0]
        if (ids == ids[0]).all():
            ids = ids[:1]
        known = {number: self.entry(rows[number]) for number in set(ids.tolist())}
        return [known[number] for number in ids.tolist()]

    def _in_base_order(self, ids: Ints) -> Ints | None:
        """Numbers of the value's elements as those of the base's; None where they disagree."""
        if self.order is None:
            return ids
        assert self.base is not None
        full = np.full(self.base.type.size, -1, np.int64)
        full[self.order] = ids
        if not (full[self.order] == ids).all():
            return None
        missing = full < 0  # elements that the value leaves out: anything will do
        if missing.any():
            vectors = full.reshape(-1, self.base.type.channels)
            usual = np.where(vectors.max(axis=0) < 0, ids[0], vectors.max(axis=0))
            full = np.where(vectors < 0, usual, vectors).reshape(-1)
        return full

    def entry(self, values: tuple[Any, ...]) -> tuple[Chain, tuple[Fraction, ...]]:
        """The steps with the parameters of one element."""
        given = iter(values)
        chain: list[tuple[Any, ...]] = []
        for step in self.steps:
            match step:
                case Scale():
                    chain.append(("scale", next(given), next(given)))
                case Clamp(lo=lo, hi=hi):
                    chain.append(("clamp", lo, hi))
                case Sign():
                    chain.append(("sign",))
                case Leak():
                    chain.append(("leak", next(given)))
                case Monotone(kind=kind):
                    chain.append(("monotone", kind))
                case Lookup():
                    assert self.base is not None
                    elem = self.base.type.int_elem
                    chain.append(("lookup", next(given), elem.lo, elem.step))
        return tuple(chain), tuple(given)


def numbered(array: Rationals) -> tuple[Ints, Rationals]:
    """Each element as the number of its value, and the values."""
    numbers: dict[Any, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in array.reshape(-1).tolist()]
    return np.array(codes, np.int64).reshape(array.shape), objects(list(numbers))


def combined(arrays: list[Rationals]) -> tuple[Ints, list[tuple[Any, ...]]]:
    """Each element of the broadcast of all arrays as the number of its row, and the rows.

    Numbered anew after each array, so that numbers stay below the count of elements, however many
    arrays and values there are.
    """
    numbers, rows = np.zeros((), np.int64), [()]
    for array in arrays:
        codes, table = numbered(array)
        pairs = np.asarray(numbers * len(table) + codes)
        found, again = np.unique(pairs, return_inverse=True)
        numbers = again.reshape(pairs.shape)
        rows = [(*rows[k // len(table)], table[k % len(table)]) for k in found.tolist()]
    return numbers, rows


def collapsed(codes: Ints) -> Ints:
    """The array without the extents along which it does not change."""
    for axis in range(codes.ndim):
        first = codes.take([0], axis)
        if codes.shape[axis] > 1 and (codes == first).all():
            codes = first
    return codes if codes.size > 1 else codes.reshape(())
