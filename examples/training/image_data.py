"""Images and labels of MNIST, CIFAR-10 and the 8x8 digits, and random crops of them.

    python examples/training/image_data.py     # writes examples/digits/digits_train.npz again

MNIST and CIFAR-10 are read from the folder given with --data: the four IDX files of MNIST, gzipped,
in `mnist/`; `cifar10_train_25000.npz` and `cifar10_test_first1000.npz`. The digits stand in this
repository.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DIGITS = Path(__file__).parent.parent / "digits"
DIGITS_SEED = 16  # the split of examples/digits/train.py


@dataclass(frozen=True)
class Dataset:
    """Pixels as uint8 codes (N, H, W, C), labels int64 (N,); one code stands for ``step``."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    step: float


def load(name: str, folder: Path) -> Dataset:
    """A data set by name: mnist, cifar10 or digits.

    Raises:
        SystemExit: a file is missing.
    """
    try:
        match name:
            case "mnist":
                parts = [_idx(folder / "mnist" / f"{s}-{{}}-ubyte.gz") for s in ("train", "t10k")]
                step = 1 / 255
            case "cifar10":
                files = ("cifar10_train_25000.npz", "cifar10_test_first1000.npz")
                parts = [_npz(folder / file) for file in files]
                step = 1 / 255
            case "digits":
                parts = [_npz(DIGITS / f"digits_{s}.npz") for s in ("train", "test")]
                step = 1 / 16
            case _:
                raise ValueError(f"expected mnist, cifar10 or digits, not {name!r}")
    except FileNotFoundError as missing:
        raise SystemExit(f"{missing.filename} is missing: --data names its folder") from missing
    tensors = [torch.from_numpy(array) for part in parts for array in part]
    return Dataset(*tensors, step)


def _idx(pattern: Path) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's format: a header of 16 (images) or 8 bytes (labels), then bytes."""

    def content(kind: str, header: int) -> np.ndarray:
        with gzip.open(str(pattern).format(kind)) as stream:
            return np.frombuffer(stream.read(), np.uint8, offset=header)

    x = content("images-idx3", 16).reshape(-1, 28, 28, 1)
    return x.copy(), content("labels-idx1", 8).astype(np.int64)


def _npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """``x`` and ``y``; images of 64 numbers become (8, 8, 1)."""
    with np.load(path) as data:
        x, y = data["x"], data["y"].astype(np.int64)
    return (x.reshape(-1, 8, 8, 1) if x.shape[1:] == (64,) else x), y


def crops(images: Tensor, shift: int, flip: bool, random: torch.Generator) -> Tensor:
    """Each image moved by -shift..shift in both directions, zeros from outside; half mirrored.

    ``images`` is a batch (N, H, W, C). One indexed read does it all: the columns of a mirrored
    image are read in falling order.
    """
    if not shift and not flip:
        return images
    count, height, width, _ = images.shape
    padded = torch.nn.functional.pad(images, (0, 0, shift, shift, shift, shift))
    moves = torch.randint(0, 2 * shift + 1, (2, count, 1), generator=random)
    rows = torch.arange(height) + moves[0]
    columns = torch.arange(width).expand(count, -1)
    if flip:
        mirrored = torch.rand((count, 1), generator=random) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    columns = columns + moves[1]
    return padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def main() -> None:
    """Write the digits that are not in digits_test.npz, in the order of the split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    codes = data.data.astype(np.uint8)
    train_x, test_x, train_y, test_y = train_test_split(
        codes, data.target, test_size=450, random_state=DIGITS_SEED, stratify=data.target
    )
    with np.load(DIGITS / "digits_test.npz") as known:
        if not (np.array_equal(known["x"], test_x) and np.array_equal(known["y"], test_y)):
            raise SystemExit("digits_test.npz is of another split: run examples/digits/train.py")
    np.savez_compressed(DIGITS / "digits_train.npz", x=train_x, y=train_y.astype(np.uint8))
    print(f"digits_train.npz: {len(train_x)} images")


if __name__ == "__main__":
    main()
