"""Input: a value that the caller of the graph supplies."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatesmith.ir import Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Input(Op):
    """A graph input: a type and no arguments."""

    type: TensorType = field(repr=False)

    def infer(self, *args: TensorType) -> TensorType:
        """Return the declared type."""
        return self.type

    def run(self, *args: Values) -> Values:
        """Refuse: the caller of the graph supplies inputs."""
        raise TypeError("an Input has no value of its own")
