"""Types of hls4ml's layers from exact ranges: nothing overflows, no bit is wasted.

1. The input carries the codes of ``--input`` (or of the network's first quantizer) times their
   scale: its range is known. 2. A constant gets the fewest bits that hold it exactly; one that no
   fixed-point number holds is rounded to ``fraction`` fractional bits. 3. The range of each result
   follows element by element from those of its inputs and the actual weights; accumulators hold
   it, and all fractional bits of their products. 4. A quantizer of the network keeps its own type,
   which rounds and saturates as the quantizer says. 5. Any other result keeps its fractional bits,
   at most ``fraction`` of them where a constant before it was rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.hls4ml_bridge.evaluate import COPY, POOL, PRODUCTS, SCALE, Num, spread
from gatesmith.hls4ml_bridge.fixed import (
    Fixed,
    dyadic_bits,
    holding,
    to_codes,
    to_reals,
)
from gatesmith.hls4ml_bridge.layers import Layer

EXACT = 48
"""Fractional bits above which a number counts as one that fixed-point does not hold."""


@dataclass(frozen=True, slots=True)
class Bits:
    """How finely numbers are kept.

    Attributes:
        fraction: Fractional bits of results whose constants were rounded.
        held: Most fractional bits of a constant that is kept exactly, up to :data:`EXACT`.
    """

    fraction: int
    held: int = EXACT


@dataclass(frozen=True, slots=True)
class InputRange:
    """Real values that arrive.

    Attributes:
        lo: Least.
        hi: Largest.
        step: Every value is a multiple of it; 0 where that is not known.
    """

    lo: float
    hi: float
    step: float


@dataclass(frozen=True, slots=True, eq=False)
class _Range:
    lo: NDArray[Any]
    hi: NDArray[Any]
    exact: bool
    """Whether the type holds every value; if not, something before it was rounded."""


def choose(
    layers: Sequence[Layer], given: InputRange, bits: Bits, *, saturates: bool = False
) -> list[Layer]:
    """The layers with types chosen; where a range is not known, hls4ml's own type stays.

    Args:
        layers: In order; types as hls4ml chose them.
        given: The input's values.
        bits: How finely constants and results are kept.
        saturates: Whether the input's type saturates, as the network's own quantizer does next.
    """
    ranges: dict[str, _Range] = {}
    done: list[Layer] = []
    for layer in layers:
        if not layer.inputs or layer.kind in ("Input", "InputLayer"):
            one, ranges[layer.name] = _input(layer, given, bits.fraction, saturates)
        elif layer.kind in COPY and (source := _named(done, layer.inputs[0])) is not None:
            one, ranges[layer.name] = _same(layer, source, ranges)
        else:
            args = [ranges.get(name) for name in layer.inputs]
            known = [arg for arg in args if arg is not None]
            types = [source.result for n in layer.inputs if (source := _named(done, n))]
            if len(known) < len(args) or None in types or len(types) < len(args):
                one = layer
            else:
                one, found = _computed(layer, known, [t for t in types if t], bits)
                if found is not None:
                    ranges[layer.name] = found
        done.append(one)
    return done


def constants(layer: Layer) -> dict[str, Num]:
    """Constants as the types of a layer round them, to the nearest."""
    found = {}
    for name, data in layer.weights.items():
        kind = layer.types.get(f"{name}_t")
        if kind is not None:
            found[name] = Num(kind.limited(to_codes(data, kind.frac)), kind.frac)
    return found


def is_held(layer: Layer) -> bool:
    """Whether every constant of a layer is exactly what the network means."""
    return all(
        (to_reals(num.codes, num.frac) == layer.weights[name]).all()
        for name, num in constants(layer).items()
    )


def _input(layer: Layer, given: InputRange, fraction: int, saturates: bool) -> tuple[Layer, _Range]:
    bits = dyadic_bits(np.array([given.step]), EXACT) if given.step else None
    frac = fraction if bits is None else bits
    kind = holding(given.lo, given.hi, frac)
    if bits is None:  # a value may be rounded up to the next step
        kind = replace(holding(given.lo, given.hi + 2.0**-frac, frac), rounding="RND_CONV")
    if saturates:
        kind = replace(kind, overflow="SAT")
    shape = (1, *layer.shape)
    found = _Range(np.full(shape, given.lo), np.full(shape, given.hi), bits is not None)
    return _typed(layer, {"result_t": kind}), found


def _same(layer: Layer, source: Layer, ranges: Mapping[str, _Range]) -> tuple[Layer, _Range]:
    """A layer that only moves values: the type of its input."""
    before = ranges[source.name]
    ends = spread(layer, [Num(before.lo)], [Num(before.hi)], {})
    assert ends is not None
    one = layer if layer.quantizer else _typed(layer, {"result_t": source.result})
    return one, _Range(ends[0], ends[1], before.exact)


def _computed(
    layer: Layer, args: Sequence[_Range], types: Sequence[Fixed], bits: Bits
) -> tuple[Layer, _Range | None]:
    held = all(arg.exact for arg in args)
    largest = max(float(np.abs(end).max()) for arg in args for end in (arg.lo, arg.hi))
    changes: dict[str, Fixed | None] = {}
    fracs: dict[str, int] = {}
    used: dict[str, Num] = {}
    for name, data in layer.weights.items():
        if layer.types.get(f"{name}_t") is None:
            return layer, None
        frac = dyadic_bits(data, bits.held)
        if frac is None:
            terms = 1 if name == "bias" else largest * max(1, data.size // max(1, data.shape[-1]))
            frac, held = bits.fraction + max(0, int(np.frexp(terms)[1])), False
        rounded = to_reals(to_codes(data, frac), frac)
        changes[f"{name}_t"] = holding(float(rounded.min()), float(rounded.max()), frac)
        fracs[name], used[name] = frac, Num(rounded)
    ends = spread(layer, [Num(arg.lo) for arg in args], [Num(arg.hi) for arg in args], used)
    if ends is None:
        return _typed(layer, changes), None
    lo, hi = float(ends[0].min()), float(ends[1].max())
    frac = _frac(layer, [t.frac for t in types], fracs)
    if layer.kind in PRODUCTS:
        changes["accum_t"] = holding(min(lo, 0.0), max(hi, 0.0), frac)
    if layer.quantizer and layer.result is not None:
        kind = layer.result
        low, high = (to_reals(kind.cast(to_codes(e, EXACT), EXACT), kind.frac) for e in ends)
        return _typed(layer, changes), _Range(low, high, True)
    if not held:
        frac = min(frac, bits.fraction)
    changes["result_t"] = holding(lo, hi, frac)
    if layer.kind in POOL:
        changes["accum_t"] = changes["result_t"]
    return _typed(layer, changes), _Range(ends[0], ends[1], held)


def _frac(layer: Layer, types: Sequence[int], fracs: Mapping[str, int]) -> int:
    """Fractional bits that hold the result exactly, from those of inputs and constants."""
    if layer.kind in PRODUCTS or layer.kind in SCALE:
        factor = fracs["scale" if layer.kind in SCALE else "weight"]
        return max(0, types[0] + factor, fracs.get("bias", 0))
    if layer.kind == "Merge" and layer.get("op") == "multiply":
        return max(0, sum(types))
    return max(0, *types)


def _typed(layer: Layer, changes: Mapping[str, Fixed | None]) -> Layer:
    known = {role: t for role, t in changes.items() if role in layer.types and t is not None}
    return replace(layer, types={**layer.types, **known})


def _named(layers: Sequence[Layer], name: str) -> Layer | None:
    return next((layer for layer in layers if layer.name == name), None)
