"""Random small convolutional networks: windows, pools, joins and movements of every odd size.

The network of a seed is legal ONNX; whether lowering takes it is another matter: scales by channel
may meet where nothing has one scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatesmith.rtl_tests.qonnx_builder import FINN, Net, Network

SIZES = (1, 2, 3, 5, 6, 7, 8)
CHANNELS = (1, 2, 3, 4, 5, 6, 7)


@dataclass
class Map:
    """A tensor (C, H, W) of the network that is being made."""

    name: str
    channels: int
    height: int
    width: int


class RandomConvNetwork:
    """Builds one network from a seed."""

    def __init__(self, seed: int, dyadic: bool = True) -> None:
        self.rng = np.random.default_rng(seed)
        channels, height, width = (int(self.rng.choice(s)) for s in (CHANNELS, SIZES, SIZES))
        self.net = Net((channels, height, width), seed, dyadic)
        self.map = Map("x", channels, height, width)

    def pick(self, *values: Any) -> Any:
        """One of the values."""
        return values[int(self.rng.integers(len(values)))]

    def _window(self, most: int) -> tuple[dict[str, Any], int, int] | None:
        """Attributes of a random window that fits, and the size of what it gives."""
        kernel = [int(self.rng.integers(1, most + 1)) for _ in range(2)]
        strides = [int(self.pick(1, 1, 2, 3)) for _ in range(2)]
        dilations = [int(self.pick(1, 1, 1, 2)) for _ in range(2)]
        pads = [int(self.pick(0, 0, 1, 2)) for _ in range(4)]
        sizes = []
        for axis, extent in enumerate((self.map.height, self.map.width)):
            pads[axis] = min(pads[axis], kernel[axis] - 1)
            pads[axis + 2] = min(pads[axis + 2], kernel[axis] - 1)
            room = extent + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1
            if room < 0:
                return None
            sizes.append(room // strides[axis] + 1)
        given = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads}
        return given, sizes[0], sizes[1]

    def conv(self) -> None:
        """Convolution of any kind."""
        found = self._window(4)
        if found is None:
            return
        attributes, height, width = found
        channels = self.map.channels
        group = int(self.pick(*[g for g in range(1, channels + 1) if channels % g == 0]))
        outs = group * int(self.pick(1, 1, 2, 3))
        bits = float(self.pick(1, 1.5, 2, 4))
        kernel = tuple(attributes.pop("kernel_shape"))
        more = {"bias": bool(self.pick(0, 1)), "per_channel": bool(self.pick(0, 1))}
        self.net.conv(channels, outs, kernel, bits, group=group, **more, **attributes)
        self.map = Map(self.net.current, outs, height, width)

    def pool(self) -> None:
        """Max or average."""
        found = self._window(3)
        if found is None:
            return
        attributes, height, width = found
        if self.pick(0, 1):
            self.net.put("MaxPool", **attributes)
        else:
            del attributes["dilations"]
            kernel, strides, pads = (attributes[k] for k in ("kernel_shape", "strides", "pads"))
            ends = (self.map.height, self.map.width)
            height, width = (
                (ends[i] + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i in (0, 1)
            )
            counted = int(self.pick(0, 1))
            self.net.put("AveragePool", **attributes, count_include_pad=counted)
            self.quantize()
        self.map = Map(self.net.current, self.map.channels, height, width)

    def between(self) -> None:
        """What stands between a layer and its quantizer."""
        channels = self.map.channels
        match int(self.rng.integers(8)):
            case 0 | 1:
                self.net.norm(channels)
            case 2:
                self.net.put("Relu")
            case 3:
                self.net.put("Clip", -1.5, 3.0)
            case 4:
                self.net.put("LeakyRelu", alpha=0.25)
            case 5:
                self.net.put("Mul", self.net.real(channels, 1, 1))
            case 6:
                self.net.put("PRelu", np.abs(self.net.real(channels, 1, 1)) / 4)
        self.map.name = self.net.current

    def quantize(self) -> None:
        """A quantizer."""
        channels = self.map.channels
        match int(self.rng.integers(6)):
            case 0:
                self.net.bipolar(self.net.scale())
            case 1:
                table = np.sort(self.net.real(channels, int(self.pick(1, 3, 6)), size=6), axis=1)
                how = {"out_scale": 0.5, "out_bias": float(self.pick(0, -1, -1.5))}
                self.net.put("MultiThreshold", table, domain=FINN, **how)
            case 2:
                scale = [[[self.net.scale()]] for _ in range(channels)]
                self.net.quant(3, [scale])
            case _:
                signed = int(self.pick(0, 1))
                mode = str(self.pick("ROUND", "ROUND", "FLOOR", "CEIL"))
                zero = float(self.pick(0, 0, 0, 1))
                self.net.quant(int(self.pick(2, 3, 4)), signed=signed, mode=mode, zero=zero)
        self.map.name = self.net.current

    def join(self) -> None:
        """A branch of one pixel kernels beside the identity, or a copy of the map."""
        left, channels = self.map.name, self.map.channels
        if self.pick(0, 1):
            self.net.conv(channels, channels, (1, 1), 2)
            self.quantize()
        else:
            self.net.put("Relu")
        operator = str(self.pick("Add", "Sub", "Max", "Mul", "Concat"))
        if operator == "Concat":
            self.net.raw("Concat", [self.net.current, left], axis=1)
            self.map.channels *= 2
        else:
            self.net.raw(operator, [self.net.current, left])
        self.quantize()

    def move(self) -> None:
        """Elements that only change places."""
        net, m = self.net, self.map
        match int(self.rng.integers(5)):
            case 0:
                net.put("Transpose", perm=[0, 1, 3, 2])
                m.height, m.width = m.width, m.height
            case 1:
                how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
                sizes = net.const([1.0, 1.0, 2.0, 1.0])
                net.raw("Resize", [net.current, "", sizes], **how, nearest_mode="floor")
                m.height *= 2
            case 2:
                amounts = net.const([0, 0, 1, 0, 0, 0, 0, 2], np.int64)
                net.raw("Pad", [net.current, amounts])
                m.height, m.width = m.height + 1, m.width + 2
            case 3 if m.height > 1:
                bounds = [net.const([v], np.int64) for v in (m.height - 1, -100, 2, -2)]
                net.raw("Slice", [net.current, *bounds])
                m.height = len(range(m.height - 1, -1, -2))
            case _:
                shape = net.const([-1, m.channels * m.height, m.width, 1], np.int64)
                net.raw("Reshape", [net.current, shape])
                m.channels, m.height, m.width = m.channels * m.height, m.width, 1
        m.name = net.current

    def network(self) -> Network:
        """The whole."""
        self.net.quant(int(self.pick(2, 4)), 0.5, signed=1)
        self.map.name = self.net.current
        steps: tuple[Callable[[], None], ...] = (self.conv, self.pool, self.join, self.move)
        for _ in range(int(self.rng.integers(2, 5))):
            step = steps[int(self.rng.choice(4, p=[0.5, 0.2, 0.15, 0.15]))]
            step()
            if step == self.conv:
                self.between()
                self.quantize()
        if self.map.channels * self.map.height * self.map.width > 400:
            self.net.put("GlobalMaxPool")
            self.map.height = self.map.width = 1
        size = self.map.channels * self.map.height * self.map.width
        self.net.flat().dense(size, int(self.pick(1, 3)), 2)
        return Network(self.net.model())


def random_conv_network(seed: int, dyadic: bool = True) -> Network:
    """The network of a seed.

    >>> random_conv_network(1).model.graph.node[0].op_type
    'Quant'
    """
    return RandomConvNetwork(seed, dyadic).network()
