import numpy as np
import pytest

from gatesmith.codegen.bit_heap import Bit, BitHeap
from gatesmith.codegen.chains import Chain
from gatesmith.codegen.compression import Arrival, compress
from gatesmith.codegen.row_plan import best_segment, row_plan
from gatesmith.codegen.wiring import Wiring


def after(bits: list[int], chain: Chain) -> list[int]:
    """Bits by weight when a chain has done its work."""
    left = list(bits)
    for weight, count in enumerate(chain.takes(), chain.start):
        left[weight] -= count
        assert left[weight] >= 0
    for weight in chain.gives(len(bits)):
        left[weight] += 1
    return left


@pytest.mark.parametrize("seed", range(12))
def test_a_plan_leaves_one_bit_of_each_weight(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(3, 18))
    times = sorted(rng.choice(5, 1 + seed % 3, replace=False).tolist())
    arrivals = []
    for time in times:
        bits = rng.integers(0, 2 + 4 * seed, columns)
        arrivals.append(
            Arrival(time, tuple(bits.tolist()), tuple(rng.integers(0, bits + 1).tolist()))
        )

    plan = row_plan(arrivals, columns)

    left, coming = [0] * columns, list(arrivals)
    for number, stage in enumerate(plan.stages):
        while coming and coming[0].time <= times[0] + number:
            left = [a + b for a, b in zip(left, coming.pop(0).bits, strict=True)]
        fresh = [0] * columns  # results of a stage are there in the next
        for chain, count in stage:
            assert count == 1
            now = after(left, chain)
            for weight in chain.gives(columns):
                now[weight] -= 1
                fresh[weight] += 1
            left = now
        left = [a + b for a, b in zip(left, fresh, strict=True)]
    for arrival in coming:  # nothing stands where these go
        left = [a + b for a, b in zip(left, arrival.bits, strict=True)]
    assert max(left) <= 1


def test_full_windows_remove_five_bits_for_three_luts() -> None:
    chain = best_segment([7, 1, 1, 0], [7, 1, 1, 0], 1.5)

    assert chain is not None
    assert (sum(chain.takes()), chain.lut) == (9, 3)
    assert best_segment([1, 1, 1], [1, 1, 1], 0.0) is None


def test_a_heap_of_64_numbers_takes_few_luts_and_stages() -> None:
    heap, wiring = BitHeap(), Wiring(100)
    for number in range(64):
        heap.add_number([Bit(f"x[{6 * number + i}]") for i in range(6)], number % 4)

    bits = compress(heap, wiring, 16, planner=row_plan)

    lut = sum(line.lut for line in wiring.lines)
    assert (64 * 6 - 13) / lut > 1.5
    assert max(bit.time for column in bits for bit in column) <= 7
