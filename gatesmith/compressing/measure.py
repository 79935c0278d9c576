"""Figures of a network: weights and work, bits to store it, hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatesmith.codegen.fold import Target, budget, choose_folds
from gatesmith.codegen.plan import check_target, plan
from gatesmith.codegen.wish import Wish
from gatesmith.energy import energy
from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.importer import import_model
from gatesmith.hardware_cost import Planned
from gatesmith.ir import Array, Graph, Node
from gatesmith.ops.const import Const
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.pipeline import to_integers
from gatesmith.prune.coding.sizes import FLOAT_BITS
from gatesmith.pruning.counts import counts, totals
from gatesmith.pruning.hardware import Hardware


def float_amounts(graph: Graph) -> dict[str, int]:
    """Of a real graph: parameters and multiplications without zeros, weights and their bits."""
    weights = sum(row.parameters for row in counts(graph))
    return {**totals(graph), "weights": weights, "weight_bits": FLOAT_BITS * weights}


def grid_totals(graph: Graph) -> dict[str, int]:
    """Parameters and multiplications of a graph with FakeQuant; what is 0 on its grid is left out.

    Weights that a quantizer sees count as what it makes of them.
    """

    def settle(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if not isinstance(node.op, FakeQuant) or not isinstance(node.args[0].op, Const):
            return None
        values = node.op.grid.fake(node.args[0].op.value.data)
        return replace(node, op=Const(Array(values)), args=())

    return totals(graph.rewrite(settle))


def integers(file: Path) -> Graph:
    """The integer graph of a quantized network. Errors: of the frontend, of lowering."""
    return to_integers(import_model(file), file)[1]


def hardware(graph: Graph, cycles: int | None, fold: Mapping[str, Wish]) -> Hardware:
    """Of an integer graph, planned as for a build, without FIFOs. Errors: ``codegen.*``."""
    target = Target(cycles, fold, "the cycles of the recipe")
    design = plan(graph, choose_folds(graph, target), "net", budget(graph, target))
    check_target(design, target)
    cost = Planned(graph, design, fifos=False).cost
    joules = energy(design.stages).total / 1000
    kept = (cost.lut, cost.ff, cost.dsp, cost.ram_bits, cost.weight_bits)
    return Hardware(*kept, design.interval, joules)


def counted(step: Callable[[], Hardware], notes: list[str]) -> dict[str, Any] | None:
    """Hardware as JSON; None and a note where the network cannot be built."""
    try:
        return step().as_json()
    except (UserError, UserErrors) as error:
        first = error.errors[0] if isinstance(error, UserErrors) else error
        notes.append(f"hardware is not counted: {first.what} ({first.where})")
        return None
