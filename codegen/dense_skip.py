"""Hardware of Dense that drops beats of zeros: what a ReLU has cut off takes no time.

An input beat (SIMD inputs) that is all zero is not written to the buffer, so that each of the NF
passes reads only the K beats of a vector that are kept: NF * K cycles instead of NF * SF. Of a
vector of nothing but zeros the last beat is kept. A beat keeps its number in the vector beside it,
from which the address of its weights follows. EIE (Han et al., ISCA 2016) and Cnvlutin (Albericio
et al., ISCA 2016) skip zeros of activations; here a whole beat is skipped, so that the products
side by side stay in step.

A pass begins when the whole vector has come: only then is it known which beat is the last one. A
frame takes at most ``interval`` cycles, and how many it takes hangs on its values:

    vector v starts at       s[v] = max(e[v - 1], edge of its last input beat + 1)
    and its last slot is at  e[v] - 1, e[v] = s[v] + NF * K[v]

Input beat i comes in at an edge of its own, once kept beat c[i] - 2 * SF has been read for the
last time, where c[i] counts the kept beats before it: the buffer holds 2 * SF.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.matrix_unit import PLAIN, Fold, Layer, MatrixUnit, Naming, divisors
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stream, Timing
from gatesmith.ir import Ints, IntType

SKIP = "skip"


def has_zero(x: IntType) -> bool:
    """Whether 0 is a value of a type.

    >>> has_zero(IntType(0, 15)), has_zero(IntType(-1, 1, 2)), has_zero(IntType(-2, 2, 2))
    (True, False, True)
    """
    return x.lo <= 0 <= x.hi and -x.lo % x.step == 0


@dataclass(frozen=True, slots=True)
class DenseSkipStage(DenseStage):
    """Matrix-vector unit; templates/sv/dense_skip.sv.j2 is given it under the name ``hw``.

    It is never ``masked``: products of 0 are dropped with their beat, or count as 0.
    """

    def __post_init__(self) -> None:
        DenseStage.__post_init__(self)  # no super(): slots make another class
        if not has_zero(self.x.elem):
            raise ValueError(f"no 0 in {self.x.elem}, so no beat could be dropped")
        if self.masked:
            raise ValueError("a unit that skips zeros has no use for a mask")
        if self.sf < 2 or self.nf < 2:
            raise ValueError(f"{self.sf} beats in and {self.nf} out: both must be 2 or more")

    @property
    def data_dependent(self) -> bool:
        """The more zeros, the fewer cycles."""
        return True

    @property
    def zero_code(self) -> int:
        """What 0 is on the wires."""
        return int(self.x.elem.encode(np.zeros(1, np.int64))[0])

    @property
    def delay(self) -> int:
        """Registers from a beat in the buffer to the sum of its products."""
        return 2 + self.terms.registers + self.levels

    @property
    def fetches(self) -> bool:
        """No: what looks for beats that are not zero has registers of its own."""
        return False

    @property
    def merges(self) -> bool:
        """No."""
        return False

    @property
    def latency(self) -> int:
        """Cycles from a vector's last input beat to its first output beat, at most."""
        return self.sf + self.delay + 1

    @property
    def kept_bits(self) -> int:
        """Bits of a beat and its number."""
        return self.x.width + (self.sf - 1).bit_length()

    # ---- stage: as if no beat was zero, which takes longest --------------------------------------

    def schedule(self, *arrivals: Ints) -> Ints:
        """As if no beat was zero: a vector's first pass begins an edge after its last beat came."""
        (edges,) = arrivals
        whole = edges.reshape(self.x.vectors, self.sf)[:, -1] + 1
        order = np.arange(self.x.vectors * self.nf * self.sf)
        earliest = np.repeat(whole, self.nf * self.sf)
        issues = order + np.maximum.accumulate(earliest - order)
        return issues.reshape(-1, self.sf)[:, -1] + self.delay + 1

    def timing(self) -> Timing:
        """As if no beat was zero; a slot a word of weights.

        With zeros there are fewer slots, and places become free earlier: every condition that
        remains is one of these (docs/decisions/0010-data-dependent-cycles.md).
        """
        shape = (self.x.vectors, self.nf, self.sf)
        vector, beat = np.arange(shape[0])[:, None, None], np.arange(self.sf)
        needs = np.broadcast_to((vector + 1) * self.sf, shape)
        frees = np.broadcast_to(vector * self.sf + beat + 1, shape).copy()
        frees[:, :-1] = vector * self.sf
        return Timing(
            needs=(needs.reshape(-1),),
            wait=(1,),
            frees=(frees.reshape(-1),),
            keep=(2 * self.sf,),
            gives=np.broadcast_to(beat == self.sf - 1, shape).reshape(-1),
            delay=self.delay + 1,
            room=1 + parts.ceil_div(self.delay, self.sf),
        )

    def cost(self) -> Cost:
        """DenseStage.cost, and what keeps and finds the beats.

        A flag a place: parts.ram. Zero or not: a LUT for 6 bits of a beat. Four pointers
        and two counts, 2 LUTs and 1 FF a bit; two more FFs a bit of the address, its adder.
        Registers between buffer and operands: a beat and its number.
        """
        pointer, address = (2 * self.sf - 1).bit_length(), (self.depth - 1).bit_length()
        more = Cost(
            lut=parts.ceil_div(self.x.width, 6) + 2 * (2 * pointer) + 3 * address,
            ff=2 * pointer + 2 * address + self.kept_bits + (self.sf - 1).bit_length(),
        )
        return DenseStage.cost(self) + parts.ram(2 * self.sf, 1).cost + more

    def files(self) -> Mapping[str, str]:
        """The module, its weights, the adder tree."""
        return {
            f"{self.module}.sv": render("sv/dense_skip.sv.j2", hw=self),
            f"{self.module}_weights.mem": self.weights_mem(),
            **self.terms.files(),
        }

    # ---- with values -----------------------------------------------------------------------------

    def kept(self, values: Ints) -> NDArray[np.bool_]:
        """Which beats of vectors are kept, (vectors, SF).

        Args:
            values: Inputs in the order of the stream: any shape, whole vectors.
        """
        kept: NDArray[np.bool_] = (values.reshape(-1, self.sf, self.simd) != 0).any(axis=-1)
        kept[:, -1] |= ~kept.any(axis=1)
        return kept

    def slots(self, values: Ints) -> Ints:
        """Words of weights read for each frame: no frame takes fewer cycles.

        Args:
            values: Inputs of whole frames.
        """
        beats = self.kept(values).reshape(-1, self.x.beats).sum(axis=1)
        found: Ints = self.nf * beats
        return found

    def edges(self, values: Ints, offered: Ints | None = None) -> Ints:
        """Edge of each output beat, when its reader never stalls.

        Args:
            values: Inputs of whole frames, which enter an idle stage.
            offered: Edges at which the input beats are offered; one an edge by default.
        """
        kept = self.kept(values)
        beats = np.arange(kept.size) if offered is None else offered
        ends = np.concatenate(list(self._passes(kept, beats.reshape(kept.shape))))
        found: Ints = ends + self.delay + 1
        return found

    def _passes(self, kept: NDArray[np.bool_], offered: Ints) -> Iterator[Ints]:
        """Edge of the last slot of each pass, vector by vector (module docstring)."""
        counts = kept.sum(axis=1)
        behind = np.cumsum(counts) - counts
        dropped = np.empty(int(counts.sum()), np.int64)
        order, places = np.arange(self.sf), 2 * self.sf
        come, free = -1, 0
        for v, count in enumerate(counts):
            before = behind[v] + np.cumsum(kept[v]) - kept[v] - places  # whose place it takes
            held = np.where(before >= 0, dropped[np.maximum(before, 0)] + 1, 0)
            earliest = np.maximum(offered[v], held)
            earliest[0] = max(earliest[0], come + 1)
            come = int(np.max(earliest - order)) + self.sf - 1
            start = max(free, come + 1)
            free = start + self.nf * int(count)
            dropped[behind[v] : behind[v] + count] = np.arange(free - count, free)
            yield start + count * np.arange(1, self.nf + 1) - 1

    def expected_cycles(self, values: Ints) -> Ints:
        """Cycles from the end of each frame to that of the next, (frames - 1,).

        Exact where the input always has a beat to offer and the output is never held up.

        Args:
            values: Inputs of frames that follow each other, two or more.
        """
        ends = self.edges(values).reshape(-1, self.sink.beats)[:, -1]
        return np.diff(ends)


class SkipUnit(MatrixUnit):
    """Beats of zeros take no time: fewer cycles on average, as many as folded at worst."""

    name = SKIP
    what = "PE x SIMD multipliers that pass over beats of zeros"

    def refuses(self, layer: Layer, rom: str = PLAIN) -> str | None:
        """Inputs that are never 0, and vectors of a single beat, in or out."""
        if not has_zero(layer.x):
            return f"its inputs are never 0: they are {layer.x}"
        if layer.inputs < 2:
            return "it has a single input, so a vector without it would be empty"
        if layer.outputs < 2:
            return "it has a single output: one pass takes no longer than the inputs to come in"
        return None

    def folds(self, layer: Layer, rom: str = PLAIN) -> Iterator[Fold]:
        """Two passes or more, of two beats or more."""
        for pe in divisors(layer.outputs)[:-1]:
            for simd in divisors(layer.inputs)[:-1]:
                yield Fold(pe, simd, self.name, rom)

    def cycles(self, layer: Layer, fold: Fold) -> int:
        """Those of the folded unit, if no beat is zero."""
        return layer.vectors * (layer.outputs // fold.pe) * (layer.inputs // fold.simd)

    def lanes(self, layer: Layer, fold: Fold) -> int:
        """SIMD."""
        return fold.simd

    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> DenseSkipStage:
        """The unit; zeros of a masked beat are like any others."""
        n = naming
        return DenseSkipStage(n.name, n.node, n.origin, n.module, layer.op, x, fold.pe)
