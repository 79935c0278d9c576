"""The networks that a recipe stands for: its own, and all combinations of each ``[[pareto]]``."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from gatesmith.compressing.options import options, shown
from gatesmith.compressing.problems import Problems
from gatesmith.compressing.steps import Point, Steps
from gatesmith.compressing.tables import TABLES, read_steps
from gatesmith.task import Sources


def read_points(
    raw: Mapping[str, Any], sources: Sources, seed: int, problems: Problems
) -> tuple[tuple[Point, ...], tuple[str, ...]]:
    """All networks, the recipe's own first, each once; what varies."""
    grids = [_grid(raw, table, number, problems) for number, table in _numbered(raw, "pareto")]
    keys = tuple(dict.fromkeys(key for grid in grids for key in grid))
    tables = {key: raw[key] for key in TABLES if key in raw}
    base = copy.deepcopy(tables)
    for grid in grids:
        for key, values in grid.items():
            if _value(base, key) is None:
                _put(base, key, values[0])
    wanted = [base]
    for grid in grids:
        for chosen in product(*grid.values()):
            wanted.append(copy.deepcopy(base))
            for key, value in zip(grid, chosen, strict=True):
                _put(wanted[-1], key, value)
    points: list[Point] = []
    for tables in wanted:
        steps = read_steps(tables, sources, seed, problems)
        if steps is None:
            continue
        _same_frames(steps, sources, problems)
        if all(steps != point.steps for point in points):
            points.append(Point({key: _value(tables, key) for key in keys}, steps))
    return tuple(points), keys


def _numbered(raw: Mapping[str, Any], key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return enumerate(raw.get(key, ()))


def _grid(
    raw: Mapping[str, Any], table: Mapping[str, Any], number: int, problems: Problems
) -> dict[str, list[Any]]:
    """Lists of values by ``prune.0.ratio`` and the like, of one ``[[pareto]]``."""
    found: dict[str, list[Any]] = {}
    for key, values in _leaves(table):
        where = f"[[pareto]] {number}, {key}"
        why = _no_key(raw, key)
        if why is not None:
            problems.add(where, f"{key} is no key of a step", why,
                         'name one as "prune.0.ratio" or "quantize.weights"')  # fmt: skip
        elif not isinstance(values, list) or not values:
            problems.add(where, f"{key} has no list of values",
                         f"expected a list, not {shown(values)}",
                         f"write {key} = [...]")  # fmt: skip
        else:
            found[_settled(key)] = values
    return found


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots, whether they were quoted or not."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _settled(key: str) -> str:
    return key.replace("-", "_")


def _no_key(raw: Mapping[str, Any], key: str) -> str | None:
    """Why a key of ``[[pareto]]`` names nothing."""
    table, *rest = _settled(key).split(".")
    if table not in TABLES:
        return f"the tables are {', '.join(TABLES)}"
    if table not in raw:
        return f"the recipe has no {table}"
    if table == "prune":
        count = len(raw["prune"])
        if len(rest) != 2 or not rest[0].isdigit() or int(rest[0]) >= count:
            return f"expected prune.N.KEY with N from 0 to {count - 1}"
        rest = rest[1:]
    known = options(TABLES[table])
    if len(rest) != 1 or rest[0] not in known:
        return f"the keys of {table} are {', '.join(known)}"
    return None


def _place(tables: Mapping[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """The table that has a key, and the key in it."""
    table, *rest = key.split(".")
    found = tables[table][int(rest[0])] if table == "prune" else tables[table]
    name = rest[-1]
    return found, next((own for own in found if _settled(own) == name), name)


def _value(tables: Mapping[str, Any], key: str) -> Any:
    table, name = _place(tables, key)
    return table.get(name)


def _put(tables: Mapping[str, Any], key: str, value: Any) -> None:
    table, name = _place(tables, key)
    table[name] = value


def _same_frames(steps: Steps, sources: Sources, problems: Problems) -> None:
    """Without a test set each training holds out frames of its own: they must be the same."""
    if sources.test is not None or sources.data is None:
        return
    each = [*steps.prune, *([steps.quantize] if steps.quantize is not None else ())]
    held_out = {(bool(step.epochs), step.seed if step.epochs else None) for step in each}
    if len(held_out) > 1:
        problems.add("test", "accuracies of the steps would be of different frames",
                     "some steps train and hold out frames, others do not, or other ones",
                     'add test = "test.npz"',
                     "let all steps train, with one seed")  # fmt: skip


def held_out(steps: Steps) -> tuple[bool, int]:
    """Whether the steps train, and the seed by which they hold out frames."""
    for step in (*steps.prune, *([steps.quantize] if steps.quantize is not None else ())):
        if step.epochs:
            return True, step.seed
    return False, 0
