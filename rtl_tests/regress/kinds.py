"""The steps of a random network: how each is drawn, and what it is at its simplest.

What a step writes is in steps_layers.py, steps_values.py and steps_moves.py. A kind's ``simplest``
arguments are what shrinking tries to reach, one argument after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

from gatesmith.rtl_tests.regress import steps_layers, steps_moves, steps_values
from gatesmith.rtl_tests.regress.recipe import Args, Step
from gatesmith.rtl_tests.regress.writer import Writer

CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8)
WIDTHS = (1, 2, 3, 5, 7, 8, 12, 13, 16, 24)
SIZES = (1, 2, 3, 4, 5, 6, 7, 8)
ZEROS = ("none", "none", "none", "half", "nm", "blocks", "row", "all", "power", "few")
BETWEEN = ("norm", "norm", "relu", "clip", "leaky", "scale", "prelu", "bias", "none", "none")
SIMPLE_QUANT: dict[str, Any] = {
    **{"how": "quant", "bits": 2, "signed": 1, "narrow": 0, "mode": "ROUND"},
    **{"zero": 0, "coarse": 0},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of step.

    Attributes:
        draw: Arguments from a generator of random numbers.
        write: Its nodes.
        simplest: Arguments of the smallest step of its kind.
        share: How often it comes up, beside the others.
        last: Whether it ends a network: no quantizer can stand behind it.
    """

    draw: Callable[[Generator], dict[str, Any]]
    write: Callable[[Writer, Args], None]
    simplest: Args
    share: float
    last: bool = False


def pick(rng: Generator, values: Any) -> Any:
    """One of the values, as plain Python has it."""
    value = values[int(rng.integers(len(values)))]
    return value.item() if hasattr(value, "item") else value


def draw_quant(rng: Generator) -> dict[str, Any]:
    """Arguments of a quantizer."""
    how = pick(rng, ("quant",) * 7 + ("bipolar", "bipolar", "multi"))
    if rng.random() < 0.03:
        how = "channel"
    signed = int(rng.integers(2))
    return {
        "how": how,
        "bits": pick(
            rng, (1, 2, 2, 3, 3, 4, 4, 5, 6, 8) if not signed else (2, 2, 3, 3, 4, 4, 6, 8)
        ),
        "signed": signed,
        "narrow": int(rng.random() < 0.3),
        "mode": pick(rng, ("ROUND",) * 6 + ("FLOOR", "CEIL", "ROUND_TO_ZERO")),
        "zero": pick(rng, (0,) * 8 + (1, -1)),
        "coarse": pick(rng, (0, 0, 0, 1, -1)),
    }


def _weights(rng: Generator) -> dict[str, Any]:
    return {
        "bits": pick(rng, (1, 1, 1.5, 2, 3, 4, 4, 5, 8)),
        "zeros": pick(rng, ZEROS),
        "bias": int(rng.random() < 0.4),
        "per_channel": int(rng.random() < 0.3),
        "between": pick(rng, BETWEEN),
    }


def _window(rng: Generator, most: int) -> dict[str, Any]:
    return {
        "kernel": [int(rng.integers(1, most + 1)) for _ in range(2)],
        "strides": [pick(rng, (1, 1, 1, 2, 3)) for _ in range(2)],
        "dilations": [pick(rng, (1, 1, 1, 2)) for _ in range(2)],
        "pads": [pick(rng, (0, 0, 1, 2)) for _ in range(4)],
    }


def _conv(rng: Generator) -> dict[str, Any]:
    return {
        **{"outs": pick(rng, CHANNELS), "group": pick(rng, (1, 1, 1, 2, 3, 99))},
        **_weights(rng),
        **_window(rng, 4),
    }


def _transposed(rng: Generator) -> dict[str, Any]:
    found = {**_conv(rng), "per_channel": 0}
    return {**found, "dilations": [1, 1], "strides": [pick(rng, (1, 2)) for _ in range(2)]}


def _dense(rng: Generator) -> dict[str, Any]:
    return {"outs": pick(rng, WIDTHS), "op": pick(rng, ("Gemm", "MatMul")), **_weights(rng)}


def _pool(rng: Generator) -> dict[str, Any]:
    flags = {"ceil": int(rng.random() < 0.2), "counted": int(rng.integers(2))}
    return {"op": pick(rng, ("MaxPool", "AveragePool")), **_window(rng, 3), **flags}


def _whole(rng: Generator) -> dict[str, Any]:
    pools = ("GlobalAveragePool", "GlobalMaxPool")
    return {"op": pick(rng, (*pools, "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum"))}


def _join(rng: Generator) -> dict[str, Any]:
    return {
        "op": pick(rng, ("Add", "Add", "Sub", "Mul", "Max", "Min", "Concat")),
        "branch": pick(rng, ("relu", "layer", "layer", "requant", "two")),
        "quant": draw_quant(rng),
        **_weights(rng),
    }


def _second(rng: Generator) -> dict[str, Any]:
    return {"op": pick(rng, ("Add", "Concat", "Mul", "Sub", "Max")), "quant": draw_quant(rng)}


def _gate(rng: Generator) -> dict[str, Any]:
    return {"bits": pick(rng, (2, 3, 4)), "zeros": "none", "per_channel": 0}


def _move(rng: Generator) -> dict[str, Any]:
    return {"op": pick(rng, steps_moves.MOVES), "by": int(rng.integers(1, 4))}


def _function(rng: Generator) -> dict[str, Any]:
    return {"op": pick(rng, tuple(steps_values.FUNCTIONS))}


def _norm(rng: Generator) -> dict[str, Any]:
    ops = ("LayerNormalization", "LayerNormalization", "InstanceNormalization")
    return {"op": pick(rng, ops), "affine": int(rng.integers(2))}


def _nothing(_: Generator) -> dict[str, Any]:
    return {}


def _top(rng: Generator) -> dict[str, Any]:
    return {"k": int(rng.integers(1, 5)), "largest": int(rng.integers(2))}


def _argmax(rng: Generator) -> dict[str, Any]:
    return {"op": pick(rng, ("ArgMax", "ArgMax", "Softmax")), "last": int(rng.integers(2))}


_PLAIN_WEIGHTS = {"bits": 2, "zeros": "none", "bias": 0, "per_channel": 0, "between": "none"}
_POINT = {"kernel": [1, 1], "strides": [1, 1], "dilations": [1, 1], "pads": [0, 0, 0, 0]}
_ONE = {"outs": 1, **_PLAIN_WEIGHTS}

KINDS: dict[str, Kind] = {
    "conv": Kind(_conv, steps_layers.conv, {**_ONE, **_POINT, "group": 1}, 5),
    "transposed": Kind(_transposed, steps_layers.transposed, {**_ONE, **_POINT, "group": 1}, 0.5),
    "dense": Kind(_dense, steps_layers.dense, {**_ONE, "op": "Gemm"}, 3),
    "pool": Kind(_pool, steps_values.pool, {**_POINT, "ceil": 0, "counted": 0}, 1.5),
    "whole": Kind(_whole, steps_values.whole, {}, 0.5),
    "join": Kind(
        _join,
        steps_values.join,
        {"branch": "relu", "quant": SIMPLE_QUANT, **_PLAIN_WEIGHTS},
        2.5,
    ),
    "second": Kind(_second, steps_values.second, {"op": "Add", "quant": SIMPLE_QUANT}, 0.5),
    "gate": Kind(_gate, steps_layers.gate, {"bits": 2}, 0.5),
    "move": Kind(_move, steps_moves.move, {"by": 1}, 1.5),
    "function": Kind(_function, steps_values.function, {}, 1),
    "norm": Kind(_norm, steps_values.norm, {"affine": 0}, 0.4),
    "softmax": Kind(_nothing, steps_values.softmax, {}, 0.3),
    "argmax": Kind(_argmax, steps_values.argmax, {"last": 0}, 0, last=True),
    "top": Kind(_top, steps_values.top, {"k": 1, "largest": 1}, 0, last=True),
}


def write_step(writer: Writer, step: Step) -> None:
    """The nodes of a step, without the quantizer behind it."""
    KINDS[step.kind].write(writer, step.args)
