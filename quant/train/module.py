"""A graph as a torch module: weights and biases are parameters, FakeQuant is trainable.

Values are float32 and have the IR's shapes, batch first, channels last. In eval the module computes
what ``execute(module.graph())`` computes, up to float32 rounding in front of the quantizers.

Done together, as one step of the plan: a layer and its bias; ReLU and the unsigned quantizer behind
it, whose clamp is one; a layer's chain (plan.py) and the batch norm in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from gatesmith.ir import Array, Graph, Node, Op
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.input import Input
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.mul import Mul
from gatesmith.ops.relu import Relu
from gatesmith.quant.train import torch_ops
from gatesmith.quant.train.fractional import Fractional
from gatesmith.quant.train.normalize import BatchNorm
from gatesmith.quant.train.plan import Chain, chains, constants, shared, signs_of, trained
from gatesmith.quant.train.quantizers import Estimators, Quantizer, make


@dataclass(frozen=True, slots=True)
class ModuleOptions:
    """How a graph becomes a module.

    Attributes:
        estimators: How quantizers learn.
        normalize: A batch norm in the place of each bias but the last layer's.
        kept: Names of nodes whose values :meth:`GraphModule.run` must be able to give.
        widths: Least and most bits of int quantizers, where widths learn too (bits.py).
    """

    estimators: Estimators = field(default_factory=Estimators)
    normalize: bool = False
    kept: tuple[str, ...] = ()
    widths: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One call: whose value it gives, what it reads, and what of that nobody reads later."""

    node: Node
    function: Callable[..., Tensor]
    args: tuple[Node, ...]
    last: tuple[Node, ...]


class GraphModule(nn.Module):
    """Compute, train and write back a graph.

    Raises:
        UserError: quantize.no-fake-quant, for operators on integers.
    """

    def __init__(self, graph: Graph, options: ModuleOptions | None = None) -> None:
        super().__init__()
        self.source = graph
        self.options = options or ModuleOptions()
        order = list(graph)
        torch_ops.check(order)
        self.names = {node.name: node for node in order}
        self.inputs = tuple(node for node in order if isinstance(node.op, Input))
        self._constant = constants(graph)
        self._consts = [node for node in order if isinstance(node.op, Const)]
        self._wanted = {*graph.outputs, *(self.names[name] for name in self.options.kept)}
        self.chains = chains(graph, self.options.kept)
        self._learn = trained(graph, self.chains)
        self._keys = {node: f"n{number}" for number, node in enumerate(order)}
        self.parameter = nn.ParameterDict()
        self.quantizer = nn.ModuleDict()
        self.norm = nn.ModuleDict()
        for node in self._consts:
            assert isinstance(node.op, Const)
            value = torch.tensor(node.op.value.data, dtype=torch.float32)
            self.parameter[self._keys[node]] = nn.Parameter(value, node in self._learn)
        self._first = shared(graph)
        self._add_quantizers(order)
        if self.options.normalize:
            for chain in self.chains:
                if chain.inner:
                    self.norm[self._keys[chain.end]] = BatchNorm(chain.layer.type.channels)
        self._steps = self._plan(order)

    # -- building ----------------------------------------------------------------------------------

    def _add_quantizers(self, order: list[Node]) -> None:
        fixed = self._fixed(order)
        for node in order:
            if not isinstance(node.op, FakeQuant) or self._first.get(node, node) is not node:
                continue
            build = partial(
                make,
                how=self.options.estimators,
                weight=node in self._constant,
                features=node.type.size,
                fixed=node in fixed,
            )
            grid, widths = node.op.grid, self.options.widths
            searched = widths is not None and grid.kind == "int" and node not in fixed
            quantizer = Fractional(grid, widths, build) if searched and widths else build(grid)
            self.quantizer[self._keys[node]] = quantizer

    def _fixed(self, order: list[Node]) -> set[Node]:
        """First quantizers of groups in which one is an input's."""
        if self.options.estimators.inputs:
            return set()
        inputs = (n for n in order if isinstance(n.op, FakeQuant) and n.args[0] in self.inputs)
        return {self._first.get(node, node) for node in inputs}

    def quantizer_of(self, node: Node) -> Quantizer:
        """Module of a FakeQuant node."""
        module = self.quantizer[self._keys[self._first.get(node, node)]]
        assert isinstance(module, Quantizer)
        return module

    def constant_of(self, name: str) -> nn.Parameter:
        """The value of the Const of this name, as it is now; a change in place is kept."""
        parameter = self.parameter[self._keys[self.names[name]]]
        assert isinstance(parameter, nn.Parameter)
        return parameter

    def norm_of(self, chain: Chain) -> BatchNorm | None:
        """The batch norm that replaces the end of a chain."""
        key = self._keys[chain.end]
        if key not in self.norm:
            return None
        module = self.norm[key]
        assert isinstance(module, BatchNorm)
        return module

    def _plan(self, order: list[Node]) -> list[_Step]:
        """Steps in order, with what each is the last to read."""
        done: dict[Node, tuple[Callable[..., Tensor], tuple[Node, ...]]] = {}
        inside = self._fused(done)
        users = self.source.users()
        for node in order:
            if node in inside or node in done or isinstance(node.op, Input | Const):
                continue
            done[node] = self._call(node, users[node.args[0]], inside)
        calls = [(node, *done[node]) for node in order if node in done and node not in inside]
        final: dict[Node, Node] = {}
        for node, _, args in calls:
            final.update(dict.fromkeys(args, node))
        return [
            _Step(node, function, args, self._finished(args, node, final))
            for node, function, args in calls
        ]

    def _finished(
        self, args: tuple[Node, ...], node: Node, final: Mapping[Node, Node]
    ) -> tuple[Node, ...]:
        """Arguments that only ``node`` still reads."""
        return tuple({a for a in args if final[a] is node and a not in self._wanted})

    def _fused(self, done: dict[Node, tuple[Callable[..., Tensor], tuple[Node, ...]]]) -> set[Node]:
        """Put chains that are one step in ``done``; the nodes that have no value of their own."""
        inside: set[Node] = set()
        for chain in self.chains:
            layer, norm, bias = chain.layer, self.norm_of(chain), chain.bias
            if norm is not None:
                nodes = (layer, *chain.rest)
                done[chain.end] = (partial(_normed, norm, layer.op), layer.args)
            elif bias is not None and bias.type.size == layer.type.channels:
                nodes = (layer, chain.end)
                done[chain.end] = (partial(_biased, layer.op), (*layer.args, bias))
            else:
                continue
            inside.update(node for node in nodes if node is not chain.end)
        return inside

    def _call(
        self, node: Node, readers: int, inside: set[Node]
    ) -> tuple[Callable[..., Tensor], tuple[Node, ...]]:
        if isinstance(node.op, FakeQuant):
            quantizer, (x,) = self.quantizer_of(node), node.args
            alone = readers == 1 and x.name not in self.options.kept
            if isinstance(x.op, Relu) and alone and _clamps_at_zero(node.op):
                inside.add(x)
                return partial(_relu_quantized, quantizer), x.args
            return quantizer, node.args
        if isinstance(node.op, MaxPool) and self._signs_alone(node.args[0]):
            signs = node.args[0]
            inside.add(signs)
            return partial(_pooled_signs, self.quantizer_of(signs), node.op), signs.args
        if node in self._constant:
            return partial(_lifted, node.op), node.args
        return partial(torch_ops.run, node.op), node.args

    def _signs_alone(self, node: Node) -> bool:
        """Whether a node makes signs that have one reader and nobody else asks for."""
        if not isinstance(node.op, FakeQuant) or node.op.grid.kind != "bipolar":
            return False
        return self.source.users()[node] == 1 and node not in self._wanted

    # -- running -----------------------------------------------------------------------------------

    def forward(self, x: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Value of the first output."""
        output = self.source.outputs[0]
        return self.run(x)[output.name]

    def run(self, x: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values of the outputs and of the kept nodes, by name.

        Args:
            x: (N, *shape) float32; a mapping by name of the Input where there are several.
        """
        values: dict[Node, Tensor] = {}
        for node in self.inputs:
            values[node] = x if isinstance(x, Tensor) else x[node.name]
        frames = values[self.inputs[0]].shape[0] if self.inputs else 1
        for node in self._consts:
            values[node] = self.parameter[self._keys[node]]
        for step in self._steps:
            values[step.node] = step.function(*(values[arg] for arg in step.args))
            for arg in step.last:
                del values[arg]
        return {
            n.name: values[n].expand(frames, *n.type.shape) if n in self._constant else values[n]
            for n in self._wanted
        }

    @contextmanager
    def float_only(self) -> Iterator[None]:
        """Within, quantizers let every value through."""
        modules = [m for m in self.quantizer.values() if isinstance(m, Quantizer)]
        for module in modules:
            module.off = True
        try:
            yield
        finally:
            for module in modules:
                module.off = False

    @torch.no_grad()
    def calibrate(self, x: Tensor | Mapping[str, Tensor]) -> None:
        """Begin each batch norm so that its values have the statistics they have in float.

        Gamma and beta are the deviation and the mean that the chain has with every quantizer off,
        for the weights as they are; the running statistics those of the sums with quantizers on.
        Where only signs of the values are taken, gamma is their scale and beta 0: half of the signs
        are +1 then, and say most (Hubara et al., 2016). The float network's own means, which a ReLU
        cut off, would make almost every sign -1.
        """
        norms = [(chain, norm) for chain in self.chains if (norm := self.norm_of(chain))]
        training = self.training
        self.eval()
        for chain, norm in norms:
            factor, term = (torch.tensor(a, dtype=torch.float32) for a in chain.affine())
            norm.pending = partial(norm.begin, factor=factor, term=term)
        if norms:
            with self.float_only():
                self.run(x)
            for chain, norm in norms:
                signs = signs_of(self.source, chain)
                if signs is not None:
                    norm.balance(float(self.quantizer_of(signs).start.scale.data.mean()))
                norm.pending = norm.see
            self.run(x)
        self.train(training)

    def at_bits(self, bits: int | None) -> None:
        """Quantizers of kind int at this many bits at least; None: as the graph has them."""
        for module in self.quantizer.values():
            assert isinstance(module, Quantizer)
            module.at_bits(bits)

    @torch.no_grad()
    def keep(self) -> None:
        """After a step of the optimizer: weights within the reach of their quantizers."""
        for node in self._weights():
            self.quantizer_of(node).keep(self.parameter[self._keys[node.args[0]]])

    def _weights(self) -> list[Node]:
        """FakeQuant nodes of constants."""
        return [
            node
            for node in self._keys
            if isinstance(node.op, FakeQuant) and isinstance(node.args[0].op, Const)
        ]

    # -- back --------------------------------------------------------------------------------------

    @torch.no_grad()
    def graph(self) -> Graph:
        """The graph: parameters as float32 numbers, grids as learned, weights on their grids."""
        new: dict[Node, Node] = {}
        ends = {chain.end: chain for chain in self.chains if self.norm_of(chain)}
        users = self.source.users()
        for node in self.source:
            args = tuple(new[arg] for arg in node.args)
            if node in ends:
                new[node] = self._unnormed(ends[node], new)
            elif node in self._learn:
                new[node] = replace(node, op=Const(_array(self.parameter[self._keys[node]])))
            elif isinstance(node.op, FakeQuant):
                new[node] = self._written(node, args[0], users[node.args[0]])
            else:
                new[node] = replace(node, args=args)
        return replace(self.source, outputs=tuple(new[node] for node in self.source.outputs))

    def _written(self, node: Node, arg: Node, users: int) -> Node:
        quantizer = self.quantizer_of(node)
        if node not in self._constant:
            grid = quantizer.grid(torch.zeros(1))
            return replace(node, op=FakeQuant(grid), args=(arg,))
        x = self._value(node.args[0])
        grid = quantizer.grid(x)
        on_grid = grid.fake(quantizer.put(x).cpu().double().numpy())
        name = arg.name if users == 1 else f"{arg.name}_on_grid"
        const = Node(
            name, Const(Array(on_grid)), (), arg.origin, arg.tensor if users == 1 else None
        )
        return replace(node, op=FakeQuant(grid), args=(const,))

    def _value(self, node: Node) -> Tensor:
        """Of a constant node."""
        if isinstance(node.op, Const):
            return torch.as_tensor(self.parameter[self._keys[node]]).detach()
        args = [self._value(arg) for arg in node.args]
        if isinstance(node.op, FakeQuant):
            return self.quantizer_of(node)(*args)  # type: ignore[no-any-return]
        return _lifted(node.op, *args)

    def _unnormed(self, chain: Chain, new: dict[Node, Node]) -> Node:
        """The layer, a product and a sum."""
        norm = self.norm_of(chain)
        assert norm is not None
        factor, term = norm.arrays()
        layer, end = chain.layer, chain.end
        sums = replace(layer, args=tuple(new[arg] for arg in layer.args))
        if chain.rest:
            sums = new[layer]
        name = end.name if chain.rest else f"{layer.name}_normed"
        scale = Node(f"{layer.name}_norm_factor", Const(factor))
        offset = Node(f"{layer.name}_norm_term", Const(term))
        scaled = Node(f"{layer.name}_scaled", Mul(), (sums, scale), end.origin)
        return Node(name, Add(), (scaled, offset), end.origin, end.tensor)


def _clamps_at_zero(op: FakeQuant) -> bool:
    grid = op.grid
    unsigned = grid.kind == "int" and bool((grid.clip.lo - grid.zero_point.data == 0).all())
    return unsigned and grid.rounding in ("ROUND", "ROUND_TO_ZERO", "FLOOR")


def _relu_quantized(quantizer: Quantizer, x: Tensor) -> Tensor:
    return quantizer(torch.relu(x) if quantizer.off else x)  # type: ignore[no-any-return]


def _pooled_signs(quantizer: Quantizer, op: MaxPool, x: Tensor) -> Tensor:
    """The largest sign is the sign of the largest.

    Of equal signs a pool would teach the first, and not the one that is nearest to another sign
    (Rastegari et al., 2016, section 3.2, put the pool first as well).
    """
    return quantizer(torch_ops.run(op, x))  # type: ignore[no-any-return]


def _biased(op: Op, x: Tensor, w: Tensor, bias: Tensor) -> Tensor:
    if isinstance(op, Conv):
        return torch_ops.conv(op, x, w, bias.reshape(-1))
    return nn.functional.linear(x, w.t(), bias.reshape(-1))


def _normed(norm: BatchNorm, op: Op, x: Tensor, w: Tensor) -> Tensor:
    return norm(torch_ops.run(op, x, w))  # type: ignore[no-any-return]


def _lifted(op: Op, *args: Tensor) -> Tensor:
    """An operator on constants, which have no batch axis."""
    return torch_ops.run(op, *(arg[None] for arg in args))[0]


def _array(x: Tensor) -> Array:
    return Array(x.detach().cpu().numpy().astype(np.float64))
