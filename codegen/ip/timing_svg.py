"""The timing diagram of a core as an SVG: handshake, latency and interval.

Plain text, the same bytes every time; no script, font or style from elsewhere. Time is not to
scale: in a break, two slanted strokes through all rows, cycles are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from gatesmith.codegen.ip.core import Bus, Core

LETTER, SLOT, HIGH, STEP, TOP = 7, 84, 20, 38, 44
"""Pixels: a letter, a clock cycle, height of a wave, distance of rows, where rows begin."""

INK, SOFT, WAVE, BAND, PAGE = "#1f1f1d", "#6b6a65", "#2a78d6", "#e9f1fb", "#fcfcfb"


@dataclass(frozen=True, slots=True)
class Slot:
    """What a stream does in one clock cycle, or in a break.

    Attributes:
        text: On tdata; nothing when there is no beat.
        ready: Level of tready.
        last: Level of tlast.
        held: Whether the beat is the one of the slot before, which was not taken.
        gap: Whether this is a break.
        busy: Whether beats move in the break.
        end: Whether a frame ends here, on the output.
    """

    text: str = ""
    ready: bool = True
    last: bool = False
    held: bool = False
    gap: bool = False
    busy: bool = False
    end: bool = False

    @property
    def valid(self) -> bool:
        """Level of tvalid."""
        return bool(self.text) or self.busy


@dataclass(slots=True)
class Canvas:
    """Elements of an SVG, back to front; the waves begin ``left`` pixels from its side."""

    left: int
    parts: list[str] = field(default_factory=list)

    def x(self, slot: int) -> int:
        """Where a slot begins."""
        return self.left + slot * SLOT

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1.5) -> None:
        """Straight strokes from point to point."""
        path = " L".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(
            f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"/>'
        )

    def area(self, points: Sequence[tuple[float, float]], fill: str, colour: str) -> None:
        """A filled outline."""
        path = " L".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(
            f'<path d="M{path} Z" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'
        )

    def text(
        self, x: float, y: float, text: str, anchor: str = "middle", colour: str = INK
    ) -> None:
        """One line of text; ``y`` is its base line."""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}"'
            f' font-family="Helvetica, Arial, sans-serif" font-size="12">{escape(text)}</text>'
        )


def timing_svg(core: Core) -> str:
    """Text of the SVG file: the first input and the first output of the core."""
    into, out = _into(core.inputs[0]), _out(core.outputs[0])
    more = Slot("more")
    incoming = [*into, *(Slot(gap=True, busy=True) if slot.gap else more for slot in out)]
    outgoing = [*(Slot(gap=slot.gap) for slot in into), *out]
    rows = 9
    longest = max(len(bus.prefix) for bus in (core.inputs[0], core.outputs[0])) + len("_tvalid")
    canvas = Canvas(24 + LETTER * longest)
    width, bottom = canvas.x(len(incoming)) + 20, TOP + rows * STEP
    canvas.parts.append(f'<rect width="{width}" height="{bottom + 70}" fill="{PAGE}"/>')
    canvas.text(
        canvas.left, 20, "a beat moves on a rising edge with tvalid and tready high", "start", SOFT
    )
    canvas.text(canvas.left - 12, TOP + 15, "aclk", "end")
    _clock(canvas, TOP, incoming)
    _stream(canvas, TOP + STEP, core.inputs[0].prefix, incoming)
    _stream(canvas, TOP + 5 * STEP, core.outputs[0].prefix, outgoing)
    _breaks(canvas, incoming, bottom)
    most = "at most " if core.data_dependent else ""
    ends = [k for k, slot in enumerate(outgoing) if slot.end]
    _span(canvas, 1, ends[0], bottom + 16, f"latency {most}{core.latency} cycles")
    _span(canvas, ends[0], ends[1], bottom + 46, f"interval {most}{core.interval} cycles")
    body = "\n".join(canvas.parts)
    size = f'viewBox="0 0 {width} {bottom + 70}" width="{width}" height="{bottom + 70}"'
    title = escape(f"Timing of {core.top}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>\n'
        f"<title>{title}</title>\n{body}\n</svg>\n"
    )


def _into(bus: Bus) -> list[Slot]:
    """Frame 0 going in: its second beat waits a cycle, and frame 1 follows at once."""
    last = bus.beats - 1
    slots = [Slot(), Slot("0: beat 0", last=last == 0)]
    if last > 0:
        slots.append(Slot("0: beat 1", ready=False, last=last == 1))
        slots.append(Slot("0: beat 1", last=last == 1, held=True))
    if last > 2:
        slots.append(Slot(gap=True, busy=True))
    if last > 1:
        slots.append(Slot(f"0: beat {last}", last=True))
    return [*slots, Slot("1: beat 0", last=last == 0)]


def _out(bus: Bus) -> list[Slot]:
    """Frames 0 and 1 coming out."""
    last = bus.beats - 1
    slots = [Slot(gap=True)]
    if last > 0:
        slots += [Slot("0: beat 0"), Slot(gap=True)]
    slots += [Slot(f"0: beat {last}", last=True, end=True), Slot(gap=True)]
    return [*slots, Slot(f"1: beat {last}", last=True, end=True), Slot()]


def _clock(canvas: Canvas, y: float, slots: Sequence[Slot]) -> None:
    points: list[tuple[float, float]] = []
    for k in range(len(slots)):
        x, half = canvas.x(k), SLOT / 2
        points += [(x, y + HIGH), (x, y), (x + half, y), (x + half, y + HIGH)]
    canvas.line([*points, (canvas.x(len(slots)), y + HIGH)], INK)


def _stream(canvas: Canvas, y: float, prefix: str, slots: Sequence[Slot]) -> None:
    """The four rows of a stream, from ``y`` down."""
    levels = {
        "tvalid": [slot.valid for slot in slots],
        "tready": [slot.ready for slot in slots],
        "tlast": [slot.last for slot in slots],
    }
    for k, (signal, high) in enumerate(levels.items()):
        top = y + k * STEP
        canvas.text(canvas.left - 12, top + 15, f"{prefix}_{signal}", "end")
        points = [
            (x, top + (0 if level else HIGH))
            for at, level in enumerate(high)
            for x in (canvas.x(at), canvas.x(at + 1))
        ]
        canvas.line(points, WAVE)
    top = y + 3 * STEP
    canvas.text(canvas.left - 12, top + 15, f"{prefix}_tdata", "end")
    middle = top + HIGH / 2
    canvas.line([(canvas.x(0), middle), (canvas.x(len(slots)), middle)], SOFT, 1)
    at = 0
    while at < len(slots):
        until = at + 1
        while until < len(slots) and slots[until].held:
            until += 1
        if slots[at].text:
            left, right, slant = canvas.x(at), canvas.x(until), 5
            outline = [
                (left, middle),
                (left + slant, top),
                (right - slant, top),
                (right, middle),
                (right - slant, top + HIGH),
                (left + slant, top + HIGH),
            ]
            canvas.area(outline, BAND, WAVE)
            canvas.text((left + right) / 2, middle + 4, slots[at].text)
        at = until


def _breaks(canvas: Canvas, slots: Sequence[Slot], bottom: float) -> None:
    for k, slot in enumerate(slots):
        if slot.gap:
            x = canvas.x(k) + SLOT / 2
            high, low = TOP - 8, bottom - 6
            area = [(x - 9, low), (x - 1, high), (x + 9, high), (x + 1, low)]
            canvas.area(area, PAGE, PAGE)
            canvas.line([(x - 9, low), (x - 1, high)], SOFT, 1)
            canvas.line([(x + 1, low), (x + 9, high)], SOFT, 1)


def _span(canvas: Canvas, first: int, last: int, y: float, text: str) -> None:
    """An arrow from the edge at which slot ``first`` ends to that of slot ``last``."""
    left, right = canvas.x(first + 1), canvas.x(last + 1)
    for x in (left, right):
        canvas.line([(x, TOP - 4), (x, y + 6)], SOFT, 0.6)
    canvas.line([(left, y), (right, y)], INK, 1)
    canvas.area([(left, y), (left + 7, y - 3), (left + 7, y + 3)], INK, INK)
    canvas.area([(right, y), (right - 7, y - 3), (right - 7, y + 3)], INK, INK)
    canvas.text((left + right) / 2, y + 16, text)
