"""Two things share a name only where nothing that could change what they do differs; the same in
every process."""

import functools
import io
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.protocols import Sampling
from assay.testing import FakeGenerator
from assay.types import Prompt
from assay.verifiers import Math, Numeric

OFFSET = 1.0


@dataclass(frozen=True)
class Settings:
    rate: float = 0.1
    names: tuple[str, ...] = ("a",)
    _kept: dict[str, int] = field(default_factory=dict, compare=False)


class Judge:
    def __init__(self, one: Any) -> None:
        self.one = one
        self.lock = threading.Lock()

    def score(self, x: float) -> float:
        return float(self.one(x))


class Doubled(Judge):
    def score(self, x: float) -> float:
        return 2 * float(self.one(x))


def times(factor: float) -> Any:
    return lambda x: factor * x


def shifted(x: float) -> float:
    return x + OFFSET


DIFFERENT: list[Any] = [
    None,
    ...,
    True,
    1,
    1.0,
    "1",
    b"1",
    -1,
    0.0,
    -0.0,
    "",
    (),
    [],
    {},
    set(),
    (1,),
    [1],
    {1: 1},
    {1},
    ((1,),),
    (1, 1),
    ("ab", "c"),
    ("a", "bc"),
    {"a": (1,)},
    {"a": 1},
    {"a": 2},
    Decimal("1"),
    re.compile("a"),
    re.compile("a", re.I),
    np.arange(3),
    np.arange(3.0),
    np.arange(3)[None],
    np.array([1, 2, 4]),
    torch.arange(3),
    torch.arange(3.0),
    torch.arange(3.0, dtype=torch.bfloat16),
    Settings(),
    Settings(rate=0.2),
    Settings(names=("b",)),
    Settings,
    Sampling(),
    Sampling(seed=1),
    Prompt.of("a"),
    Prompt.of("a", reference="1"),
    Math(),
    Numeric(),
    Numeric,
    times(1.0),
    times(2.0),
    lambda x: x + 1,
    lambda x: x + 2,
    lambda x, y=1: x + y,
    lambda x, y=2: x + y,
    shifted,
    lambda x: x(1),
    lambda x: x[1],
    len,
    [1].append,
    [2].append,
    functools.partial(shifted, 1),
    functools.partial(shifted, 2),
    Judge(times(1.0)),
    Judge(times(2.0)),
    Doubled(times(1.0)),
    Judge,
    Doubled,
    Judge(times(1.0)).score,
    SimpleNamespace(a=1),
    functools.lru_cache(times),
    functools.lru_cache(shifted),
    re,
    np,
    Judge(Settings()),
    Judge(Settings(rate=1)),
]


def test_different_things_have_different_names() -> None:
    names = [fingerprint(thing) for thing in DIFFERENT]
    same = [
        (DIFFERENT[i], DIFFERENT[names.index(name)])
        for i, name in enumerate(names)
        if names.index(name) != i
    ]
    assert same == []


def test_equal_things_have_equal_names() -> None:
    assert fingerprint(Judge(times(2.0))) == fingerprint(Judge(times(2.0)))
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"x", "y", "z"}) == fingerprint({"z", "x", "y"})
    assert fingerprint(Settings(_kept={"a": 1})) == fingerprint(Settings())
    assert fingerprint(np.arange(6).reshape(2, 3).T) == fingerprint(
        np.ascontiguousarray(np.arange(6).reshape(2, 3).T)
    )
    assert fingerprint(FakeGenerator()) == fingerprint(FakeGenerator())


def annotated(kind: type) -> type:
    class Rule:
        most: kind  # type: ignore[valid-type]

        def score(self, text: str) -> int:
            return len(text)

    return Rule


def test_a_users_class_is_named_by_its_code_and_not_its_annotations() -> None:
    """Python 3.14 keeps them as a function that holds the class's whole namespace."""
    assert fingerprint(annotated(int)) == fingerprint(annotated(float))


def test_a_cycle_has_a_name() -> None:
    a, b = SimpleNamespace(name="a"), SimpleNamespace(name="a")
    a.other, b.other = a, b
    assert fingerprint(a) == fingerprint(b)
    b.name = "b"
    assert fingerprint(a) != fingerprint(b)


def test_functions_are_named_by_what_they_use(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(shifted)
    monkeypatch.setattr(sys.modules[__name__], "OFFSET", 2.0)
    assert fingerprint(shifted) != before


def test_own_names_are_taken() -> None:
    named = SimpleNamespace(fingerprint="mine", file=io.StringIO())
    assert fingerprint(named) == "mine"
    assert fingerprint((1, named)) == fingerprint((1, SimpleNamespace(fingerprint="mine")))

    def by_itself(x: float) -> float:
        return x

    by_itself.fingerprint = "mine"  # type: ignore[attr-defined]
    assert fingerprint(by_itself) == "mine"

    class Named:
        def fingerprint(self) -> str:
            return "mine"

    assert fingerprint(Named()) == "mine"


def test_what_has_no_content_is_refused() -> None:
    with pytest.raises(ConfigError, match="attribute `fingerprint`"):
        fingerprint(Judge(x for x in ()))
    with pytest.raises(ConfigError, match="no content to be named by"):
        fingerprint(sys.stdout)


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import mine
from assay.fingerprint import fingerprint
print(fingerprint(mine.Judge(0.5)), fingerprint(mine.words), fingerprint(mine.late), fingerprint({{"a", "b", "c"}}))
"""  # noqa: E501
MINE = """
import helper
from helper import deep
class Judge:
    def __init__(self, x): self.x = x
    def score(self, groups): return helper.one(self.x)
def words(x): return x in {"a", "b", "c"}
def late(x):
    import later
    import xml.dom.minidom, hypothesis.extra
    return later.two(x)
"""


def _names(folder: Path) -> list[str]:
    """Names of a user's own things in a process of its own, which has its own hash seed and
    addresses."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(folder=str(folder))],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


def test_names_hold_in_other_processes_and_follow_a_users_code(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text("deep = 1\ndef one(x): return x\n")
    (tmp_path / "later.py").write_text("def two(x): return 2 * x\n")
    judge, words, late, sets = _names(tmp_path)
    assert _names(tmp_path) == [judge, words, late, sets]
    (tmp_path / "mine.py").write_text("# moved\n\n" + MINE)
    assert _names(tmp_path) == [judge, words, late, sets]
    (tmp_path / "helper.py").write_text("deep = 1\ndef one(x): return -x\n")
    changed = _names(tmp_path)
    assert changed[0] != judge
    assert changed[1:] == [words, late, sets]
    (tmp_path / "later.py").write_text("def two(x): return 3 * x\n")
    assert _names(tmp_path)[2] != late


EDITS = {
    "a constant that a module imports": ("consts.py", "LIMIT = 3", "LIMIT = 4"),
    "a list that a module imports": ("consts.py", "MORE = [1]", "MORE = [2]"),
    "an attribute of a function": ("mine.py", "judge.limit = 3", "judge.limit = 4"),
    "a relative import as it runs": ("pack/rules.py", "return 1.0", "return 2.0"),
    "a method of a class's class": ("mine.py", "return 5", "return 6"),
    "a module of a package that is imported whole": ("pack/deep.py", "D = 1", "D = 2"),
}
WHOLE = {
    "mine.py": (
        """
import helper
from pack.late import relative
class Kind(type):
    def answer(cls): return 5
class Judge(metaclass=Kind):
    def score(self, groups): return type(self).answer()
def judge(x): return helper.good(x) > judge.limit
judge.limit = 3
"""
    ),
    "helper.py": "from consts import LIMIT, MORE\ndef good(x): return x > LIMIT + MORE[0]\n",
    "consts.py": "LIMIT = 3\nMORE = [1]\nimport helper\n",
    "pack/__init__.py": "from . import deep\n",
    "pack/deep.py": "D = 1\n",
    "pack/late.py": "def relative(x):\n    from .rules import good\n    return good(x)\n",
    "pack/rules.py": "import pack\ndef good(x): return 1.0\n",
}
NAMED = """
import sys
sys.path.insert(0, {folder!r})
import mine
from assay.fingerprint import fingerprint
print(fingerprint((mine.judge, mine.Judge(), mine.relative)))
"""


def test_names_follow_every_edit_of_a_users_code(tmp_path: Path) -> None:
    def name() -> str:
        script = NAMED.format(folder=str(tmp_path))
        done = subprocess.run(
            [sys.executable, "-B", "-c", script], check=True, capture_output=True, text=True
        )
        return done.stdout

    for file, source in WHOLE.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(source)
    before = name()
    assert name() == before
    for what, (file, old, new) in EDITS.items():
        source = WHOLE[file]
        assert old in source
        (tmp_path / file).write_text(source.replace(old, new))
        assert name() != before, what
        (tmp_path / file).write_text(source)
    assert name() == before


@pytest.mark.owed
@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "pytorch_model.bin",
        "model.gguf",
        "chat_template.jinja",
        "reward_model.json",
        "config.json",
        "tokenizer.json",
        "reference/model.safetensors",
        "value_head.safetensors",
        "modeling_mine.py",
    ],
)
def test_folders_are_named_by_every_file_that_changes_an_output(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"one thing")
    before = fingerprint(tmp_path)
    (tmp_path / "report.html").write_text("looked at")
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "state.pt").write_bytes(b"1")
    assert fingerprint(tmp_path) == before
    (tmp_path / name).write_bytes(b"another thing")
    assert fingerprint(tmp_path) != before


def test_networks_are_named_by_every_weight() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(40, 50), torch.nn.BatchNorm1d(50))
    before = fingerprint(network)
    assert fingerprint(network.eval()) == before
    for tensor in network.state_dict().values():
        flat = tensor.view(-1)
        old = flat[-1].clone()
        flat[-1] += 1
        assert fingerprint(network) != before
        flat[-1] = old
    assert fingerprint(network) == before
    network[1].eps = 0.1
    assert fingerprint(network) != before


class Scaled(torch.nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = [by]

    def forward(self, x: Any) -> Any:
        return self.by[0] * x


def test_networks_of_ones_own_are_named_by_their_attributes_and_code() -> None:
    assert fingerprint(Scaled(1.0)) == fingerprint(Scaled(1.0))
    assert fingerprint(Scaled(1.0)) != fingerprint(Scaled(2.0))
