"""What the user wants of the folding, as a Target: speed, latency, a device, a budget.

    cycles, fps with clock_mhz      speed: at most one of them
    latency_us with clock_mhz       from the first beat of a frame in to its last one out
    device, budget                  limits: beside a speed, or alone: then the fastest within them
    unroll, fold                    by layer

A budget is ``lut=20000,dsp=40,bram=16`` or a single number of LUTs. ``lut`` are 6-input LUTs by the
estimate, memory included, ``bram`` blocks of 18 kbit, ``ram_bits`` bits of them. A device has
LUTs of its own: its file says how many of them an estimated one takes, and what part of it may be
used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from gatesmith.codegen.dense_unrolled import UNROLLED
from gatesmith.codegen.fold import Target
from gatesmith.codegen.wish import Wish
from gatesmith.errors import UserError, raise_all
from gatesmith.folding import WORDS
from gatesmith.quant.mixed.budget import Budget
from gatesmith.synthesis.devices import device as find_device
from gatesmith.synthesis.devices import room

ALL = "all"
"""In the place of a layer's name: every layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options; None where one was not given.

    Attributes:
        cycles: Most clock cycles a frame.
        fps: Frames a second.
        clock_mhz: Clock.
        latency_us: Microseconds from the first beat of a frame in to its last one out.
        device: Name of a device that the design has to fit.
        budget: Most of each resource, as text.
        unroll: Layers that are unrolled: names, with ``*`` and ``?``, or ``all``.
        fold: Wishes by layer.
        input_lanes: Elements in a beat of every input.
    """

    cycles: int | None = None
    fps: float | None = None
    clock_mhz: float | None = None
    latency_us: float | None = None
    device: str | None = None
    budget: str | None = None
    unroll: Sequence[str] = ()
    fold: Mapping[str, Wish] | None = None
    input_lanes: int | None = None

    def check(self) -> None:
        """Options that contradict each other, or say nothing alone.

        Errors: ``cli.contradicting-options``, ``cli.missing-option``, ``cli.bad-value``.
        """
        folded = any(wish.folds for wish in (self.fold or {}).values())
        given = {
            "--cycles": self.cycles is not None,
            "--fps": self.fps is not None,
            "--latency-us": self.latency_us is not None,
            "--fold": folded,
        }
        named = [option for option, there in given.items() if there]
        errors = [_contradiction(named)] if len(named) > 1 else []
        timed = [option for option in ("--fps", "--latency-us") if given[option]]
        if timed and self.clock_mhz is None:
            errors.append(_half(timed[0], "--clock-mhz"))
        if not timed and self.clock_mhz is not None and self.device is self.budget is None:
            errors.append(_half("--clock-mhz", "--fps or --latency-us"))
        numbers = {"--fps": self.fps, "--clock-mhz": self.clock_mhz}
        numbers["--input-lanes"] = self.input_lanes
        for option, value in {**numbers, "--latency-us": self.latency_us}.items():
            if value is not None and not 0 < value < float("inf"):
                errors.append(_not_positive(option, value))
        for layer in self.unroll:
            wish = (self.fold or {}).get("*" if layer == ALL else layer)
            if wish is not None and wish.unit not in (None, UNROLLED):
                errors.append(_both_ways(layer, wish))
        raise_all(errors)

    def target(self) -> Target:
        """What the search is told.

        Errors: those of :meth:`check`, ``cli.budget``, ``codegen.target``, and of :meth:`limits`.
        """
        self.check()
        cycles, said = self._speed()
        latency = None
        if self.latency_us is not None and self.clock_mhz is not None:
            latency = int(_as_said(self.latency_us) * _as_said(self.clock_mhz))
            said = [f"--latency-us {self.latency_us:g} at --clock-mhz {self.clock_mhz:g}"]
            if latency < 1:
                raise _too_fast(said[0], "a latency of less than a cycle", "raise --latency-us")
        limits, named = self.limits()
        said += named
        # What is said of a layer by --fold goes before what --unroll says of several.
        wishes = {("*" if name == ALL else name): Wish(unit=UNROLLED) for name in self.unroll}
        for name, wish in (self.fold or {}).items():
            wishes[name] = wish.over(wishes.pop(name, Wish()))
        return Target(
            cycles,
            wishes,
            ", ".join(said) or "the default target",
            unrolled=True,
            limits=limits or None,
            latency=latency,
            input_lanes=self.input_lanes,
        )

    def _speed(self) -> tuple[int | None, list[str]]:
        """Cycles a frame; a rate is rounded down."""
        if self.cycles is not None:
            return self.cycles, [f"--cycles {self.cycles}"]
        if self.fps is None or self.clock_mhz is None:
            return None, []
        said = f"--fps {self.fps:g} at --clock-mhz {self.clock_mhz:g}"
        most = int(_as_said(self.clock_mhz) * 1_000_000 / _as_said(self.fps))
        if most < 1:
            fix = f"ask for at most {self.clock_mhz * 1e6:g} frames a second"
            raise _too_fast(
                said, "more than one frame a clock cycle", fix, f"{self.fps:g} frames a second are"
            )
        return most, [said]

    def limits(self) -> tuple[dict[str, int], list[str]]:
        """Most of each resource, and where that was said.

        Errors: ``cli.budget``, ``synth.unknown-device``.
        """
        limits: dict[str, int] = {}
        said = []
        if self.device is not None:
            found = find_device(self.device)
            limits = room(found)
            said.append(f"--device {found.name}")
        if self.budget is not None:
            text = self.budget.strip()
            plain = text.replace("_", "").rstrip("kM").replace(".", "", 1).isdigit()
            asked = Budget.parse(f"lut={text}" if plain else text, known=tuple(WORDS))
            if asked.needs_labels:
                raise _no_accuracy(self.budget)
            for name, most in asked.limits.items():
                limits[name] = min(most, limits.get(name, most))
            said.append(f"--budget {self.budget}")
        return limits, said


def names_of(unroll: str | Sequence[str]) -> tuple[str, ...]:
    """Layers to unroll, as a function was given them."""
    return (unroll,) if isinstance(unroll, str) else tuple(unroll)


def wishes_of(fold: Mapping[str, tuple[int, int] | str | Wish] | None) -> dict[str, Wish]:
    """Wishes by layer: ``(8, 16)``, ``"8,16,nm"`` or a Wish. Errors: ``cli.bad-fold``."""
    return {name: _wish(name, given) for name, given in (fold or {}).items()}


def _wish(name: str, given: tuple[int, int] | str | Wish) -> Wish:
    if isinstance(given, Wish):
        return given
    try:
        return Wish.parse(given if isinstance(given, str) else ",".join(map(str, given)))
    except ValueError as error:
        raise UserError(
            "cli.bad-fold",
            "cannot read the folding",
            where=f"fold, layer {name}",
            why=str(error),
            fix=('give (PE, SIMD), or a text such as "8,16,nm"',),
        ) from error


def _contradiction(named: Sequence[str]) -> UserError:
    return UserError(
        "cli.contradicting-options",
        f"{' and '.join(named)} each set the speed of the core",
        where="gatesmith build",
        why="the folding follows from exactly one of --cycles, --fps with --clock-mhz, "
        "--latency-us with --clock-mhz, and --fold",
        fix=(f"leave out {' or '.join(named)}",),
    )


def _both_ways(layer: str, wish: Wish) -> UserError:
    return UserError(
        "cli.contradicting-options",
        f"--unroll {layer} and --fold {layer}={wish} name two ways to build a layer",
        where="gatesmith build",
        why=f"--fold says that it is {wish.unit}",
        fix=("leave out one of them", "name other layers in one of them"),
    )


def _as_said(number: float) -> Fraction:
    """The decimal number that somebody wrote, not the nearest binary one.

    >>> int(0.58 * 100), int(_as_said(0.58) * _as_said(100))
    (57, 58)
    """
    return Fraction(str(number))


def _half(option: str, other: str) -> UserError:
    return UserError(
        "cli.missing-option",
        f"{option} says nothing without {other}",
        where="gatesmith build",
        why="cycles = clock frequency x time: both are needed",
        fix=(f"add {other}", f"leave out {option} and say --cycles N"),
    )


def _not_positive(option: str, value: float) -> UserError:
    return UserError(
        "cli.bad-value",
        f"{option} is {value:g}",
        where="gatesmith build",
        why="it must be a number above 0",
        fix=(f"give {option} a number above 0",),
    )


def _too_fast(said: str, why: str, fix: str, what: str = "the target is") -> UserError:
    return UserError(
        "codegen.target",
        f"{what} out of reach",
        where=said,
        why=f"that is {why}",
        fix=(fix, "raise --clock-mhz"),
    )


def _no_accuracy(text: str) -> UserError:
    return UserError(
        "cli.budget",
        "a build has no accuracy to limit",
        where=f"--budget {text}",
        why="the network is built as it is: only what it takes can be limited",
        fix=(f"limit {', '.join(WORDS)}", "gatesmith quantize --budget chooses bits by accuracy"),
    )
