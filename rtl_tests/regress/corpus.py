"""Networks of the test suite's own generators, as families beside the grammar.

Random chains and convolutional networks of an earlier kind, the QONNX networks written node by
node, float networks that onnxruntime quantized in one of eight styles, and networks with an early
exit.
Of these only options and frames can be made smaller.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from numpy.random import Generator

from gatesmith.rtl_tests import (  # noqa: F401, registers the networks
    branching_networks,
    exit_networks,
    integer_networks,
    qonnx_networks,
)
from gatesmith.rtl_tests.qdq_by_hand import tflite
from gatesmith.rtl_tests.qdq_net import STYLES, quantized
from gatesmith.rtl_tests.qdq_networks import NETWORKS as QDQ
from gatesmith.rtl_tests.qonnx_builder import NETWORKS as QONNX
from gatesmith.rtl_tests.qonnx_builder import Network
from gatesmith.rtl_tests.random_conv_network import random_conv_network
from gatesmith.rtl_tests.random_network import random_model
from gatesmith.rtl_tests.regress.recipe import Args
from gatesmith.rtl_tests.regress.writer import Layer, Written

Draw: TypeAlias = Callable[[Generator], dict[str, Any]]
Make: TypeAlias = Callable[[int, Args], Network]

MATRIX_PRODUCTS = {
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "QLinearConv", "QLinearMatMul", "QGemm"),
    *("ConvInteger", "MatMulInteger"),
}
LARGE = {"bottlenecks", "super_resolution", "dense_block", "spatial_attention", "crop_and_pad"}
"""Take many times as long as the others to simulate."""


def _chain(seed: int, _: Args) -> Network:
    return Network(random_model(seed))


def _conv(seed: int, traits: Args) -> Network:
    return random_conv_network(seed, bool(traits["dyadic"]))


def _qonnx(_: int, traits: Args) -> Network:
    return QONNX[str(traits["network"])](bool(traits["dyadic"]))


def _qdq(seed: int, traits: Args) -> Network:
    name = str(traits["network"])
    if name == "tflite":
        return Network(tflite(seed % 1000))
    return Network(quantized(QDQ[name], str(traits["style"]), seed % 1000))


def _exits(_: int, traits: Args) -> Network:
    make = exit_networks.chain if traits["network"] == "chain" else exit_networks.residual
    return Network(make(dyadic=bool(traits["dyadic"])))


def _pick(rng: Generator, values: Any) -> Any:
    values = sorted(values)
    return values[int(rng.integers(len(values)))]


def _dyadic(rng: Generator) -> dict[str, Any]:
    return {"dyadic": bool(rng.integers(2))}


def _draw_qonnx(rng: Generator) -> dict[str, Any]:
    return {"network": _pick(rng, QONNX), **_dyadic(rng)}


def _draw_qdq(rng: Generator) -> dict[str, Any]:
    names = (QDQ.keys() | {"tflite"}) - LARGE
    return {"network": _pick(rng, names), "style": _pick(rng, STYLES)}


def _draw_exits(rng: Generator) -> dict[str, Any]:
    margin = _pick(rng, ("0", "1/4", "1", "5/2", "8"))
    return {"network": _pick(rng, ("chain", "residual")), "margin": margin, **_dyadic(rng)}


FAMILIES: dict[str, tuple[float, Draw, Make]] = {
    "chain": (0.06, lambda rng: {}, _chain),
    "conv": (0.06, _dyadic, _conv),
    "qonnx": (0.03, _draw_qonnx, _qonnx),
    "qdq": (0.03, _draw_qdq, _qdq),
    "exits": (0.02, _draw_exits, _exits),
}
"""Share of all networks, arguments, and the network, by name."""


def families() -> Iterator[tuple[str, float]]:
    """Those that can be made here, with their shares: ``qdq`` needs onnxruntime."""
    there = importlib.util.find_spec("onnxruntime") is not None
    for name, (share, _, _) in FAMILIES.items():
        if name != "qdq" or there:
            yield name, share


def write(family: str, seed: int, traits: Args) -> Written:
    """The network of a family, and the layers that --fold may name."""
    made = FAMILIES[family][2](seed, traits)
    layers = [
        Layer(node.name, 0, 0)
        for node in made.model.graph.node
        if node.op_type in MATRIX_PRODUCTS and node.name
    ]
    return Written(made.model, made.spec, tuple(layers))
