"""Stages of early exits: a decision, gates that wait for it, and the answers in order."""

from __future__ import annotations

from gatesmith.codegen.builder import Builder, Tap
from gatesmith.codegen.decide import DecideStage
from gatesmith.codegen.early_exit import EarlyExitStage
from gatesmith.codegen.gate import GateStage
from gatesmith.codegen.layers import layer
from gatesmith.codegen.matrix_unit import divisors
from gatesmith.ir import Node
from gatesmith.ops.decide import Decide
from gatesmith.ops.early_exit import EarlyExit
from gatesmith.ops.gate import Gate


@layer(Decide)
def decide(builder: Builder, node: Node) -> None:
    """The fewest lanes that are quick enough."""
    op = node.op
    assert isinstance(op, Decide)
    classes = node.args[0].type.channels
    lanes = next((n for n in divisors(classes) if classes // n <= builder.cycles), classes)
    tap = builder.take(node.args[0]).buffer().convert(classes, lanes)
    module = builder.module(node.name)
    tap.put(DecideStage(node.name, node.name, node.origin, module, op, tap.stream))
    builder.give(node, tap)


@layer(Gate)
def gate(builder: Builder, node: Node) -> None:
    """Between two FIFOs: one for what waits for its decision, one for what may go on."""
    x, decision = (builder.take(arg).buffer().wait() for arg in node.args)
    module = builder.module(node.name)
    stage = GateStage(node.name, node.name, node.origin, module, x.stream, decision.stream)
    driver = builder.put(stage, x.driver, decision.driver)
    builder.give(node, Tap(builder, driver, stage.sink).wait())


@layer(EarlyExit)
def early_exit(builder: Builder, node: Node) -> None:
    """Decisions wait in a FIFO for the frames that went on."""
    decision = builder.take(node.args[0]).buffer().wait()
    late = builder.take(node.args[1]).buffer().convert(1, 1)
    module = builder.module(node.name)
    stage = EarlyExitStage(node.name, node.name, node.origin, module, decision.stream, late.stream)
    driver = builder.put(stage, decision.driver, late.driver)
    builder.give(node, Tap(builder, driver, stage.sink))
