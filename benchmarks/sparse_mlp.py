"""Trains the weights of w1_sparse.npz: an MLP 16-64-32-32-5 of 6-bit weights, most of them zero.

    python benchmarks/sparse_mlp.py OUT_FOLDER [--zeros 0.7]

Digits 0 to 4 of scikit-learn's 8x8 digits, summed over 2x2 pixels (16 inputs, int8). Trained in the
integers that the hardware has (straight-through gradients), the smallest weights of each layer set
to zero step by step and kept there (magnitude pruning with a cubic schedule, Zhu and Gupta 2017).
The file has the form of benchmarks/unrolled.py's workloads: X, W*, B*, S and the exact answers Y.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

SIZES = (16, 64, 32, 32, 5)
SHIFTS = (5, 5, 5)
STEPS, PRUNED, SEED = 600, 400, 1
FRAMES = 1000


def rounded(x: torch.Tensor) -> torch.Tensor:
    """Rounded to the nearest, a tie up; gradients pass."""
    return x + (torch.floor(x + 0.5) - x).detach()


def forward(
    x: torch.Tensor, weights: list[torch.Tensor], biases: list[torch.Tensor]
) -> torch.Tensor:
    """Sums of the last layer."""
    for number, (w, b) in enumerate(zip(weights, biases, strict=True)):
        x = x @ rounded(w).clamp(-31, 31) + rounded(b)
        if number < len(SHIFTS):
            x = rounded(x / 2 ** SHIFTS[number]).clamp(0, 63)
    return x


def trained(zeros: float) -> tuple[dict[str, NDArray[np.int64]], float]:
    """Arrays of the file, and accuracy on frames that were not trained on."""
    digits = load_digits(n_class=5)
    pooled = digits.images.reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4)).reshape(-1, 16) * 2 - 64
    x, labels = torch.tensor(pooled, dtype=torch.float32), torch.tensor(digits.target)
    torch.manual_seed(SEED)
    held = torch.arange(len(x)) % 5 == 0
    weights = [torch.randn(a, b) * 9 * (16 / a) ** 0.25 for a, b in pairwise(SIZES)]
    biases = [torch.zeros(b) for b in SIZES[1:]]
    masks = [torch.ones_like(w) for w in weights]
    for parameter in (*weights, *biases):
        parameter.requires_grad_()
    optimiser = torch.optim.Adam([{"params": weights, "lr": 0.2}, {"params": biases, "lr": 2.0}])
    for step in range(STEPS):
        if step % 20 == 0 and step <= PRUNED:
            part = zeros * (1 - (1 - step / PRUNED) ** 3)
            for w, mask in zip(weights, masks, strict=True):
                kept = round(w.numel() * (1 - part))
                order = (w.detach() * mask).abs().flatten().argsort(descending=True)
                mask.zero_().view(-1)[order[:kept]] = 1
        masked = [w * mask for w, mask in zip(weights, masks, strict=True)]
        loss = torch.nn.functional.cross_entropy(
            forward(x[~held], masked, biases) / 256, labels[~held]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        final = [rounded(w * m).clamp(-31, 31) for w, m in zip(weights, masks, strict=True)]
        right = forward(x[held], final, biases).argmax(dim=1) == labels[held]
    rng = np.random.default_rng(SEED)
    chosen = np.sort(rng.permutation(len(pooled)))[:FRAMES]
    arrays = {"X": pooled[chosen].astype(np.int64), "S": np.array(SHIFTS)}
    for number, (w, b) in enumerate(zip(final, biases, strict=True)):
        arrays[f"W{number}"] = w.numpy().astype(np.int64)
        arrays[f"B{number}"] = np.floor(b.detach().numpy() + 0.5).astype(np.int64)
    arrays["Y"] = answers(arrays)
    return arrays, float(right.float().mean())


def answers(arrays: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Sums of the last layer, in integers."""
    h = arrays["X"]
    for number, shift in enumerate(SHIFTS):
        total = h @ arrays[f"W{number}"] + arrays[f"B{number}"] + (1 << shift - 1)
        h = np.clip(total >> shift, 0, 63)
    last = len(SHIFTS)
    return np.asarray(h @ arrays[f"W{last}"] + arrays[f"B{last}"])


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--zeros", type=float, default=0.7, help="part of the weights")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    arrays, accuracy = trained(asked.zeros)
    np.savez(asked.folder / "w1_sparse.npz", **arrays)
    zeros = [float((arrays[f"W{i}"] == 0).mean()) for i in range(len(SIZES) - 1)]
    print(f"accuracy {accuracy:.4f}, zeros by layer {np.round(zeros, 3).tolist()}")


if __name__ == "__main__":
    main()
