"""What the user asks of one tensor: how many values it may take, and of what kind.

Text form ``KIND[:OPTION]...``:

    int2 .. int16     uniform; an activation that is never negative becomes unsigned
    uint1 .. uint16   uniform, unsigned (activations)
    bipolar           {-1, +1} times a scale
    ternary           {-1, 0, +1} times a scale; ttq: two scales, one for each sign
    pow2, pow2-BITS   powers of two, 4 bits (sign, zero, seven exponents); pow2x2: sums of two
    codebook, codebook-N   N (16) values shared by all weights of a tensor

    tensor, channel   one scale for all, or one for each output channel (weights; the default there)
    group=N           one for each N inputs of an output channel
    pow2scale         scales are powers of two
    affine            with a zero point (activations)
    wide              also the lowest code -2**(bits - 1) (weights)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NoReturn

from gatesmith.errors import UserError

MOST_BITS = 16
_KIND = re.compile(
    r"(u?int)(\d{1,2})|(bipolar|ternary|ttq)|pow2(x2)?(?:-(\d))?|codebook(?:-(\d{1,3}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A wish for one tensor.

    Attributes:
        kind: As in :data:`gatesmith.ops.fake_quant.KINDS`.
        bits: Bits of a code: of ``int`` the width, of ``pow2`` and ``codebook`` those that name one
            of the values.
        signed: Whether codes may be negative; None: as the values are.
        per: ``tensor``, ``channel`` or ``group``.
        group: Inputs that share a scale, for ``group``.
        pow2_scale: Whether scales are powers of two.
        affine: Whether there is a zero point.
        narrow: Whether the lowest signed code is left out, so that codes are symmetric.
        terms: Powers of two that are added up, for ``pow2``.
        entries: Values of a ``codebook``.
        two_scales: TTQ, for ``ternary``.
        text: How the user wrote it.

    >>> Scheme.parse("int4:group=32", weight=True).bits
    4
    """

    kind: str
    bits: int
    signed: bool | None
    per: str
    group: int = 0
    pow2_scale: bool = False
    affine: bool = False
    narrow: bool = False
    terms: int = 1
    entries: int = 0
    two_scales: bool = False
    text: str = ""

    @classmethod
    def parse(cls, text: str, *, weight: bool, option: str | None = None) -> Scheme:
        """Read the text form for a weight or an activation; UserError cli.scheme."""
        said = f"{option or ('--weights' if weight else '--activations')} {text}"
        kind, *options = text.strip().split(":")
        found = _KIND.fullmatch(kind)
        if found is None:
            _refuse(said, f"{kind!r} is no kind of quantizer")
        scheme = _base(said, found, weight)
        for word in options:
            scheme = _with_option(said, scheme, word, weight)
        if scheme.affine and scheme.kind != "int":
            _refuse(said, "only int and uint have a zero point")
        return replace(scheme, text=text.strip())

    def __str__(self) -> str:
        return self.text or f"{self.kind}{self.bits}"

    def at(self, bits: int) -> Scheme:
        """The same at another width."""
        return replace(self, bits=bits, text="")


def _base(said: str, found: re.Match[str], weight: bool) -> Scheme:
    per = "channel" if weight else "tensor"
    name = found[0]
    if found[1]:
        bits, unsigned = int(found[2]), found[1] == "uint"
        if not (1 if unsigned else 2) <= bits <= MOST_BITS:
            _refuse(said, f"{bits} bits; 2 to {MOST_BITS} are taken, uint from 1; of one: bipolar")
        if weight and unsigned:
            _refuse(said, "weights have both signs")
        signed = False if unsigned else (True if weight else None)
        return Scheme("int", bits, signed, per, narrow=weight)
    if name == "bipolar":
        return Scheme("bipolar", 1, True, per)
    if name in ("ternary", "ttq"):
        if name == "ttq" and not weight:
            _refuse(said, "activations have one scale")
        per = "tensor" if name == "ttq" else per
        return Scheme("ternary", 2, True, per, narrow=True, two_scales=name == "ttq")
    if not weight:
        _refuse(said, "activations can be int, uint, bipolar or ternary")
    if name.startswith("pow2"):
        bits = int(found[5] or 4)
        if not 2 <= bits <= 4:
            _refuse(said, f"{bits} bits; 2 to 4 name a sign and an exponent")
        return Scheme("pow2", bits, True, per, narrow=True, terms=2 if found[4] else 1)
    entries = int(found[6] or 16)
    if not 2 <= entries <= 256:
        _refuse(said, f"a codebook has 2 to 256 values, not {entries}")
    return Scheme("codebook", (entries - 1).bit_length(), True, "tensor", entries=entries)


def _with_option(said: str, scheme: Scheme, word: str, weight: bool) -> Scheme:
    match word.partition("="):
        case ("tensor", "", ""):
            return replace(scheme, per="tensor")
        case ("channel", "", "") if weight and scheme.kind != "codebook" and not scheme.two_scales:
            return replace(scheme, per="channel")
        case ("group", "=", size) if weight and scheme.kind == "int" and _whole(size):
            return replace(scheme, per="group", group=int(size))
        case ("pow2scale", "", ""):
            return replace(scheme, pow2_scale=True)
        case ("affine", "", "") if not weight:
            return replace(scheme, affine=True)
        case ("wide", "", "") if weight and scheme.kind == "int":
            return replace(scheme, narrow=False)
    _refuse(
        said, f"{word!r} is no option of {scheme.kind} {'weights' if weight else 'activations'}"
    )


def _whole(size: str) -> bool:
    return size.isascii() and size.isdigit() and 0 < int(size) < 10**6


def _refuse(said: str, why: str) -> NoReturn:
    raise UserError(
        "cli.scheme",
        "this does not say how to quantize",
        where=said,
        why=why,
        fix=(
            "weights: int2..int16, bipolar, ternary, ttq, pow2, pow2x2, codebook-16, with :tensor, "
            ":channel, :group=32, :pow2scale, :wide",
            "activations: int2..int16, uint1..uint16, bipolar, ternary, with :affine, :pow2scale",
        ),
    )
