"""Sums made by chains against integers: the lines are evaluated, register by register."""

from __future__ import annotations

import random
import re

import pytest

from gatesmith.codegen.bit_heap import Bit, BitHeap
from gatesmith.codegen.compression import compress
from gatesmith.codegen.wiring import Wiring, function

COUNT = re.compile(r"count_(\d+?)(?:_(\d+))?\((.*)\)$")


def value_of(text: str, wires: dict[str, int]) -> tuple[int, int]:
    """Value and bits of an expression of Wiring."""
    text = text.strip()
    if " - " in text:
        (left, wide), (right, narrow) = (value_of(part, wires) for part in text.split(" - "))
        bits = max(wide, narrow)
        return (left - right) % (1 << bits), bits
    if text.startswith("{"):
        total = bits = 0
        for part in split(text[1:-1]):
            value, width = value_of(part, wires)
            total, bits = total << width | value, bits + width
        return total, bits
    if (call := COUNT.match(text)) is not None:
        counts, total, place = call[1], int(call[2] or 0), 0
        argument, _ = value_of(call[3], wires)
        for weight, count in enumerate(map(int, counts)):
            for _ in range(count):
                total += (argument >> place & 1) << weight
                place += 1
        return total, len(counts)
    if text.startswith("~"):
        value, bits = value_of(text[1:], wires)
        return (1 << bits) - 1 - value, bits
    if text.startswith("1'b"):
        return int(text[3:]), 1
    name, _, index = text.partition("[")
    return (wires[name] >> int(index[:-1]) if index else wires[name]) & 1, 1


def split(text: str) -> list[str]:
    """Parts between commas outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "{(") - (letter in "})")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def settled(wiring: Wiring, inputs: dict[str, int]) -> dict[str, int]:
    """All wires, when the inputs have stood still for long."""
    wires = dict(inputs)
    for line in wiring.lines:
        if line.registered:
            wires[line.wire.name] = value_of(line.text, wires)[0]
        else:
            wires[line.wire.name], bits = value_of(line.text, wires)
            assert bits == line.wire.type.bits
    return wires


def number(bits: list[list[Bit]], wires: dict[str, int]) -> int:
    """What the result stands for."""
    return sum(value_of(bit.text, wires)[0] << weight for weight, c in enumerate(bits) for bit in c)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_random_sums(seed: int, depth: int) -> None:
    rng = random.Random(seed)
    columns = rng.randrange(1, 11)
    heap, want, count = BitHeap(), 0, 0
    inputs: dict[str, int] = {}
    heap.constant = want = rng.randrange(-40, 40)
    for place in range(rng.randrange(1, 12)):
        bits = rng.randrange(1, 6)
        signed, negative = rng.random() < 0.5, rng.random() < 0.5
        shift, time = rng.randrange(3), rng.choice((0, 0, 0, 1, 4))
        names = [f"x{place}_{i}" for i in range(bits)]
        inputs |= {name: rng.randrange(2) for name in names}
        heap.add_number(
            [Bit(name, time, time // depth) for name in names],
            shift,
            signed=signed,
            negative=negative,
        )
        value = sum(inputs[name] << i for i, name in enumerate(names))
        value -= (inputs[names[-1]] << bits) if signed else 0
        want += (-value if negative else value) << shift
        count += bits
    wiring = Wiring(depth)
    result = compress(heap, wiring, columns)
    assert max(map(len, result)) <= 1
    assert number(result, settled(wiring, inputs)) == want % (1 << columns)
    for line in wiring.lines:  # nothing is read before it is there: settled() would not find it
        assert line.wire.type.bits <= columns + 2
    assert sum(line.lut for line in wiring.lines) <= count + columns


@pytest.mark.parametrize("bits", [7, 12, 25, 98])
def test_popcounts(bits: int) -> None:
    heap = BitHeap()
    for i in range(bits):
        heap.add(Bit(f"x[{i}]"))
    wiring = Wiring(2)
    result = compress(heap, wiring, bits.bit_length())
    for value in (0, (1 << bits) - 1, 0x5A5A5A5A5A5A5A5A5A5A5A5A5 % (1 << bits)):
        assert number(result, settled(wiring, {"x": value})) == value.bit_count()
    luts = {7: 3, 12: 6, 25: 15, 98: 66}[bits]
    assert sum(line.lut for line in wiring.lines) <= luts


def test_partly() -> None:
    """What no chain that is worth it can add is left as bits."""
    heap = BitHeap()
    for i in range(9):
        heap.add(Bit(f"x[{i}]"))
    wiring = Wiring(1)
    result = compress(heap, wiring, 4, least=1.2)
    assert sum(map(len, result)) == 5
    assert number(result, settled(wiring, {"x": 0b110110111})) == 7


def test_registers_carry_bits_along() -> None:
    wiring = Wiring(1)
    late = wiring.at(Bit("x[3]"), 2)
    assert (late.level, [line.text for line in wiring.lines]) == (2, ["x[3]", "t0_q"])
    assert wiring.at(Bit("x[3]"), 2) == late
    with pytest.raises(ValueError, match="not there"):
        wiring.at(late, 1)


@pytest.mark.parametrize(
    ("counts", "ones"),
    [([5, 0, 0], 0), ([5, 0, 0], 2), ([3, 2, 0], 0), ([1, 3, 0], 0), ([3, 0], 0), ([2, 0], 1),
     ([4, 1, 0], 1), ([2, 2, 0], 1), ([3, 0, 1], 0), ([1, 0], 1), ([0, 3, 0], 0), ([1, 1, 1], 0)],
)  # fmt: skip
def test_functions(counts: list[int], ones: int) -> None:
    text = function("f", counts, ones)
    body = [line.strip().rstrip(";") for line in text.splitlines()[1:-1]]
    for value in range(1 << sum(counts)):
        scope: dict[str, object] = {"a": [value >> i & 1 for i in range(8)]}
        if sum(counts) == 1:
            scope["a"] = value
        for line in body:
            if " = " in line:
                name, code = line.split(" = ")
                code = code.replace("{", "[").replace("}", "]")
                scope[name] = eval(code.replace("1'b", ""), {}, scope)
        bits = [bit & 1 for bit in reversed(scope["f"])]  # type: ignore[call-overload]
        want, place = ones, 0
        for weight, count in enumerate(counts):
            want += sum(value >> place + i & 1 for i in range(count)) << weight
            place += count
        assert sum(bit << i for i, bit in enumerate(bits)) == want % (1 << len(counts))
