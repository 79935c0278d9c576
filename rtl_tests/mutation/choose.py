"""Which of all possible mutants are made: so many of every kind, spread over the modules.

A design of three unrolled layers has ten thousand constants and one condition that makes its
pipeline wait. Drawn evenly from all places, mutants would be of the first kind alone, so kinds take
turns, and within a kind modules do. What is decided at elaboration takes one turn in all, because
each is a copy of its module in the model.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from gatesmith.rtl_tests.mutation.design import Rtl, exchanged, flipped
from gatesmith.rtl_tests.mutation.mutant import COPY, INSTANCE, Mutant

Group: TypeAlias = deque[deque[Mutant]]


def choose(
    rtl: Rtl, count: int, seed: int, refused: Callable[[Mutant], bool]
) -> tuple[list[Mutant], list[Mutant], int]:
    """Mutants, stillborn ones met on the way, and how many there are to choose from.

    Args:
        rtl: The design.
        count: How many are wanted; fewer where there are no more.
        seed: Of the choice.
        refused: Whether a mutant is stillborn.
    """
    rng = random.Random(seed)
    sites = rtl.sites()
    groups = [_spread(group, rng) for group in _grouped(sites)]
    images = list(_images(rtl, rng, count))
    groups.append(_spread(images, rng))
    chosen: list[Mutant] = []
    stillborn: list[Mutant] = []
    for mutant in _in_turns(deque(groups)):
        if len(chosen) == count:
            break
        (stillborn if refused(mutant) else chosen).append(mutant)
    return chosen, stillborn, len(sites)


def _grouped(sites: Sequence[Mutant]) -> list[list[Mutant]]:
    groups: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in sites:
        groups["elaboration" if mutant.how in (COPY, INSTANCE) else mutant.kind].append(mutant)
    return [groups[key] for key in sorted(groups)]


def _spread(mutants: Sequence[Mutant], rng: random.Random) -> Group:
    """By file, each in random order."""
    files: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        files[mutant.file].append(mutant)
    return deque(deque(rng.sample(own, len(own))) for _, own in sorted(files.items()))


def _in_turns(groups: deque[Group]) -> Iterator[Mutant]:
    while groups:
        group = groups.popleft()
        if group:
            own = group.popleft()
            if own:
                yield own.popleft()
                group.append(own)
                groups.append(group)
            else:
                groups.appendleft(group)


def _images(rtl: Rtl, rng: random.Random, most: int) -> Iterator[Mutant]:
    """Bits of memory images, and words in each other's place."""
    for image, places, text in rtl.in_images():
        for _ in range(min(most, len(places) * image.bits)):
            word = rng.randrange(len(places))
            yield flipped(image, text, places[word], rng.randrange(image.bits))
        at = rng.randrange(len(places))
        other = exchanged(image, text, places[at], places[at + 1]) if at + 1 < len(places) else None
        if other is not None:
            yield other
