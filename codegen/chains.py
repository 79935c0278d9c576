"""Carry chains that add many bits at once: what a chain takes, gives and costs.

Slot i of a carry chain adds two bits of weight ``2**i`` and a carry. Synthesis merges a function of
up to five wires into the 6-input LUT of the slot, beside the other bit, a plain wire. So a
:class:`Window` of up to three slots adds the weighted sum of up to five bits (at most 7) and one
bit a slot:

    slots   wires (weights)              and plain wires   bits removed a LUT
    1       1                            1                 1 / 1
    2       3 of weight 1, or 1 and 2    2                 3 / 2
    3       5, of weight 7 in all        3                 5 / 3

Windows follow each other in a chain; the first takes a carry in, a further bit of its weight, and
the carry out is one more bit of the result. A slot above that has a plain wire only costs no LUT:
it keeps the carry from becoming a bit of its own. Learnt from generalised parallel counters (Kumm
and Zipf, "Pipelined compressor tree optimization using integer linear programming", FPL 2014),
which need the second output of a LUT; this form is what open synthesis finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

WIRES = 5
"""Wires of a function that is merged into a slot."""

SLOTS = 3
"""Slots of the longest window."""

ENOUGH = 9
"""Bits of a column beyond which a chain finds no use for more."""


@dataclass(frozen=True, slots=True)
class Window:
    """Neighbouring slots.

    Attributes:
        wires: Bits summed by the functions, by weight.
        plain: Whether a plain wire is added, by weight.
    """

    wires: tuple[int, ...]
    plain: tuple[bool, ...]

    @property
    def slots(self) -> int:
        """Their number."""
        return len(self.wires)

    @property
    def most(self) -> int:
        """Largest sum, without a carry in."""
        return sum(
            (w + p) << i for i, (w, p) in enumerate(zip(self.wires, self.plain, strict=True))
        )

    @property
    def lut(self) -> int:
        """LUTs: none for a slot that only passes its plain wire.

        A single wire without a plain one beside it is inverted, else it would be the plain one.
        """
        below = luts = 0
        for weight, count in enumerate(self.wires):
            luts += count > 0 or below >= 1 << weight
            below += count << weight
        return luts


@dataclass(frozen=True, slots=True)
class Chain:
    """Windows one above the other.

    Attributes:
        start: Weight of the lowest slot, as a power of two.
        carry: Whether it takes a carry in, a bit of that weight.
        windows: From the lowest up.
    """

    start: int
    carry: bool
    windows: tuple[Window, ...]

    @property
    def slots(self) -> int:
        """Their number."""
        return sum(window.slots for window in self.windows)

    @property
    def lut(self) -> int:
        """LUTs."""
        return sum(window.lut for window in self.windows)

    @property
    def overflows(self) -> bool:
        """Whether the carry out can be 1."""
        carry = int(self.carry)
        for window in self.windows:
            carry = (window.most + carry) >> window.slots
        return carry > 0

    def takes(self) -> tuple[int, ...]:
        """Bits by weight, from ``start`` on."""
        counts = [w + p for window in self.windows for w, p in _pairs(window)]
        counts[0] += self.carry
        return tuple(counts)

    def plain(self) -> tuple[int, ...]:
        """Of these, those that must not be inverted."""
        counts = [int(p) for window in self.windows for p in window.plain]
        counts[0] += self.carry
        return tuple(counts)

    def gives(self, columns: int) -> range:
        """Weights of the result; what lies beyond ``columns`` is nothing."""
        return range(self.start, min(columns, self.start + self.slots + self.overflows))


def _pairs(window: Window) -> Iterator[tuple[int, bool]]:
    return zip(window.wires, window.plain, strict=True)


@lru_cache
def wire_counts(slots: int) -> tuple[tuple[int, ...], ...]:
    """Counts by weight that the functions of so many slots can sum and fewer cannot.

    >>> wire_counts(1), wire_counts(2)
    (((1,),), ((0, 1), (1, 1), (2, 0), (3, 0)))
    """
    found = []
    for counts in _counts(slots, WIRES):
        value = sum(count << weight for weight, count in enumerate(counts))
        if 1 << (slots - 1) <= value < 1 << slots:
            found.append(counts)
    return tuple(found)


def _counts(slots: int, wires: int) -> Iterator[tuple[int, ...]]:
    if slots == 0:
        yield ()
        return
    for first in range(wires + 1):
        for rest in _counts(slots - 1, wires - first):
            yield first, *rest


@dataclass(frozen=True, slots=True)
class _Step:
    """A way to a state of the search: what it is worth, the state before, the window between."""

    value: float
    before: tuple[int, int] | None = None
    window: Window | None = None


_Steps = dict[tuple[int, int], _Step]
"""By slots so far, and whether their carry out can be 1."""


@lru_cache(maxsize=1 << 17)
def best_chain(
    bits: tuple[int, ...], plain: tuple[int, ...], room: int, price: float
) -> tuple[float, Chain] | None:
    """The chain from weight 0 that is worth most a slot: bits removed less ``price`` a LUT.

    Args:
        bits: Bits by weight, at most ENOUGH of each.
        plain: Of these, those that are not inverted.
        room: Weights that there are; a carry beyond them is nothing.
        price: Bits that a LUT must remove.

    Returns:
        Worth a slot and the chain; None where no chain is worth anything.
    """
    best: tuple[float, Chain] | None = None
    for carry in (1, 0):
        if carry and plain[0] < 1:
            continue
        left = (bits[0] - carry, *bits[1:])
        steps = _steps(left, (plain[0] - carry, *plain[1:]), carry, price)
        for (slots, over), step in steps.items():
            if slots == 0:
                continue
            worth = (step.value - (over and slots < room)) / slots
            if worth > 1e-6 and (best is None or worth > best[0] + 1e-9):
                best = worth, Chain(0, bool(carry), _back(steps, (slots, over)))
    return best


def _steps(bits: Sequence[int], plain: Sequence[int], carry: int, price: float) -> _Steps:
    """All states from a carry in on, each by its best way."""
    steps: _Steps = {(0, carry): _Step(float(carry))}
    for slots in range(len(bits)):
        near = slice(slots, slots + SLOTS)
        options = _options(tuple(bits[near]), tuple(plain[near]), first=slots == 0)
        for over in (0, 1):
            if (here := steps.get((slots, over))) is None:
                continue
            for option in options:
                value = here.value + option.gain - price * option.lut
                key = slots + option.slots, int(option.most + over >= 1 << option.slots)
                if key not in steps or steps[key].value < value - 1e-9:
                    steps[key] = _Step(value, (slots, over), option.window)
    return steps


@dataclass(frozen=True, slots=True)
class _Option:
    """A window that there are bits for; ``gain`` are the bits it removes, and a little more."""

    window: Window
    slots: int
    most: int
    lut: int
    gain: float


@lru_cache(maxsize=1 << 16)
def _options(bits: tuple[int, ...], plain: tuple[int, ...], *, first: bool) -> tuple[_Option, ...]:
    """Windows that these bits can feed, the best of those that differ in nothing else."""
    found: dict[tuple[int, ...], _Option] = {}
    for window in _windows(bits, plain, first=first):
        # Where bits are plenty they are taken first: the others will be plain wires.
        plenty = sum(n * have for n, have in zip(window.wires, bits, strict=False))
        gain = sum(window.wires) + sum(window.plain) - window.slots + 0.002 * plenty
        slots, most, lut = window.slots, window.most, window.lut
        key = slots, lut, most >> slots, (most + 1) >> slots
        if key not in found or found[key].gain < gain:
            found[key] = _Option(window, slots, most, lut, gain)
    return tuple(found.values())


def _windows(bits: Sequence[int], plain: Sequence[int], *, first: bool) -> Iterator[Window]:
    """Windows that these bits can feed; a plain wire wherever there is one."""
    if not first and plain[0] > 0:
        yield Window((0,), (True,))
    for slots in range(1, min(SLOTS, len(bits)) + 1):
        taken = tuple(count > 0 for count in plain[:slots])
        left = [have - take for have, take in zip(bits, taken, strict=False)]
        for counts in wire_counts(slots):
            if all(count <= have for count, have in zip(counts, left, strict=True)):
                yield Window(counts, taken)


def _back(steps: _Steps, key: tuple[int, int]) -> tuple[Window, ...]:
    windows: list[Window] = []
    while (window := steps[key].window) is not None:
        windows.append(window)
        before = steps[key].before
        assert before is not None
        key = before
    return tuple(reversed(windows))


@lru_cache(maxsize=1 << 16)
def last_chain(bits: tuple[int, ...], plain: tuple[int, ...]) -> Chain | None:
    """The chain of fewest LUTs that leaves one bit of each weight; None where there is none.

    Args:
        bits: Bits by weight, two or more of the lowest.
        plain: Of these, those that are not inverted.
    """
    best: tuple[float, Chain] | None = None
    for carry in (1, 0):
        if carry and (plain[0] < 1 or bits[0] < 3):
            continue
        left = (bits[0] - carry, *bits[1:])
        steps = _cover(left, (plain[0] - carry, *plain[1:]), carry)
        for over in (0, 1):
            step = steps.get((len(bits), over))
            if step is not None and (best is None or step.value < best[0]):
                best = step.value, Chain(0, bool(carry), _back(steps, (len(bits), over)))
    return None if best is None else best[1]


def ending_chain(bits: Sequence[int], plain: Sequence[int], most: int) -> Chain | None:
    """The chain that ends a sum, of no windows when there is nothing to add; None: not yet.

    Args:
        bits: Bits by weight.
        plain: Of these, those that are not inverted.
        most: Bits of a weight at most; of more no chain is looked for.
    """
    low = next((w for w, count in enumerate(bits) if count > 1), None)
    if low is None:
        return Chain(0, False, ())
    left = tuple(bits[low:])
    if max(left) > most:
        return None
    chain = last_chain(left, tuple(plain[low:]))
    if chain is None and max(left) <= 2:
        chain = last_chain(left, left)  # inverters
    return chain and Chain(low, chain.carry, chain.windows)


def _cover(bits: Sequence[int], plain: Sequence[int], carry: int) -> _Steps:
    """As :func:`_steps`, of windows that take every bit; the value is in LUTs."""
    steps: _Steps = {(0, carry): _Step(0.0)}
    for slots in range(len(bits)):
        for over in (0, 1):
            if (here := steps.get((slots, over))) is None:
                continue
            for window in _covering(bits[slots:], plain[slots:]):
                key = slots + window.slots, int(window.most + over >= 1 << window.slots)
                if key not in steps or steps[key].value > here.value + window.lut:
                    steps[key] = _Step(here.value + window.lut, (slots, over), window)
    return steps


def _covering(bits: Sequence[int], plain: Sequence[int]) -> Iterator[Window]:
    if bits[0] == 0 or (bits[0], plain[0]) == (1, 1):
        yield Window((0,), (bits[0] == 1,))
    for slots in range(1, min(SLOTS, len(bits)) + 1):
        taken = tuple(count > 0 for count in plain[:slots])
        counts = tuple(have - take for have, take in zip(bits, taken, strict=False))
        if counts in wire_counts(slots):
            yield Window(counts, taken)


def capped(counts: Iterable[int]) -> tuple[int, ...]:
    """Counts as the key of a search: no chain tells ENOUGH from more.

    >>> capped([3, 100])
    (3, 9)
    """
    return tuple(min(count, ENOUGH) for count in counts)
