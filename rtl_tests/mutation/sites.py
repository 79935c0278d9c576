"""Every place of a SystemVerilog file where a mutant can be made, from slang's syntax tree.

What is decided at elaboration (widths, bounds, parameters, the inside of a function) becomes a copy
of its module; every other expression and statement is chosen where it stands (schemata.py). Left
out is what no synthesis sees: assertions, initial blocks, and nets that only keep a linter quiet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gatesmith.rtl_tests.mutation import operators
from gatesmith.rtl_tests.mutation.mutant import COPY, INSTANCE, RUN, Mutant

Node = Any
"""pyslang's nodes have no types of their own that a checker could use."""

FLOW = re.compile(
    r"valid|ready|\b(step|take|give|put|drop|issue|have|move|fire|full|empty|go|done)\b"
)
"""Names of what makes beats move."""
RESET = re.compile(r"\b(rst|aresetn)\b")
CONSTANT_CALLS = {"$clog2", "$bits", "$size"}


def kind_of(node: Node) -> str:
    """Name of a node's kind."""
    return str(node.kind).removeprefix("SyntaxKind.")


def children(node: Node) -> Iterator[Node]:
    """Nodes below, without tokens."""
    for index in range(len(node)):
        child = node[index]
        if child is not None and type(child).__name__ != "Token":
            yield child


def module_nodes(tree: Node) -> list[Node]:
    """Modules of a file."""
    root = tree.root
    found = [root] if kind_of(root) == "ModuleDeclaration" else list(root.members)
    return [node for node in found if kind_of(node) == "ModuleDeclaration"]


class Walker:
    """Sites of one module.

    Args:
        text: Of its file, one character a byte.
        file: Name of the file.
        node: The module.
        inputs: Names of the inputs of every module of the design.
        whole: Whether it is the top, of which a copy would be the whole design again: there a net
            is narrower where an instance reads it.
    """

    def __init__(
        self,
        text: str,
        file: str,
        node: Node,
        inputs: Mapping[str, frozenset[str]],
        whole: bool = False,
    ) -> None:
        self.text, self.file, self.inputs, self.whole = text, file, inputs, whole
        self.module = node.header.name.valueText
        self.found: list[Mutant] = []
        self.vectors: set[str] = set()
        self._around = (0, 0)  # statement in which an expression is
        self._module(node)

    # ---- texts ----------------------------------------------------------------------------------

    def span(self, node: Node) -> tuple[int, int]:
        """Where a node or a token is, without what is before it."""
        place = node.sourceRange if hasattr(node, "sourceRange") else node.range
        return place.start.offset, place.end.offset

    def words(self, node: Node) -> str:
        """Text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def add(self, node: Node, kind: str, after: str, run: bool, how: str | None = None) -> None:
        """A mutant that replaces a node."""
        start, end = self.span(node)
        before = self.text[start:end]
        if before.split() == after.split():
            return
        around = self.text[slice(*self._around)]
        if kind in ("logic", "condition", "stuck", "statement"):
            if RESET.search(before):
                kind = "reset"
            elif FLOW.search(around if kind == "logic" else before.split("<=")[0]):
                kind = "handshake"
        line = self.text.count("\n", 0, start) + 1
        how = how or (RUN if run else COPY)
        if how == COPY and self.whole:
            return
        self.found.append(
            Mutant(self.file, self.module, line, kind, start, end, before, after, how)
        )

    # ---- modules --------------------------------------------------------------------------------

    def _module(self, node: Node) -> None:
        ports = node.header.parameters
        for parameter in children(ports.declarations) if ports is not None else ():
            if "localparam" in self.words(parameter):
                self._parameter(parameter)
        for member in node.members:
            self._declared(member)
        for member in node.members:
            self.member(member)

    def _declared(self, node: Node) -> None:
        """Names of the vectors."""
        if kind_of(node) in ("DataDeclaration", "NetDeclaration") and "[" in self.words(node.type):
            self.vectors |= {d.name.valueText for d in children(node.declarators)}
        for child in children(node):
            if kind_of(child) in ("GenerateBlock", "GenerateRegion", "SyntaxList", "LoopGenerate"):
                self._declared(child)

    def member(self, node: Node) -> None:
        """One item of a module or of a generate block."""
        match kind_of(node):
            case "ContinuousAssign":
                for assignment in children(node.assignments):
                    self._driver(assignment)
            case "AlwaysFFBlock":
                self.statement(node.statement.statement)
            case "AlwaysCombBlock":
                self.statement(node.statement)
            case "DataDeclaration" | "NetDeclaration":
                self._declaration(node)
            case "ParameterDeclarationStatement":
                self._parameter(node.parameter)
            case "FunctionDeclaration":
                for item in node.items:
                    self.statement(item, run=False)
            case "GenerateRegion" | "GenerateBlock":
                for member in node.members:
                    self.member(member)
            case "LoopGenerate":
                self._elaborated(node.stopExpr, "generate")
                self.member(node.block)
            case "IfGenerate":
                self._elaborated(node.condition, "generate")
                self.member(node.block)
                if node.elseClause is not None:
                    self.member(node.elseClause.clause)
            case "HierarchyInstantiation":
                self._instances(node)
            case _:
                pass  # initial blocks, genvars

    def _elaborated(self, node: Node, kind: str) -> None:
        """An expression that is constant."""
        self._around = self.span(node)
        before = len(self.found)
        self.expression(node, run=False)
        self.found[before:] = [
            Mutant(m.file, m.module, m.line, kind, m.start, m.end, m.before, m.after, m.how)
            for m in self.found[before:]
        ]

    def _parameter(self, node: Node) -> None:
        for declared in children(node.declarators):
            if declared.initializer is not None:
                self._elaborated(declared.initializer.expr, "parameter")

    def _declaration(self, node: Node) -> None:
        """Registers and nets: a bit less, the other sign."""
        names = [d.name.valueText for d in children(node.declarators)]
        if all(name.startswith("unused") for name in names):
            return
        self._dimensions(node.type)
        for declared in children(node.declarators):
            if declared.initializer is not None:  # wire x = ...
                self._around = self.span(declared)
                self.expression(declared.initializer.expr, run=True)
        token = getattr(node.type, "signing", None)
        if token is not None and token.valueText == "signed":
            self.add(token, "sign", "unsigned", run=False)

    def _dimensions(self, node: Node) -> None:
        for child in children(node):
            if kind_of(child) == "SimpleRangeSelect":
                self._around = self.span(child)
                text = self.words(child.left)
                if text != self.words(child.right):
                    self.add(child.left, "width", f"({text}) - 1", run=False)
            else:
                self._dimensions(child)

    def _driver(self, node: Node) -> None:
        """A continuous assignment."""
        target = self.words(node.left)
        if target.startswith("unused"):
            return
        self._around = self.span(node)
        self.expression(node.right, run=True)
        self.add(node.right, "handshake" if FLOW.search(target) else "stuck", "'0", run=True)
        if "[" not in target and target not in self.vectors:
            self.add(node.right, "handshake" if FLOW.search(target) else "stuck", "'1", run=True)

    def _instances(self, node: Node) -> None:
        module = node.type.valueText
        self._around = self.span(node)
        given = node.parameters
        for entry in children(given.parameters) if given is not None else ():
            value = self.words(entry.expr)
            for after in operators.near(value):
                self._parameter_of(node, module, entry.name.valueText, entry.expr, after)
        for instance in children(node.instances):
            for port in children(instance.connections):
                if kind_of(port) == "NamedPortConnection" and port.expr is not None:
                    self._connection(module, port)

    def _parameter_of(self, node: Node, module: str, name: str, value: Node, after: str) -> None:
        self.add(value, "parameter", after, run=False, how=INSTANCE)
        (made,) = self.found[-1:]
        self.found[-1] = Mutant(
            made.file, made.module, made.line, made.kind, made.start, made.end, made.before,
            made.after, INSTANCE, (module, name),
        )  # fmt: skip

    def _connection(self, module: str, port: Node) -> None:
        name = port.name.valueText
        if name not in self.inputs.get(module, frozenset()) or name in ("clk", "rst"):
            return
        self.expression(port.expr, run=True)
        if self.whole and name.endswith("_tdata"):
            self.add(port.expr, "width", f"({self.words(port.expr)}) & ('1 >> 1)", run=True)
        if FLOW.search(name):
            for after in ("1'b0", "1'b1"):
                self.add(port.expr, "connection", after, run=True)

    # ---- statements -----------------------------------------------------------------------------

    def statement(self, node: Node, run: bool = True) -> None:
        """A statement of an always block, or of a function."""
        match kind_of(node):
            case "SequentialBlockStatement":
                for item in node.items:
                    self.statement(item, run)
            case "ConditionalStatement":
                for part in children(node.predicate.conditions):
                    self._around = self.span(part)
                    self._condition(part.expr, run)
                self.statement(node.statement, run)
                if node.elseClause is not None:
                    self.statement(node.elseClause.clause, run)
            case "ForLoopStatement":
                self._elaborated(node.stopExpr, "generate")
                self.statement(node.statement, run)
            case "ExpressionStatement":
                self._assignment(node, run)
            case "ReturnStatement":
                self.expression(node.returnValue, run)
            case _:
                pass  # declarations

    def _condition(self, node: Node, run: bool) -> None:
        self.expression(node, run)
        text = self.words(node)
        for after in ("1'b1", "1'b0"):
            self.add(node, "condition", after, run)
        if kind_of(node) in ("IdentifierName", "IdentifierSelectName", *operators.LOGICAL):
            self.add(node, "condition", f"!({text})", run)

    def _assignment(self, node: Node, run: bool) -> None:
        self._around = self.span(node)
        assigned = node.expr
        if kind_of(assigned) not in ("NonblockingAssignmentExpression", "AssignmentExpression"):
            return
        self.expression(assigned.left, run)
        self.expression(assigned.right, run)
        self.add(node, "statement", ";", run)

    # ---- expressions ----------------------------------------------------------------------------

    def expression(self, node: Node, run: bool) -> None:
        """An expression and all below it."""
        name = kind_of(node)
        for kind, after in operators.alternatives(node, name, self.words):
            self.add(node, kind, after, run)
        match name:
            case "ScopedName":
                pass  # g_level[l-1].x: which block is decided at elaboration
            case "CastExpression":
                self._cast(node, run)
            case "IdentifierSelectName":
                for selector in node.selectors:
                    self._selector(selector.selector, run)
            case "ElementSelectExpression":
                self.expression(node.left, run)
                self._selector(node.select.selector, run)
            case "InvocationExpression":
                self._call(node, run)
            case "MultipleConcatenationExpression":
                self.expression(node.concatenation, run)
            case _:
                for child in children(node):
                    self.expression(child, run)

    def _selector(self, node: Node, run: bool) -> None:
        match kind_of(node):
            case "BitSelect":
                self.expression(node.expr, run)
            case "AscendingRangeSelect" | "DescendingRangeSelect":
                self.expression(node.left, run)
                self.expression(node.right, run=False)
            case _:
                self.expression(node.left, run=False)
                self.expression(node.right, run=False)

    def _cast(self, node: Node, run: bool) -> None:
        text = self.words(node.left)
        if text[:1].isalpha() and not text.islower():  # a width by name, not int or bit
            self.add(node.left, "width", f"({text} - 1)", run=False)
        self.expression(node.right, run)

    def _call(self, node: Node, run: bool) -> None:
        name = self.words(node.left)
        if name in CONSTANT_CALLS:
            return
        other = {"$signed": "$unsigned", "$unsigned": "$signed"}.get(name)
        if other is not None:
            self.add(node.left, "sign", other, run=False)
        if node.arguments is not None:
            self.expression(node.arguments, run)
