from pathlib import Path

import numpy as np
import pytest

from gatesmith.frontend.importer import import_model
from gatesmith.prune.coding.hashed import table_of
from gatesmith.prune.coding.share import share
from gatesmith.prune.dense_order import input_order
from gatesmith.quant.calibrate.layers import const, layers

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_a_network_is_shared_in_the_order_of_the_hardware() -> None:
    graph = import_model(EXAMPLES / "float/digits_cnn_s0.onnx").graph
    names = [layer.name for layer in layers(graph)]
    shared = share(graph, {names[1]: 4, names[-1]: 5})
    for before, after in zip(layers(graph), layers(shared), strict=True):
        old, new = const(before.weight), const(after.weight)
        if before.name not in (names[1], names[-1]):
            np.testing.assert_array_equal(old, new)
            continue
        order = input_order(after)
        matrix = new.reshape(-1, new.shape[-1])[order].T
        values, numbers = np.unique(matrix, return_inverse=True)
        assert values.size == (16 if before.name == names[1] else 32)
        table = table_of(numbers.reshape(matrix.shape))
        assert table is not None and len(table) == values.size
    with pytest.raises(ValueError, match=r"^tables of 1 to 10 bits, of layers: "):
        share(graph, {"nothing": 4})
    with pytest.raises(ValueError, match=r"^tables of 1 to 10 bits, of layers: "):
        share(graph, {names[0]: 11})
