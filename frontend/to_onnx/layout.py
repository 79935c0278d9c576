"""In which order a tensor of the file has the axes of its value.

The IR is channels last, ONNX windows want channels first. Every tensor of the file carries its
``order``: axis j behind the batch axis is axis ``order[j]`` of the IR value. A Transpose of the IR
is then another order of the same tensor, and costs nothing.
"""

from __future__ import annotations

from typing import TypeAlias

Order: TypeAlias = tuple[int, ...]
Shape: TypeAlias = tuple[int, ...]

CHANNELS_FIRST = (2, 0, 1)


def plain(rank: int) -> Order:
    """The order of the IR itself."""
    return tuple(range(rank))


def in_order(shape: Shape, order: Order) -> Shape:
    """Shape of a tensor of the file, without its batch axis."""
    return tuple(shape[axis] for axis in order)


def transposed(order: Order, perm: tuple[int, ...]) -> Order:
    """Order of the same tensor as the value of Transpose(perm).

    >>> transposed((2, 0, 1), (2, 0, 1))
    (0, 1, 2)
    """
    return tuple(perm.index(axis) for axis in order)


def between(old: Order, new: Order) -> tuple[int, ...]:
    """ONNX ``perm``, batch axis included, from a tensor in one order to one in another.

    >>> between((0, 1, 2), (2, 0, 1))
    (0, 3, 1, 2)
    """
    return (0, *(1 + old.index(axis) for axis in new))


def long_axes(shape: Shape, order: Order) -> Order:
    """The axes of more than one element, as the file has them: all that decides its content."""
    return tuple(axis for axis in order if shape[axis] != 1)


def reshaped(shape: Shape, order: Order, new: Shape) -> Order | None:
    """Order of a tensor as the value of Reshape(new); None where it would have to be turned.

    The axes are matched in groups of as many elements; a group stays together and in its order.

    >>> reshaped((4, 5, 3), (2, 0, 1), (20, 3))
    (1, 0)
    >>> reshaped((4, 5, 3), (2, 0, 1), (60,)) is None
    True
    >>> reshaped((3,), (0,), (1, 1, 3))
    (0, 1, 2)
    """
    found = long_axes(shape, order)
    made: list[int] = []
    placed = [(tuple(found.index(axis) for axis in old), to) for old, to in _groups(shape, new)]
    for places, to in sorted(placed):
        if places != tuple(range(places[0], places[0] + len(places))):
            return None
        made += to
    if made == sorted(made):
        return plain(len(new))
    return (*made, *(axis for axis, extent in enumerate(new) if extent == 1))


def _groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """Axes of more than one element of two shapes, in the least groups of as many elements."""
    groups: list[tuple[list[int], list[int]]] = []
    left = [axis for axis, extent in enumerate(old) if extent != 1]
    right = [axis for axis, extent in enumerate(new) if extent != 1]
    while left:
        mine, yours = [left.pop(0)], [right.pop(0)]
        a, b = old[mine[0]], new[yours[0]]
        while a != b:
            if a < b:
                mine.append(left.pop(0))
                a *= old[mine[-1]]
            else:
                yours.append(right.pop(0))
                b *= new[yours[-1]]
        groups.append((mine, yours))
    return groups
