"""Window, all taps of a group of channels in one beat: a ring of rows and window registers.

The reader goes along each row of positions column by column (a "step" is one group of channels of
one column; a slot is a step). It reads that column's beats of all tap rows at once, each row out of
a memory of its own, and shifts them through registers that reach back over the kernel's width. The
column that is new belongs to the last tap; what lies outside the map is replaced by the fill on its
way out, so that the end of a row of positions and the beginning of the next share their columns:
only behind the last row some columns are read for nothing (``flush``). A row of positions takes

    pitch = max((W' - 1) * sw + 1, columns read)

columns, W for "same" padding, and a frame (H' * pitch + flush) * C / lanes steps.

The ring is whole rows, one memory each, as many as the reader holds while the writer goes on
(codegen/window_ring.py): kh for stride and dilation 1, so that the first rows of the next frame
come in while the last positions of this one go out. Where no two tap rows can lie in the map
(kh = 1 or H = 1) it is one memory of so many beats as are waited for, usually two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from gatesmith.codegen import loops, parts
from gatesmith.codegen.arithmetic import carries
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.parts import ceil_div, counter_bits
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Timing
from gatesmith.codegen.window_parts import Implementation
from gatesmith.codegen.window_ring import least_keep
from gatesmith.codegen.window_sweep import Sweep


class Step(NamedTuple):
    """State of the reader at a slot, counted over all frames from 0."""

    group: int
    column: int
    row: int
    stride: int
    out_col: int
    out_row: int
    address: int
    lane: int
    emits: bool
    needs: int
    frees: int


@lru_cache(maxsize=1024)
def _least_keep(sweep: Sweep) -> int:
    return least_keep(*sweep.arrays(), sweep.walk.total)


@dataclass(frozen=True, slots=True)
class Parallel(Implementation):
    """templates/sv/window_parallel.sv.j2."""

    @property
    def sweep(self) -> Sweep:
        """The order of reading."""
        return Sweep(self.walk)

    @property
    def slots(self) -> int:
        """Steps of the reader."""
        return self.sweep.slots

    @property
    def single(self) -> bool:
        """Whether at most one tap row lies in the map."""
        return self.op.kernel[0] == 1 or self.shape[0] == 1

    @property
    def rows(self) -> int:
        """Rows that the ring holds, a memory each."""
        return 1 if self.single else ceil_div(_least_keep(self.sweep), self.sweep.line)

    @property
    def depth(self) -> int:
        """Words of one of them."""
        return _least_keep(self.sweep) if self.single else self.sweep.line

    @property
    def keep(self) -> int:
        """Beats in the ring."""
        return self.rows * self.depth

    def timing(self) -> Timing:
        """A slot is a step; it goes through a memory's register and an output register."""
        needs, frees = self.sweep.arrays()
        return Timing((needs,), (1,), (frees,), (self.keep,), self.sweep.emits(), 2, 2)

    # ---- steps of the ring's counts, of address and lane: by where a slot begins ----------------

    @property
    def need_frame(self) -> int:
        """Beats more than the frame before needed."""
        sweep = self.sweep
        last = sweep.newest(sweep.rows - 1) * sweep.line + sweep.end
        return self.walk.total + sweep.newest(0) * sweep.line - last

    @property
    def need_row(self) -> int:
        """Beats that a fresh sweep needs more."""
        return self.walk.strides[0] * self.sweep.line - self.sweep.end

    @property
    def need_part(self) -> int:
        """The same of the last fresh sweep, which the map's end cuts short."""
        sweep = self.sweep
        if not sweep.fresh:
            return 0
        last = sweep.fresh[-1]
        return (sweep.newest(last) - sweep.newest(last - 1)) * sweep.line - sweep.end

    @property
    def free_row(self) -> int:
        """Beats let go behind a sweep."""
        return self.walk.strides[0] * self.sweep.line - self.sweep.end

    @property
    def free_end(self) -> int:
        """Beats let go behind a frame's last sweep."""
        sweep = self.sweep
        last = sweep.rows - 1
        rest = sweep.end if last in self.walk.rising_rows else 0
        return self.walk.total - sweep.oldest(last) * sweep.line - rest

    @property
    def address_steps(self) -> tuple[int, int]:
        """What is added to the address, modulo depth, at the start of a row and of a frame."""
        sweep, down = (
            self.sweep,
            0 if self.shape[0] == 1 else self.walk.strides[0] * self.sweep.line,
        )
        frame = self.walk.total - (sweep.rows - 1) * down - sweep.end
        return (down - sweep.end) % self.depth, frame % self.depth

    @property
    def lane_steps(self) -> tuple[int, int]:
        """What is added to the first tap row's lane, modulo rows, at the same places."""
        stride = self.walk.strides[0]
        frame = self.shape[0] - (self.sweep.rows - 1) * stride
        return stride % self.rows, frame % self.rows

    def row_within(self, span: range) -> str:
        """Whether the sweep is one of these (SystemVerilog)."""
        return loops.within("row", self.row_count, span)

    @property
    def row_count(self) -> int:
        """Values of the row counter: one for each sweep, one for the flush."""
        return self.sweep.rows + int(self.sweep.flush > 0)

    @property
    def column_count(self) -> int:
        """Values of the column counter."""
        return max(self.sweep.pitch, self.sweep.flush)

    @property
    def waits(self) -> str:
        """Whether the sweep waits for a row of its own (SystemVerilog)."""
        fresh = self.row_within(self.sweep.fresh)
        first = self.row_within(range(1))
        return "1'b1" if "1'b1" in (fresh, first) else f"({first}) || ({fresh})"

    @property
    def column_inside(self) -> str:
        """Whether the column lies in the map (SystemVerilog)."""
        start = -self.sweep.start
        return loops.within("column", self.column_count, range(start, start + self.shape[1]))

    @property
    def emits(self) -> str:
        """Whether the step completes a position, strides aside (SystemVerilog)."""
        sweep = self.sweep
        rows = loops.within("out_row", self.out_rows, range(sweep.skipped, self.out_rows))
        return f"{rows} && {loops.within('out_col', sweep.pitch, range(sweep.span))}"

    @property
    def out_rows(self) -> int:
        """Values of the counter of position rows."""
        return self.sweep.rows + self.sweep.skipped

    @property
    def insides(self) -> tuple[list[str], list[str]]:
        """Whether each tap row, and each tap column, lies in the map (SystemVerilog)."""
        walk, sweep = self.walk, self.sweep
        (top, left), (height, width) = walk.pads[:2], walk.shape
        rows, cols = [], []
        for i in range(walk.kernel[0]):
            lo, stride = top - i * walk.dilations[0], walk.strides[0]
            span = range(*(max(0, ceil_div(n, stride)) + sweep.skipped for n in (lo, lo + height)))
            rows.append(loops.within("out_row", self.out_rows, span))
        for j in range(walk.kernel[1]):
            lo = left - j * walk.dilations[1]
            cols.append(loops.within("out_col", sweep.pitch, range(lo, lo + width)))
        return rows, cols

    @property
    def tap_lanes(self) -> list[int]:
        """Lane of each tap row beyond the first's."""
        return [i * self.walk.dilations[0] % self.rows for i in range(self.walk.kernel[0])]

    def bits(self, count: int) -> int:
        """parts.counter_bits."""
        return counter_bits(count)

    def step(self, number: int) -> Step:
        """State at a slot."""
        walk, sweep = self.walk, self.sweep
        frame, number = divmod(number, sweep.slots)
        column, group = divmod(number, walk.beats)
        row = min(column // sweep.pitch, sweep.rows)
        out_row, out_col = divmod(column - sweep.wait + sweep.skipped * sweep.pitch, sweep.pitch)
        behind = min(row, sweep.rows - 1)
        along = column - row * sweep.pitch
        place = min(max((along + sweep.start) * walk.beats + group, 0), sweep.end)
        place = sweep.end if row == sweep.rows else place
        above = behind * walk.strides[0]
        down = 0 if self.shape[0] == 1 else above * sweep.line
        stride = out_col % walk.strides[1] if out_row >= sweep.skipped else 0
        lane = (frame * self.shape[0] + above - walk.pads[0]) % self.rows
        first = -walk.pads[0] * sweep.line if self.shape[0] > 1 else 0
        address = (frame * walk.total + first + down + place) % self.depth
        needs, frees = (n + frame * walk.total for n in sweep.limits(number))
        emits = out_row >= sweep.skipped and out_col < sweep.span and stride == 0
        return Step(group, along, row, stride, out_col, out_row, address, lane, emits, needs, frees)

    @property
    def first(self) -> list[Step]:
        """The slots that stand in P, C and A after reset."""
        return [self.step(number) for number in range(3)]

    def inside_bits(self, step: Step) -> tuple[int, int]:
        """Bits of the tap rows and columns that lie in the map at a slot."""
        walk, sweep = self.walk, self.sweep
        row = (step.out_row - sweep.skipped) * walk.strides[0] - walk.pads[0]
        col = step.out_col - walk.pads[1]
        (kh, kw), (dh, dw), (height, width) = walk.kernel, walk.dilations, walk.shape
        rows = sum(1 << i for i in range(kh) if 0 <= row + i * dh < height)
        cols = sum(1 << j for j in range(kw) if 0 <= col + j * dw < width)
        return rows, cols

    # ---- memories -------------------------------------------------------------------------------

    @property
    def ram_style(self) -> str:
        """Where a row of the ring goes."""
        return parts.memory_style(self.depth, self.x.width)

    @property
    def delay(self) -> int:
        """Steps from one tap column to the next."""
        return self.walk.dilations[1] * self.walk.beats

    @property
    def delay_bits(self) -> int:
        """Bits that are passed on from a tap column to the next, all of them together."""
        return self.walk.kernel[0] * (self.walk.kernel[1] - 1) * self.x.width

    @property
    def delay_style(self) -> str:
        """Where they wait."""
        return parts.memory_style(self.delay, self.delay_bits)

    def cost(self) -> Cost:
        """Ring and delays: parts.ram, a register behind each.

        Choice of rows for each tap row and bit. Output: a FF a bit, padding a choice a bit.
        Counters, addresses and the ring's counts; what is carried along: 3 FFs for each tap row and
        column.
        """
        walk, width = self.walk, self.x.width
        cost = parts.ram(self.depth, width).registered * self.rows
        if self.delay > 1 and self.delay_bits:
            cost += parts.ram(self.delay, self.delay_bits).registered
        else:
            cost += Cost(ff=self.delay_bits)
        counts = [walk.beats, self.column_count, self.row_count, self.sweep.pitch, self.out_rows]
        counts += [self.depth, self.depth, self.rows, self.rows, self.delay]
        bits = sum((n - 1).bit_length() for n in counts)
        features = {
            "parallel.choice": walk.kernel[0] * ceil_div(self.rows - 1, 2) * width,
            "window.pad": self.y.width * self.padded,
            "parallel.counter": bits,
            "parallel.step": self.step_bits,
            "window.ring": self.ring_ff,
            "parallel.tap": sum(walk.kernel) if self.padded else 0,
            "parallel.one": 1,
        }
        flags = 3 * (sum(walk.kernel) if self.padded else 0)
        ff = self.y.width + bits + self.ring_ff + 2 * self.step_bits + flags + 12
        return cost + Cost(lut=luts(features), ff=ff, carry=2 * carries(self.ring_bits))

    def files(self) -> Mapping[str, str]:
        """The module, the ring's bookkeeping, the fill."""
        text = render("sv/window_parallel.sv.j2", hw=self)
        return {f"{self.module}.sv": text, **self.common_files()}
