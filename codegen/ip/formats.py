"""The numbers on a stream, in words, exact fractions and Python: how to convert data.

Three steps lead from what the model takes to tdata, and back: real numbers to integers (scale and
offset, where the model or the user said them), integers to codes of a few bits (docs/semantics.md),
codes to beats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from gatesmith.codegen.ip.quote import told
from gatesmith.ir import Graph, IntType, Node
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.input import Input
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.reshape import Reshape

SHOWN = 8
"""Most scales of a channel that are listed; all of them are in build.json."""

COMPLEMENT = "two's complement"

_ROUNDING = {
    "ROUND": "to the nearest, halves to even",
    "CEIL": "up",
    "FLOOR": "down",
    "ROUND_TO_ZERO": "towards zero",
    "UP": "away from zero",
    "HALF_UP": "to the nearest, halves away from zero",
    "HALF_DOWN": "to the nearest, halves towards zero",
    "HALF_ODD": "to the nearest, halves to odd",
}


@dataclass(frozen=True, slots=True)
class Format:
    """What the data sheet says of one stream.

    Attributes:
        prefix: What its ports begin with.
        tensor: Tensor of the model, printable.
        out: Whether the core sends.
        rows: Name and text of each property.
        python: A function that converts one frame; NumPy is ``np``.
    """

    prefix: str
    tensor: str
    out: bool
    rows: tuple[tuple[str, str], ...]
    python: str


def input_format(entry: Mapping[str, Any], real: Graph, sample: bytes) -> Format:
    """Of an input of build.json.

    Args:
        entry: The input.
        real: What the model means: it has the quantizer, where the host has to apply one.
        sample: The beats of one frame, most significant byte first.
    """
    rows = [
        ("frame", _frame(entry, "code_shape")),
        ("integers n", _integers(entry)),
        ("they stand for", _meaning(entry["meaning"])),
        ("n from real x", _quantizer(entry, real)),
        *_wires(entry),
        ("example", _example(entry, sample)),
    ]
    return Format(entry["prefix"], told(entry["name"]), False, tuple(rows), _encoder(entry))


def output_format(entry: Mapping[str, Any], sample: bytes) -> Format:
    """Of an output of build.json; see :func:`input_format`."""
    left = ", ".join(map(told, entry["host"])) or "nothing"
    rows = [
        ("frame", _frame(entry, "shape")),
        ("integers n", _integers(entry)),
        ("they stand for", _meaning(entry["meaning"])),
        *_wires(entry),
        ("left to the host", left),
        ("example", _example(entry, sample)),
    ]
    return Format(entry["prefix"], told(entry["name"]), True, tuple(rows), _decoder(entry))


# ---- words --------------------------------------------------------------------------------------


def _frame(entry: Mapping[str, Any], key: str) -> str:
    shape, given, axes = entry[key], entry["shape"], entry["axes"]
    order = "row-major"
    if axes is not None:
        order = f"as transpose({', '.join(map(str, axes))}), row-major"
    reshaped = f", given as {_dims(shape)}" if shape != given else ""
    return f"{_dims(given)}{reshaped}, {order}"


def _dims(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _integers(entry: Mapping[str, Any]) -> str:
    elem = IntType(**entry["elem"])
    step = "" if elem.step == 1 else f" in steps of {elem.step}"
    return f"{elem.lo} to {elem.hi}{step} ({entry['type']})"


def _meaning(meaning: Mapping[str, Sequence[str]] | None) -> str:
    if meaning is None:
        return "no one scale and offset: the integers are what the model computes with"
    scale, offset = meaning["scale"], meaning["offset"]
    if len(scale) == len(offset) == 1:
        return f"{_number(scale[0])} * n + {_number(offset[0])}, exactly"
    count = max(len(scale), len(offset))
    pairs = [
        f"{scale[k if len(scale) > 1 else 0]} * n + {offset[k if len(offset) > 1 else 0]}"
        for k in range(min(SHOWN, count))
    ]
    rest = f", ... ({count} in all, in build.json)" if count > SHOWN else ""
    return f"by channel of the last axis, exactly: {', '.join(pairs)}{rest}"


def _number(text: str) -> str:
    """A fraction, with decimals where it is long."""
    value = Fraction(text)
    return text if len(text) <= 12 else f"{text} (about {float(value):.9g})"


def _quantizer(entry: Mapping[str, Any], real: Graph) -> str:
    if entry["host_quantizer"] is None:
        return _affine(entry["meaning"])
    node = next(node for node in real if node.name == entry["host_quantizer"])
    where = "" if _at_input(node) else "of what the model computes before it, "
    match node.op:
        case Quantize(scale, zero, clip, rounding) if scale.data.size == zero.data.size == 1:
            return (
                f"{where}x / ({_exact(scale.data)}) + {_exact(zero.data)} rounded"
                f" {_ROUNDING[rounding]}, clamped to {clip.lo} to {clip.hi}"
            )
        case BipolarQuant():
            return f"{where}+1 where x is 0 or above, else -1"
        case _:
            return f'{where}what node "{told(node.name)}" of the model gives'


def _affine(meaning: Mapping[str, Sequence[str]] | None) -> str:
    if meaning is None or not len(meaning["scale"]) == len(meaning["offset"]) == 1:
        return "n is what the model takes"
    scale, offset = Fraction(meaning["scale"][0]), Fraction(meaning["offset"][0])
    return (
        f"(x - ({offset})) / ({scale}); the model has no quantizer here, so how other x are rounded"
        " is yours to say"
    )


def _exact(data: Any) -> str:
    return str(Fraction(float(data.reshape(-1)[0])))


def _at_input(node: Node) -> bool:
    at = node
    while at.args and (at is node or isinstance(at.op, Reshape)):
        at = at.args[0]
    return isinstance(at.op, Input)


def _wires(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    elem, bits, lanes = IntType(**entry["elem"]), entry["bits"], entry["lanes"]
    if elem.step != 1:
        code = f"(n - ({elem.lo})) / {elem.step}, unsigned, {bits} bits"
    else:
        code = f"n, {COMPLEMENT if elem.signed else 'unsigned'}, {bits} bits"
    size = entry["channels"] * entry["vectors"]
    spare = entry["beats"] * lanes - size
    tail = f"; the last {spare} elements of the frame's last beat are padding" if spare else ""
    beat = f"element i of a beat on tdata[{bits}*i +: {bits}], {lanes} a beat{tail}"
    return [
        ("code of n", code),
        ("beats", f"{entry['beats']} a frame of {entry['tdata_bits']} bits; {beat}"),
    ]


def _example(entry: Mapping[str, Any], sample: bytes) -> str:
    size, bits, lanes = entry["tdata_bits"] // 8, entry["bits"], entry["lanes"]
    word = int.from_bytes(sample[:size], "big")
    elem = IntType(**entry["elem"])
    shown = min(lanes, SHOWN, entry["channels"] * entry["vectors"])
    values = []
    for lane in range(shown):
        code = word >> (lane * bits) & ((1 << bits) - 1)
        if elem.signed and code >> (bits - 1):
            code -= 1 << bits
        values.append(code if elem.step == 1 else elem.lo + elem.step * code)
    if size > 32:
        return f"n = {', '.join(map(str, values))}, ... begin frame 2 of ../vectors"
    more = ", ..." if shown < lanes else ""
    return (
        f"tdata = 0x{word:0{2 * size}x}, n = {', '.join(map(str, values))}{more}"
        " (beat 0 of frame 2 of ../vectors)"
    )


# ---- Python -------------------------------------------------------------------------------------


def _encoder(entry: Mapping[str, Any]) -> str:
    elem, shape = IntType(**entry["elem"]), tuple(entry["code_shape"])
    bits, lanes, beats = entry["bits"], entry["lanes"], entry["beats"]
    size = entry["channels"] * entry["vectors"]
    turn = "" if entry["axes"] is None else f".transpose({tuple(entry['axes'])})"
    code = "int(v)" if elem.step == 1 else f"(int(v) - ({elem.lo})) // {elem.step}"
    lines = [
        f"def to_{entry['prefix']}(n):",
        f'    """Beats of a frame, as integers, of its integers n of shape {shape}."""',
        f"    flat = np.asarray(n).reshape({shape}){turn}.reshape(-1)",
        f"    codes = [{code} & {(1 << bits) - 1:#x} for v in flat]",
    ]
    if spare := beats * lanes - size:
        lines.append(f"    codes += [0] * {spare}")
    row = f"enumerate(codes[k : k + {lanes}])"
    lines.append(
        f"    return [sum(c << ({bits} * i) for i, c in {row})"
        f" for k in range(0, {beats * lanes}, {lanes})]"
    )
    return "\n".join(lines) + "\n"


def _decoder(entry: Mapping[str, Any]) -> str:
    elem, shape, axes = IntType(**entry["elem"]), tuple(entry["shape"]), entry["axes"]
    bits, lanes = entry["bits"], entry["lanes"]
    size = entry["channels"] * entry["vectors"]
    code = f"(beat >> ({bits} * i)) & {(1 << bits) - 1:#x}"
    lines = [
        f"def from_{entry['prefix']}(beats):",
        f'    """Integers of a frame, shape {shape}, of its beats as integers."""',
        f"    codes = [{code} for beat in beats for i in range({lanes})][:{size}]",
    ]
    if elem.signed:
        lines.append(f"    codes = [c - ((c >> {bits - 1}) << {bits}) for c in codes]")
    elif elem.step != 1:
        lines.append(f"    codes = [{elem.lo} + {elem.step} * c for c in codes]")
    back, placed = "", shape
    if axes is not None:
        placed = tuple(shape[axis] for axis in axes)
        back = f".transpose({tuple(axes.index(k) for k in range(len(axes)))})"
    lines.append(f"    return np.array(codes).reshape({placed}){back}")
    return "\n".join(lines) + "\n"
