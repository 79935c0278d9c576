"""Parts of a data set, the same ones every time: what is held out, what calibrates.

Where there are labels, a part has of each class its share: the whole numbers nearest to it, the
largest remainders rounded up (Hamilton's method), ties to the lower class.
"""

from __future__ import annotations

import numpy as np

from gatesmith.data.dataset import Data
from gatesmith.errors import UserError
from gatesmith.ir import Ints


def split(data: Data, part: float, seed: int) -> tuple[Data, Data]:
    """The data without ``part`` of it, and that part, each in the order of the data.

    Args:
        data: Two frames or more.
        part: Above 0 and below 1; at least one frame is held out, and one is not.
        seed: Of the choice.

    Errors: ``data.too-few``.
    """
    if not 0 < part < 1:
        raise ValueError(f"part must lie between 0 and 1, not {part}")
    if len(data) < 2:
        raise UserError(
            "data.too-few",
            "no part of the data can be held out",
            where=data.source,
            why=f"there is {len(data)} frame, expected 2 or more",
            fix=("give more frames", "give data of its own to measure on"),
        )
    count = min(max(round(part * len(data)), 1), len(data) - 1)
    held = chosen(data.y, len(data), count, seed)
    rest = np.setdiff1d(np.arange(len(data)), held)
    return data.take(rest), data.take(held)


def calibration(data: Data, count: int, seed: int) -> Data:
    """``count`` frames of the data, or all where there are no more, in the order of the data."""
    if count < 1:
        raise ValueError(f"count must be 1 or more, not {count}")
    if count >= len(data):
        return data
    return data.take(chosen(data.y, len(data), count, seed))


def chosen(classes: Ints | None, frames: int, count: int, seed: int) -> Ints:
    """``count`` of the frames, rising; of each class its share."""
    order = np.random.default_rng(seed).permutation(frames)
    if classes is None:
        return np.sort(order[:count])
    kinds, sizes = np.unique(classes, return_counts=True)
    share, left = np.divmod(sizes * count, frames)
    most = np.argsort(-left, kind="stable")[: count - int(share.sum())]
    share[most] += 1
    parts = [
        order[classes[order] == kind][:wanted] for kind, wanted in zip(kinds, share, strict=True)
    ]
    return np.sort(np.concatenate(parts))
