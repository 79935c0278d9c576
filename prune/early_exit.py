"""The margin of an early exit, chosen from data: as many frames as possible leave, none too many.

A frame leaves at the early head where its best score is ahead of the second best by more than the
margin (gatesmith/ops/decide.py), so that only the frames' own leads matter: between two of them
every margin does the same. A margin is put half-way between neighbouring leads, where rounding of
the scores decides nothing. Accuracies are counts over frames, compared exactly.

    lead        best - second of the early scores, of a frame
    point k     the frames with the k largest leads leave; ties leave together or not at all
    accuracy    (early right among those that leave + late right among the others) / frames
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.ir import Ints, Reals


@dataclass(frozen=True, slots=True)
class ExitPoint:
    """What a margin does on some frames.

    Attributes:
        margin: In the units of the early scores.
        leaving: Frames that leave.
        right: Frames whose class is the label's.
        frames: In all.
    """

    margin: float
    leaving: int
    right: int
    frames: int

    @property
    def share(self) -> float:
        """Share of frames that leave."""
        return self.leaving / self.frames

    @property
    def accuracy(self) -> float:
        """Share of frames that are right."""
        return self.right / self.frames

    def reaches(self, floor: float | Fraction) -> bool:
        """Whether the accuracy is no less; a float stands for the accuracies that round to it."""
        if isinstance(floor, float):
            return self.accuracy >= floor
        return Fraction(self.right, self.frames) >= floor


def exit_points(early_scores: Reals, late_scores: Reals, labels: Ints) -> tuple[ExitPoint, ...]:
    """Every margin that makes a difference, most frames leaving first.

    Args:
        early_scores: Of the early head, (frames, classes).
        late_scores: Of the late one.
        labels: Classes, (frames,).

    >>> early = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.7]])
    >>> late = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> [(round(p.margin, 2), p.leaving, p.right) for p in exit_points(early, late, [0, 1, 1])]
    [(0.1, 3, 2), (0.35, 2, 3), (0.65, 1, 3), (1.3, 0, 3)]
    """
    early, late, wanted = (np.asarray(a) for a in (early_scores, late_scores, labels))
    if early.ndim != 2 or early.shape != late.shape or early.shape[1] < 2 or not len(early):
        raise ValueError(f"scores of shapes {early.shape} and {late.shape}")
    if wanted.shape != early.shape[:1]:
        raise ValueError(f"{wanted.shape} labels for {len(early)} frames")
    two = np.sort(early, axis=1)[:, -2:]
    leads = two[:, 1] - two[:, 0]
    gain = (early.argmax(axis=1) == wanted).astype(np.int64) - (late.argmax(axis=1) == wanted)
    levels, group = np.unique(leads, return_inverse=True)
    counts = np.bincount(group, minlength=len(levels))
    gains = np.bincount(group, weights=gain, minlength=len(levels)).astype(np.int64)
    staying, lost = _before(counts), _before(gains)
    late_right = int((late.argmax(axis=1) == wanted).sum())
    points = [
        ExitPoint(
            margin, len(early) - int(stay), late_right + int(gain.sum()) - int(gone), len(early)
        )
        for margin, stay, gone in zip(_between(levels), staying, lost, strict=True)
    ]
    return tuple(points if levels[0] > 0 else points[1:])


def choose_margin(
    early_scores: Reals,
    late_scores: Reals,
    labels: Ints,
    accuracy_floor: float | Fraction,
) -> ExitPoint:
    """The margin at which most frames leave, with at least this accuracy; of equals the largest.

    Args:
        early_scores: Of the early head, (frames, classes).
        late_scores: Of the late one.
        labels: Classes, (frames,).
        accuracy_floor: Share of the frames that must be right, 0 to 1.

    Errors: ``prune.exit-accuracy`` when no margin reaches it.
    """
    points = exit_points(early_scores, late_scores, labels)
    for point in points:
        if point.reaches(accuracy_floor):
            return point
    best = max(points, key=lambda point: (point.right, point.leaving))
    raise UserError(
        "prune.exit-accuracy",
        f"no margin gives an accuracy of {100 * float(accuracy_floor):.2f} %",
        where=f"early exit, {best.frames} frames",
        why=f"the most is {100 * best.accuracy:.2f} %, with {100 * best.share:.1f} % of the frames "
        "leaving early",
        fix=("ask for less accuracy", "train the heads further"),
    )


def _before(counts: Ints) -> Ints:
    """Sum of all entries before each, and of all."""
    return np.concatenate([[0], np.cumsum(counts)])


def _between(levels: NDArray[np.float64]) -> list[float]:
    """A margin below the least level, between neighbours, and above the largest."""
    edges = np.concatenate([[0.0], levels, [levels[-1] + max(1.0, levels[-1])]])
    middle = (edges[:-1] + edges[1:]) / 2
    return [float(m) for m in middle]
