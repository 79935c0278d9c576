from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gatesmith.ir import IntType
from gatesmith.rtl_tests.vectors import Port


@st.composite
def ports(draw: st.DrawFn) -> Port:
    lo = draw(st.integers(-300, 300))
    step = draw(st.sampled_from([1, 1, 2, 3]))
    elem = IntType(lo, lo + step * draw(st.integers(0, 5000)), step)
    lanes, beats = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    size = lanes * (beats - 1) + draw(st.integers(1, lanes))  # the last beat may not be full
    tdata_bits = (-(-lanes * elem.bits // 8) + draw(st.integers(0, 1))) * 8
    return Port(elem, lanes, beats, tdata_bits, size)


@given(ports(), st.integers(0, 2**32 - 1))
def test_element_i_sits_at_i_times_bits_and_comes_back(port: Port, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = port.elem.lo + port.elem.step * rng.integers(0, port.elem.count, (3, port.size))

    beats = port.encode(values)

    assert beats.shape == (3, port.beats, port.tdata_bits // 8)
    codes = port.elem.encode(values)
    for frame, row in enumerate(codes):
        for beat in range(port.beats):
            lanes = row[beat * port.lanes : (beat + 1) * port.lanes]
            word = sum(int(code) << (i * port.elem.bits) for i, code in enumerate(lanes))
            assert int.from_bytes(beats[frame, beat].tobytes(), "big") == word
            for lane in range(len(lanes)):
                value = values[frame, beat * port.lanes + lane]
                assert port.element(word, lane) == value
                other = word ^ (1 << (lane * port.elem.bits))
                assert port.lane_of(word, other) == lane
            assert port.lane_of(word, word) is None
    np.testing.assert_array_equal(port.decode(beats), values)


def test_port_of_a_build_and_of_a_stage() -> None:
    elem = {"lo": -1, "hi": 1, "step": 2}
    outside: Mapping[str, Any] = {
        **{"shape": [4, 5], "elem": elem, "bits": 1, "lanes": 10, "channels": 20, "vectors": 1},
        **{"beats": 2, "tdata_bits": 16},
    }
    inside: Mapping[str, Any] = {
        **{"elem": elem, "bits": 1, "lanes": 10, "channels": 10, "vectors": 2, "beats": 2}
    }

    assert Port.of(outside) == Port.of(inside) == Port(IntType(-1, 1, 2), 10, 2, 16, 20)
    assert Port.of(outside).frame_bytes == 4
