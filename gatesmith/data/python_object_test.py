import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatesmith.data.dataset import Data
from gatesmith.data.load import load_data
from gatesmith.errors import UserError

SOURCE = '''
import numpy as np

X = np.arange(12, dtype=np.uint8).reshape(4, 3)
Y = [3, 1, 2, 0]
plain = X
pair = (X, np.array(Y))
mapping = {"x": X, "y": np.array(Y)}
samples = [(x, y) for x, y in zip(X, Y)]
unlabelled = list(X)
def made(): return X, np.array(Y)
def lists(): return X.tolist(), Y
def alone(): return X, None
class Made:
    """Like a torch Dataset: it has a length and items, and nothing else."""
    def __len__(self): return 4
    def __getitem__(self, i):
        if not 0 <= i < 4: raise KeyError(i)
        return X[i], Y[i]
instance = Made()
class Inner: held = Made
def stream():
    i = 0
    while True:
        yield X[i % 4], Y[i % 4]
        i += 1
def speaks():
    print("hello")
    return X

number = 3
ragged = [(X[0], 0), (X[1, :2], 1)]
triple = [(X[0], 0, "a")]
some = [(X[0], 0), X[1]]
empty = []
def fails():
    return 1 / 0
def leaves(): raise SystemExit(3)
'''
LABELLED = ["pair", "mapping", "samples", "made", "lists", "Made", "instance", "Inner.held"]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_set_of_e.py").write_text(SOURCE)
    (tmp_path / "broken_of_e.py").write_text("import numpy\nimport not_there_at_all\n")
    before = list(sys.path)
    yield "my_set_of_e"
    assert sys.path == before
    for name in ("my_set_of_e", "broken_of_e"):
        sys.modules.pop(name, None)


def load(spec: str, **options: Any) -> Data:
    return load_data(spec, None, (3,), **options)


def refused(spec: str, **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        load(spec, **options)
    return caught.value


@pytest.mark.parametrize("name", LABELLED)
def test_forms_with_labels(name: str, module: str) -> None:
    data = load(f"{module}:{name}")
    assert data.x.tolist() == np.arange(12).reshape(4, 3).tolist()
    assert data.labels("a test").tolist() == [3, 1, 2, 0]
    assert data.source == f"{module}:{name}"
    few = load(f"{module}:{name}", limit=2)
    assert (few.x.tolist(), few.labels("a test").tolist()) == ([[0, 1, 2], [3, 4, 5]], [3, 1])


@pytest.mark.parametrize("name", ["plain", "unlabelled", "alone", "speaks"])
def test_forms_without_labels(name: str, module: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = load(f"{module}:{name}")

    assert (data.x.shape, data.y) == ((4, 3), None)
    assert capsys.readouterr().out == ""  # standard output is for --json


def test_what_has_no_end_needs_a_limit(module: str) -> None:
    assert load(f"{module}:stream", limit=6).x[:, 0].tolist() == [0, 3, 6, 9, 0, 3]
    error = refused(f"{module}:stream")
    assert error.why == "type generator has no length: it may have no end"


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [
        ("number", "data.python", "it is of type int, which holds no frames"),
        ("ragged", "data.shape", "frame 1 has shape (2,), frame 0 (3,)"),
        ("triple", "data.python", "sample 0 is 3 things, expected (frame, class)"),
        ("some", "data.python", "sample 1 is unlabelled, those before it not"),
        ("empty", "data.empty", "the array has shape (0,)"),
        ("fails", "data.python", "ZeroDivisionError: division by zero (my_set_of_e.py:37)"),
        ("leaves", "data.python", "SystemExit: 3 (my_set_of_e.py:38)"),
    ],
)
def test_objects_that_are_no_data(name: str, code: str, why: str, module: str) -> None:
    error = refused(f"{module}:{name}")

    assert (error.code, error.why) == (code, why)


def test_names_that_lead_nowhere(module: str) -> None:
    error = refused(f"{module}:absent")
    assert error.code == "data.python"
    assert error.where == f"--data {module}:absent"
    assert error.why.startswith(f"AttributeError: module '{module}' has no attribute 'absent'")
    error = refused("no_such_module_of_e:x")
    assert error.why == "ModuleNotFoundError: No module named 'no_such_module_of_e'"
    error = refused("broken_of_e:x")
    assert error.why == (
        "ModuleNotFoundError: No module named 'not_there_at_all' (broken_of_e.py:2)"
    )
    assert refused(f"{module}.py:pair").fix == (f"write {module}:pair",)


def test_torch_tensors_and_datasets(module: str) -> None:
    torch = pytest.importorskip("torch")
    folder = Path.cwd()
    (folder / "torch_set_of_e.py").write_text(
        "import torch\n"
        "from torch.utils.data import TensorDataset\n"
        "x = torch.arange(12.0).reshape(4, 3).requires_grad_()\n"
        "data = TensorDataset(x, torch.tensor([3, 1, 2, 0]))\n"
        "alone = TensorDataset(x)\n"
    )
    for name in ("data", "alone", "x"):
        data = load(f"torch_set_of_e:{name}")
        np.testing.assert_array_equal(data.x, torch.arange(12.0).reshape(4, 3))
        assert data.x.dtype == np.float32
        assert (data.y is None) == (name != "data")
    del sys.modules["torch_set_of_e"]
