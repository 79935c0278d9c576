"""Random crops and mirror images of a batch, on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own habit

_CHANNELS = (1, 3)


def crop_flip(
    x: Tensor, *, flip: bool, random: torch.Generator, shift: int | None = None
) -> Tensor:
    """Each frame (H, W, C) moved by up to ``shift`` or an eighth; half of them mirrored.

    Zeros come in from outside. One indexed read does it all: the columns of a mirrored frame are
    read in falling order. Frames of 1 or 3 channels may have them first (a network that begins with
    Flatten); those of another rank come back as they are.
    """
    if x.ndim != 4:
        return x
    if x.shape[1] in _CHANNELS and x.shape[3] not in _CHANNELS:
        return crop_flip(x.permute(0, 2, 3, 1), flip=flip, random=random, shift=shift).permute(
            0, 3, 1, 2
        )
    frames, height, width, _ = x.shape
    down, along = (height // 8, width // 8) if shift is None else (shift, shift)
    padded = F.pad(x, (0, 0, along, along, down, down))
    rows = torch.arange(height) + torch.randint(0, 2 * down + 1, (frames, 1), generator=random)
    columns = torch.arange(width).expand(frames, -1)
    if flip:
        mirrored = torch.rand((frames, 1), generator=random) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    columns = columns + torch.randint(0, 2 * along + 1, (frames, 1), generator=random)
    at = (torch.arange(frames)[:, None, None], rows[:, :, None], columns[:, None, :])
    return padded[tuple(index.to(x.device) for index in at)]
