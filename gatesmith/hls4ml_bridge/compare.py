"""hls4ml's C simulation against our integers, layer by layer, and why they differ.

Each layer is judged twice.

Its step: the simulated result against what :func:`evaluate` makes of the layer's own simulated
inputs with the constants and types that hls4ml was given, cast as those types say. Equality, bit
for bit, proves that nothing but these types is at work in the layer. What the layer means, on the
same inputs, with the constants unrounded, then says what the types changed.

Its value: against ours. Quantizers and outputs (and with ``--form codes`` every layer) have a node
in our integer graph; for the others the reference is the network run as it means, in float64,
quantizers included, through hls4ml's own graph, which must meet our codes wherever there are some.

Causes, from that evidence:

    equal                    every value is ours
    scale-not-representable  a constant that no fixed-point number of its type holds
    rounding                 a result (or the input) was rounded to its fractional bits
    saturation               a result left the range of its type
    table                    a function that hls4ml looks up in a table
    from NAME                the layer changes nothing: what it reads differs, because of NAME
    unexplained              none of these is proven; must not be
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.hls4ml_bridge.evaluate import COPY, PRODUCTS, Num, evaluate
from gatesmith.hls4ml_bridge.fixed import Codes, Fixed, to_codes, to_reals
from gatesmith.hls4ml_bridge.layers import Layer
from gatesmith.hls4ml_bridge.precision import constants, is_held

EQUAL, SCALE, ROUNDING, SATURATION = "equal", "scale-not-representable", "rounding", "saturation"
TABLE, UNEXPLAINED = "table", "unexplained"
INPUT_BITS = 60
"""Fractional bits that a float64 frame is read with; those of hls4ml's types are far fewer."""
FINE = 40

TABLES = ("softmax", "sigmoid", "tanh", "softplus", "softsign", "elu", "selu", "dense_tanh")


@dataclass(frozen=True, slots=True, eq=False)
class Ours:
    """What we say a layer's value is.

    Attributes:
        node: Node of our integer graph.
        values: Its integers, (frames, *shape).
        unit: What one of them is in hls4ml's numbers.
    """

    node: str
    values: NDArray[np.int64]
    unit: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One layer.

    Attributes:
        name: hls4ml's.
        kind: hls4ml's class.
        node: Ours, where one says the same; None: compared with what the network means.
        types: Types that it was given, by role.
        compared: Values.
        equal: Those that are ours.
        difference: Largest difference, in hls4ml's numbers.
        codes: The same in steps of our code; None without a node.
        cause: See above.
        step_equal: Whether the layer's own step was reproduced bit for bit; None: not modelled.
    """

    name: str
    kind: str
    node: str | None
    types: Mapping[str, str]
    compared: int
    equal: int
    difference: float
    codes: float | None
    cause: str
    step_equal: bool | None


def compare(
    layers: Sequence[Layer],
    frames: NDArray[np.float64],
    trace: Mapping[str, NDArray[np.float64]],
    ours: Mapping[str, Ours],
) -> list[Verdict]:
    """Judge every layer.

    Args:
        layers: In order.
        frames: What was fed, (frames, ...).
        trace: Simulated values by name of the layer.
        ours: By name of the layer.
    """
    walk = _Walk(frames, trace, ours)
    return [walk.judge(layer) for layer in layers]


class _Walk:
    def __init__(
        self,
        frames: NDArray[np.float64],
        trace: Mapping[str, NDArray[np.float64]],
        ours: Mapping[str, Ours],
    ) -> None:
        self.frames, self.trace, self.ours = frames, trace, ours
        self.actual: dict[str, Num] = {}
        self.meant: dict[str, NDArray[np.float64]] = {}
        self.causes: dict[str, str] = {}

    def judge(self, layer: Layer) -> Verdict:
        """One layer; those that it reads were judged before."""
        typed = self._typed(layer)
        simulated = self._simulated(layer, typed)
        self._mean(layer)
        step_equal = None if typed is None else _same(typed, simulated)
        own = self._own_cause(layer, simulated, step_equal)
        found = self.ours.get(layer.name)
        value = to_reals(simulated.codes, simulated.frac)
        if found is not None and found.values.size == value.size:
            wanted = found.values.reshape(value.shape) * found.unit
        else:
            found = None
            meant = self.meant.get(layer.name)
            wanted = value if meant is None else meant
            if meant is None:
                own = own if own == TABLE else UNEXPLAINED
        same = np.isclose(value, wanted, rtol=1e-12, atol=0) if found is None else value == wanted
        differing = int((~same).sum())
        largest = float(np.abs(value - wanted).max(initial=0.0)) if differing else 0.0
        cause = self._cause(layer, own, differing, found)
        self.actual[layer.name], self.causes[layer.name] = simulated, cause
        return Verdict(
            layer.name,
            layer.kind,
            None if found is None else found.node,
            {role: repr(t) for role, t in sorted(layer.types.items()) if t and role != "index_t"},
            int(value.size),
            int(value.size) - differing,
            largest,
            None if found is None else largest / found.unit,
            cause,
            step_equal,
        )

    def _typed(self, layer: Layer) -> Num | None:
        """The layer's result from its simulated inputs, as its types make it."""
        result = layer.result
        if result is None or any(t is None for t in layer.types.values()):
            return None
        if not layer.inputs:
            return Num(result.cast(to_codes(self._fed(layer), INPUT_BITS), INPUT_BITS), result.frac)
        found = evaluate(layer, [self.actual[name] for name in layer.inputs], constants(layer))
        if found is None:
            return None
        codes, frac = found.codes, found.frac
        held = layer.types.get("accum_t")
        if layer.kind in PRODUCTS and held is not None:
            codes, frac = held.cast(codes, frac), held.frac
        return Num(result.cast(codes, frac), result.frac)

    def _fed(self, layer: Layer) -> NDArray[np.float64]:
        return self.frames.reshape(len(self.frames), *layer.shape)

    def _simulated(self, layer: Layer, typed: Num | None) -> Num:
        """What was traced; a layer that hls4ml does not trace moves values or casts the input."""
        if layer.name in self.trace:
            value = self.trace[layer.name].reshape(len(self.frames), *layer.shape)
            frac = FINE if layer.result is None else max(0, layer.result.frac)
            return Num(to_codes(value, frac), frac)
        if typed is None or (layer.kind not in COPY and not layer.kind.startswith("ZeroPadding")):
            raise AssertionError(f"{layer.kind} {layer.name} is neither traced nor a copy")
        return typed

    def _mean(self, layer: Layer) -> None:
        """The network's own value of a layer, from the frames on."""
        if not layer.inputs:
            self.meant[layer.name] = self._fed(layer)
            return
        args = [self.meant.get(name) for name in layer.inputs]
        known = [Num(arg) for arg in args if arg is not None]
        if len(known) == len(args):
            found = evaluate(layer, known, {n: Num(w) for n, w in layer.weights.items()})
            if found is not None:
                self.meant[layer.name] = _quantized(layer, np.asarray(found.codes, float))

    def _own_cause(self, layer: Layer, simulated: Num, step_equal: bool | None) -> str:
        """What the layer itself changes, on its simulated inputs."""
        if step_equal is None:
            return TABLE if str(layer.get("activation")).lower() in TABLES else UNEXPLAINED
        if not step_equal:
            return UNEXPLAINED
        if not layer.inputs:
            meant = self._fed(layer)
        else:
            args = [Num(_reals(self.actual[name])) for name in layer.inputs]
            found = evaluate(layer, args, {n: Num(w) for n, w in layer.weights.items()})
            assert found is not None
            meant = _quantized(layer, np.asarray(found.codes, float))
        got = _reals(simulated)
        if np.isclose(got, meant, rtol=1e-12, atol=0).all():
            return EQUAL
        result = layer.result
        assert result is not None
        if not layer.quantizer and _leaves(result, meant):
            return SATURATION
        return ROUNDING if is_held(layer) else SCALE

    def _cause(self, layer: Layer, own: str, differing: int, found: Ours | None) -> str:
        if not differing:
            return EQUAL
        if own != EQUAL:
            return own
        if found is not None and not self._meets(layer, found):
            return UNEXPLAINED
        before = [(name, self.causes[name]) for name in layer.inputs]
        for name, cause in before:
            if cause == UNEXPLAINED:
                return UNEXPLAINED
            if cause != EQUAL:
                return cause if cause.startswith("from ") else f"from {name}"
        return UNEXPLAINED

    def _meets(self, layer: Layer, found: Ours) -> bool:
        """Whether the network as hls4ml's graph means it gives our codes."""
        meant = self.meant.get(layer.name)
        wanted = found.values.reshape(-1) * found.unit
        return meant is not None and bool(np.isclose(meant.reshape(-1), wanted, rtol=1e-12).all())


def _quantized(layer: Layer, value: NDArray[np.float64]) -> NDArray[np.float64]:
    kind = layer.result
    if not layer.quantizer or kind is None:
        return value
    return to_reals(kind.cast(to_codes(value, FINE), FINE), kind.frac)


def _leaves(kind: Fixed, value: NDArray[np.float64]) -> bool:
    return bool(kind.outside(kind.rounded(to_codes(value, FINE), FINE)).any())


def _same(a: Num, b: Num) -> bool:
    frac = max(a.frac, b.frac)
    x: Codes = a.at(frac)
    return bool((x.reshape(-1) == b.at(frac).reshape(-1)).all())


def _reals(value: Num) -> NDArray[Any]:
    return to_reals(value.codes, value.frac)
