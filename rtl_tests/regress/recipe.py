"""What decides a random network and its run: all of it as a few plain values.

A recipe is drawn by the grammar (grammar.py), written as ONNX by writer.py and made smaller by
shrink.py. Constants are drawn from its seed and the number of the step that they belong to, so that
taking a step away leaves those of the others as they were. Every step fits every shape: what does
not fit is cut to size when it is written. Without that nothing could be taken away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

Args: TypeAlias = Mapping[str, Any]
"""Plain values by name: what JSON holds."""

GRAMMAR = "grammar"
"""Family of the recipes that have steps; others name a generator of corpus.py."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a network, with the quantizer that ends it.

    Attributes:
        kind: A key of kinds.KINDS.
        number: Of its constants; stays when others go.
        args: Of its kind.
        quant: Of the quantizer behind it; None at the end of a network that gives sums.
    """

    kind: str
    number: int
    args: Args
    quant: Args | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network, how it is built, and what it is run on.

    Attributes:
        family: GRAMMAR, or a generator of corpus.py.
        seed: Of constants, data and stalls.
        shape: Of the input, channels first, without the batch axis.
        given: What arrives: ``spec``, as behind --input, or the arguments of a first quantizer.
        traits: ``dyadic`` constants, ``dialect`` qonnx or qdq, ``taps``: steps that are outputs
            too; of the corpus: arguments of its generator.
        steps: In order.
        options: Of the build: ``cycles``, ``fold`` (by number of the layer), ``input_lanes`` ...
        frames: How many frames run.
    """

    family: str
    seed: int
    shape: tuple[int, ...] = ()
    given: Args = field(default_factory=dict)
    traits: Args = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    options: Args = field(default_factory=dict)
    frames: int = 8

    def as_json(self) -> dict[str, Any]:
        """Plain values; :meth:`of` reads them."""
        return asdict(self)

    @staticmethod
    def of(content: Mapping[str, Any]) -> Recipe:
        """From :meth:`as_json`.

        >>> recipe = Recipe("grammar", 3, (2, 2), steps=(Step("pool", 1, {}, None),))
        >>> Recipe.of(json.loads(json.dumps(recipe.as_json()))) == recipe
        True
        """
        steps = tuple(Step(**step) for step in content["steps"])
        return Recipe(**{**content, "shape": tuple(content["shape"]), "steps": steps})

    def key(self) -> str:
        """The same text for the same recipe."""
        return json.dumps(self.as_json(), sort_keys=True)
