"""Errors that are the user's to act on.

Anything else that escapes (AssertionError, KeyError, ...) is a bug in gatesmith, and the
command line says so and asks for a report.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatesmith.plain_text import told, told_lines


class UserError(Exception):
    """A model, an option or a machine that gatesmith cannot take, and what to do about it.

    Attributes:
        code: Stable name, also the anchor in docs/errors.md: ``frontend.unsupported-op``.
        what: One sentence, no full stop; names the thing, not the function that found it.
        where: The place in the user's own terms: file, then ONNX node or option.
        why: The rule that was broken, with the two values that disagree.
        fix: What the user can change, most likely first. Never empty.
    """

    def __init__(self, code: str, what: str, *, where: str, why: str, fix: tuple[str, ...]) -> None:
        super().__init__(what)
        assert fix, f"{code} must tell the user what to do"
        self.code, self.what, self.where, self.why, self.fix = code, what, where, why, fix

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {told(self.what)}", f"  at   {told(self.where)}"]
        lines += [f"  why  {told_lines(self.why)}", *(f"  fix  {told(step)}" for step in self.fix)]
        return "\n".join(lines)


class UserErrors(Exception):
    """Everything that is wrong with one model, found in one pass."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        super().__init__(f"{len(errors)} problems")
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.errors))


def raise_all(errors: Sequence[UserError]) -> None:
    """Raise what was collected: nothing, the one error, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise UserErrors(errors)
