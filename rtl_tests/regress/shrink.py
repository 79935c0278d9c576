"""A smaller recipe that fails in the same way.

Candidates come in order, the boldest first: without options, a part of the steps, a smaller shape,
simpler arguments. A round runs some of them as one batch and goes on from the first that fails as
the recipe did; it ends when none does. Everything is in the recipe, so the same failure gives the
same small network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeAlias

from gatesmith.rtl_tests.regress.kinds import KINDS, SIMPLE_QUANT
from gatesmith.rtl_tests.regress.outcome import Outcome
from gatesmith.rtl_tests.regress.recipe import GRAMMAR, Recipe, Step

ROUND = 8
"""Candidates of a batch."""

MOST_ROUNDS = 40

Judge: TypeAlias = Callable[[Sequence[Recipe]], Sequence[Outcome]]
"""What becomes of these recipes, in order."""


def shrink(failed: Outcome, judge: Judge, rounds: int = MOST_ROUNDS) -> Outcome:
    """The outcome of the smallest recipe that was found, which fails as ``failed`` does."""
    best, wanted = failed, failed.signature()
    seen = {Recipe.of(failed.recipe).key()}
    for _ in range(rounds):
        found = _step(best, wanted, judge, seen)
        if found is None:
            break
        best = replace(found, number=failed.number)
    return best


def _step(best: Outcome, wanted: tuple[str, str], judge: Judge, seen: set[str]) -> Outcome | None:
    """The next smaller failure."""
    candidates = _fresh(simpler(Recipe.of(best.recipe)), seen)
    while batch := list(islice(candidates, ROUND)):
        for outcome in judge(batch):
            if outcome.failed and outcome.signature() == wanted:
                return outcome
    return None


def _fresh(recipes: Iterator[Recipe], seen: set[str]) -> Iterator[Recipe]:
    for recipe in recipes:
        if recipe.key() not in seen:
            seen.add(recipe.key())
            yield recipe


def simpler(recipe: Recipe) -> Iterator[Recipe]:
    """Recipes with less in them."""
    if recipe.options:
        yield replace(recipe, options={})
    if recipe.family == GRAMMAR:
        yield from _fewer_steps(recipe)
        yield from _smaller_shapes(recipe)
    yield from _fewer_options(recipe)
    if recipe.family == GRAMMAR:
        yield from _plainer(recipe)
        for at, step in enumerate(recipe.steps):
            for plain in _simpler_step(step):
                yield replace(recipe, steps=(*recipe.steps[:at], plain, *recipe.steps[at + 1 :]))
    for frames in (2, recipe.frames // 2):
        if 1 < frames < recipe.frames:
            yield replace(recipe, frames=frames)


def _fewer_steps(recipe: Recipe) -> Iterator[Recipe]:
    steps, count = recipe.steps, len(recipe.steps)
    size = count // 2
    while size:
        for start in range(0, count, size):
            left = (*steps[:start], *steps[start + size :])
            if left:
                yield replace(recipe, steps=left)
        size //= 2


def _smaller_shapes(recipe: Recipe) -> Iterator[Recipe]:
    for axis, extent in enumerate(recipe.shape):
        for smaller in dict.fromkeys((1, extent // 2, extent - 1)):
            if 1 <= smaller < extent:
                shape = (*recipe.shape[:axis], smaller, *recipe.shape[axis + 1 :])
                yield replace(recipe, shape=shape)


def _fewer_options(recipe: Recipe) -> Iterator[Recipe]:
    options = dict(recipe.options)
    for name in options:
        yield replace(recipe, options={k: v for k, v in options.items() if k != name})
    for name in ("fold", "by_hand"):
        own: Mapping[str, Any] = options.get(name, {})
        for layer in own:
            left = {k: v for k, v in own.items() if k != layer}
            yield replace(recipe, options={**options, name: left})


def _plainer(recipe: Recipe) -> Iterator[Recipe]:
    traits = dict(recipe.traits)
    for name, plain in (("taps", None), ("dyadic", True), ("dialect", "qonnx")):
        if traits.get(name) not in (plain, []):
            left = {k: v for k, v in traits.items() if k != name}
            yield replace(recipe, traits=left if plain is None else {**left, name: plain})
    if "spec" not in recipe.given:
        for given in _simpler_args(recipe.given, SIMPLE_QUANT):
            yield replace(recipe, given=given)


def _simpler_step(step: Step) -> Iterator[Step]:
    simplest = KINDS[step.kind].simplest
    if any(step.args.get(key) != value for key, value in simplest.items()):
        yield replace(step, args={**step.args, **simplest})
    for args in _simpler_args(step.args, simplest):
        yield replace(step, args=args)
    if step.quant is not None:
        if any(step.quant.get(key) != value for key, value in SIMPLE_QUANT.items()):
            yield replace(step, quant=SIMPLE_QUANT)
        for quant in _simpler_args(step.quant, SIMPLE_QUANT):
            yield replace(step, quant=quant)


def _simpler_args(args: Mapping[str, Any], simplest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One argument at a time at its simplest, or half way there."""
    for name, plain in simplest.items():
        value = args.get(name)
        if value == plain:
            continue
        yield {**args, name: plain}
        if isinstance(value, int) and isinstance(plain, int) and value - plain > 1:
            yield {**args, name: (value + plain) // 2}
