"""Sensitivity by curvature: half the error's second derivative times the squared quantizer error.

    error = 1/2 * sum of F[i] * (v[i] - Q(v)[i])**2

over the elements of a weight, or of an activation frame by frame. F is the diagonal of the Fisher
information, or, for outputs that are no classes, of the Gauss-Newton matrix: the mean square of the
gradients of one random scalar a frame. Source: HAWQ-V2, Dong et al., 2020, section 3.1, which takes
the mean of the diagonal for all elements; here each has its own.

Cheap where many widths are to be compared: one backward pass a frame, whatever their number.
Imported only when asked for: it needs torch (extra ``train``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gatesmith.ir import Node
from gatesmith.ops.const import Const
from gatesmith.ops.softmax import Softmax
from gatesmith.quant.calibrate.runner import Frames, batches, count
from gatesmith.quant.mixed.sensitivity import MEASURES
from gatesmith.quant.mixed.trial import Progress, Trials, quiet
from gatesmith.quant.train.module import GraphModule, ModuleOptions

SAMPLES = 128


def fisher_errors(
    trials: Trials,
    widths: Mapping[str, Sequence[int]],
    frames: Frames,
    measure: str = "kl",
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, dict[int, float]]:
    """Error that each site makes at each width, as sensitivity.py gives it; no scale for ``mse``.

    Args:
        trials: The network and its grids.
        widths: That each site may have.
        frames: The first ``samples`` are used.
        measure: ``kl`` for scores of classes, ``mse`` for other outputs.
        samples: Backward passes.
        seed: Of the random scalars.
        progress: Told which part of the work is done.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}, not {measure}")
    errors = {name: dict.fromkeys(own, 0.0) for name, own in widths.items()}
    free = [name for name, own in widths.items() if len(own) > 1]
    nodes = {name: trials.sites[name].node for name in free}
    weights = [name for name in free if isinstance(nodes[name].op, Const)]
    reads = [name for name in free if name not in weights]
    module, parameters = _module(trials, reads)
    generator = torch.Generator().manual_seed(seed)
    squares = {name: torch.zeros_like(parameters[name]) for name in weights}
    total = min(samples, count(frames))
    for done, frame in enumerate(batches(frames, 1, total)):
        progress("sensitivity", done, total)
        values = module.run(_tensors(frame))
        scalar = sum(
            (_scalar(o, values[o.name], measure, generator) for o in trials.graph.outputs),
            torch.zeros(()),
        )
        aims = [parameters[name] for name in weights] + [values[name] for name in reads]
        slopes = torch.autograd.grad(scalar, aims, allow_unused=True)
        for name, slope in zip((*weights, *reads), slopes, strict=True):
            if slope is None:
                continue
            if name in squares:
                squares[name] += slope**2
                continue
            fisher = (slope**2)[0].double().numpy()
            value = values[name].detach()[0].double().numpy()
            for bits in widths[name]:
                off = trials.grid(name, bits).fake(value) - value
                errors[name][bits] += float((fisher * off**2).sum())
    for name in weights:
        op = nodes[name].op
        assert isinstance(op, Const)
        fisher, weight = squares[name].double().numpy(), op.value.data
        for bits in widths[name]:
            off = trials.grid(name, bits).fake(trials.weight(name, bits)) - weight
            errors[name][bits] = float((fisher * off**2).sum())
    half = 0.5 / max(total, 1)
    return {name: {bits: half * e for bits, e in own.items()} for name, own in errors.items()}


def _module(trials: Trials, reads: Sequence[str]) -> tuple[GraphModule, dict[str, Tensor]]:
    """The float network, and its constants by name."""
    module = GraphModule(trials.graph, ModuleOptions(kept=tuple(reads)))
    module.eval()
    constants = [node for node in trials.graph if isinstance(node.op, Const)]
    parameters = dict(zip((n.name for n in constants), module.parameter.values(), strict=True))
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    return module, parameters


def _tensors(frame: Frames) -> Tensor | dict[str, Tensor]:
    if isinstance(frame, Mapping):
        return {name: torch.tensor(np.asarray(v, np.float32)) for name, v in frame.items()}
    return torch.tensor(np.asarray(frame, np.float32))


def _scalar(output: Node, value: Tensor, measure: str, generator: torch.Generator) -> Tensor:
    """A random number whose gradient has the wanted matrix for its second moment."""
    if measure == "mse":  # E[(J'z)(J'z)'] = J'J; twice, as the error is no half of a square
        return (value * torch.randn(value.shape, generator=generator) * 2**0.5).sum()
    logs = torch.log(value.clamp_min(1e-30)) if isinstance(output.op, Softmax) else value
    logs = logs.log_softmax(dim=-1).reshape(-1, value.shape[-1])
    drawn = torch.multinomial(logs.detach().exp(), 1, generator=generator)
    return logs.gather(1, drawn).sum()
