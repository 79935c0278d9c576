"""Batch norm behind the layers of a network that is trained at few bits.

Weights of one or two bits give sums of quite another size than those they stand for; what follows
would clip or vanish. A batch norm (Ioffe and Szegedy, 2015) in the place of the bias puts every
channel back to the mean and deviation that the float network has there, and trains both. In the
graph it becomes a product and a sum a channel, which exact lowering folds into thresholds.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own habit

from gatesmith.ir import Array

MOMENTUM = 0.1


class BatchNorm(nn.Module):
    """Over the last axis. In eval it is ``x * factor + term``, the very numbers of the graph."""

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.frozen = False
        self.pending: Callable[[Tensor], None] | None = None  # what to do with the next values

    def forward(self, x: Tensor) -> Tensor:
        """(N, ..., C)."""
        if self.pending is not None:
            self.pending(x)
            self.pending = None
        if self.training and not self.frozen:
            maps = x.movedim(-1, 1) if x.ndim > 2 else x
            y = F.batch_norm(
                maps,
                self.mean,
                self.variance,
                self.gamma,
                self.beta,
                True,
                MOMENTUM,
                self.epsilon,
            )
            return y.movedim(1, -1) if x.ndim > 2 else y
        factor, term = self.affine()
        return torch.addcmul(term, x, factor)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Factor and term of the running statistics, float32; computed in float64."""
        deviation = (self.variance.double() + self.epsilon).sqrt()
        factor = self.gamma.double() / deviation
        term = self.beta.double() - self.mean.double() * factor
        return factor.float(), term.float()

    @torch.no_grad()
    def begin(self, x: Tensor, factor: Tensor, term: Tensor) -> None:
        """Give, of values with these statistics, ``x * factor + term``."""
        mean, variance = statistics(x)
        factor, term = factor.to(x.device), term.to(x.device)
        self.gamma.copy_(factor * (variance + self.epsilon).sqrt())
        self.beta.copy_(factor * mean + term)
        self.mean.copy_(mean)
        self.variance.copy_(variance)

    @torch.no_grad()
    def balance(self, spread: float) -> None:
        """Mean 0 and this deviation in every channel."""
        self.gamma.fill_(spread)
        self.beta.zero_()

    @torch.no_grad()
    def see(self, x: Tensor) -> None:
        """Running statistics of these values, gamma and beta as they are."""
        mean, variance = statistics(x)
        self.mean.copy_(mean)
        self.variance.copy_(variance)

    def arrays(self) -> tuple[Array, Array]:
        """The same as constants of a graph."""
        factor, term = (value.detach().cpu().double().numpy() for value in self.affine())
        return Array(factor), Array(term)


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel; torch.var_mean takes ten times as long on a CPU."""
    flat = x.reshape(-1, x.shape[-1])
    mean = flat.mean(0)
    return mean, (flat - mean).square_().mean(0)
