"""Forms: how lowering sees a real value.

A form says that a value is an exact real function of an integer node, element by element:

    value[i] = step_n(... step_1(base[order[i]]))

The steps are affine maps, clamps and signs with rational constants, so nothing is rounded; a
quantizer ends the chain and turns it into thresholds or a multiply-shift. ``order`` is the
permutation that transposes have left behind; it costs nothing until something needs the order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Node, Reals

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


Step: TypeAlias = Scale | Clamp | Sign
Chain: TypeAlias = tuple[tuple[Any, ...], ...]
"""The steps of one element: ("scale", mul, add), ("clamp", lo, hi), ("sign",)."""


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A value as an exact function of an integer node.

    Attributes:
        base: Integer node; None while the value still is a real input of the model that no
            quantizer has met.
        shape: Frame shape of the value.
        steps: Applied first to last.
        order: Flat position in ``base`` of each element of the value; None for the identity.
        host: Operators that are left to the host, behind the steps (a final Softmax).
        origin: ONNX nodes behind the base that the steps stand for.
    """

    base: Node | None
    shape: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    order: NDArray[np.int64] | None = None
    host: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()

    def then(self, step: Step) -> Form:
        """One more step; neighbouring affine maps become one."""
        if isinstance(step, Scale) and self.steps and isinstance(self.steps[-1], Scale):
            before = self.steps[-1]
            merged = Scale(step.mul * before.mul, step.mul * before.add + step.add)
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
        steps = tuple(self._move(step, lambda a: a.reshape(shape)) for step in self.steps)
        return replace(self, shape=shape, steps=steps)

    def transposed(self, perm: tuple[int, ...]) -> Form:
        """Axes in another order."""
        size = int(np.prod(self.shape, dtype=np.int64))
        order = np.arange(size) if self.order is None else self.order
        order = order.reshape(self.shape).transpose(perm).reshape(-1)
        steps = tuple(self._move(step, lambda a: a.transpose(perm)) for step in self.steps)
        shape = tuple(self.shape[axis] for axis in perm)
        same = bool((order == np.arange(size)).all())
        return replace(self, shape=shape, steps=steps, order=None if same else order)

    def _move(self, step: Step, rearrange: Any) -> Step:
        if not isinstance(step, Scale):
            return step
        mul, add = (
            a if a.size == 1 and a.ndim == 0 else rearrange(np.broadcast_to(a, self.shape))
            for a in (step.mul, step.add)
        )
        return Scale(mul, add)

    def in_base_order(self, params: Rationals) -> Rationals:
        """Parameters of the value's elements, rearranged to the base's elements: (base.size,)."""
        full = np.broadcast_to(params, self.shape).reshape(-1)
        if self.order is None:
            return full
        out: Rationals = np.empty(full.shape, object)
        out[self.order] = full
        return out

    def channel_chains(
        self, extra: tuple[Rationals, ...] = ()
    ) -> list[tuple[Chain, tuple[Fraction, ...]]]:
        """Chain and extra parameters of each element of the base, in its order.

        As few entries as say it all: one when every element is alike, one a channel of the base's
        last axis when the vectors are alike, else one an element.
        """
        assert self.base is not None
        channels = self.base.type.channels
        params = [a for s in self.steps if isinstance(s, Scale) for a in (s.mul, s.add)]
        everything = [*params, *extra]
        if all(a.size == 1 for a in everything):
            count, columns = 1, [a.reshape(1) for a in everything]
        elif (
            self.order is None
            and self.shape[-1:] == (channels,)
            and all(a.size == 1 or a.size == a.shape[-1] == channels for a in everything)
        ):
            count = channels
            columns = [np.broadcast_to(a.reshape(-1), (channels,)) for a in everything]
        else:
            columns = [self.in_base_order(a) for a in everything]
            vectors = [c.reshape(-1, channels) for c in columns]
            alike = all((v == v[0]).all() for v in vectors)
            count = channels if alike else self.base.type.size
        entries = [self._chain(columns, i) for i in range(count)]
        return entries[:1] if len(set(entries)) == 1 else entries

    def _chain(self, columns: list[Rationals], i: int) -> tuple[Chain, tuple[Fraction, ...]]:
        """Entry i of :meth:`channel_chains`."""
        values = iter([column[i] for column in columns])
        chain: list[tuple[Any, ...]] = []
        for step in self.steps:
            match step:
                case Scale():
                    chain.append(("scale", next(values), next(values)))
                case Clamp(lo=lo, hi=hi):
                    chain.append(("clamp", lo, hi))
                case Sign():
                    chain.append(("sign",))
        return tuple(chain), tuple(values)
