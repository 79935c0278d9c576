"""Whole layers and residual blocks left out: those without which the outputs change least."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.prune.blocks import Block, block_scores, find_blocks, without_blocks
from gatesmith.prune.count import macs
from gatesmith.pruning.session import Session


def without_layers(session: Session) -> Graph:
    """The network without blocks, as many as the ratio needs, fine-tuned. Errors: ``prune.*``."""
    graph, sample = session.clean, session.sample()
    assert sample is not None
    wanted = session.settings.ratio or 0.0
    whole = macs(graph)
    gone: list[Block] = []
    while 1 - macs(graph) / whole < wanted - 1e-9:
        blocks = find_blocks(graph)
        if not blocks:
            raise _unreachable(session, 1 - macs(graph) / whole, gone)

        def run(other: Graph, frames: Any) -> Sequence[NDArray[Any]]:
            found = session.runner(other, other.outputs, frames)
            return [found[node.name] for node in other.outputs]

        scores = block_scores(graph, blocks, sample.x, run)
        least = min(blocks, key=lambda block: scores[block.name] / max(1, block.multiplications))
        graph = without_blocks(graph, [least.name])
        gone.append(least)
        session.removed[least.name] = _said(least)
    session.step("pruned", session.measure(graph))
    if session.settings.epochs:
        graph = session.trained(graph, session.settings.epochs)
        session.step("fine-tuned", session.measure(graph))
    return graph


def _said(block: Block) -> str:
    return f"{block.kind} with {', '.join(block.layers)}, {block.multiplications} multiplications"


def _unreachable(session: Session, most: float, gone: Sequence[Block]) -> UserError:
    names = ", ".join(block.name for block in gone) or "none"
    return UserError(
        "prune.unreachable",
        "so much cannot be pruned",
        where=f"--kind layers, network {session.model.name}",
        why=f"the blocks that can be left out ({names}) are {100 * np.floor(most * 1e4) / 1e4:g} %"
        " of the multiplications",
        fix=("ask for less", "cut channels: --kind structured"),
    )
