"""A component is one new file: it is found, loaded, offered on the command line, and saved by
name."""

import subprocess
import sys
from pathlib import Path

import pytest

import assay.data.formats
import assay.losses
import assay.search
from assay import components
from assay.errors import ConfigError
from tests.fresh import fresh

NEW = {
    "losses": (
        assay.losses,
        """
from dataclasses import dataclass
from typing import ClassVar
from assay.types import Preference
__all__ = ["Planted"]

@dataclass(frozen=True, kw_only=True)
class Planted:
    \"\"\"A planted loss.\"\"\"
    strength: float = 2.5
    \"\"\"How strong.\"\"\"
    consumes: ClassVar[type[Preference]] = Preference
    trains: ClassVar[str] = "preference"
    reads: ClassVar[str] = "steps"
    def __call__(self, values, targets, mask):
        return self.strength * values.square().mean()
""",
    ),
    "search": (
        assay.search,
        """
from dataclasses import dataclass
__all__ = ["Planted"]

@dataclass(frozen=True, kw_only=True)
class Planted:
    \"\"\"A planted search.\"\"\"
    n: int = 1
    \"\"\"How many.\"\"\"
    def __call__(self, prompts, generator, scorer):
        return []
""",
    ),
    "formats": (
        assay.data.formats,
        """
from dataclasses import dataclass
__all__ = ["Planted"]

@dataclass(frozen=True, kw_only=True)
class Planted:
    \"\"\"A planted format.\"\"\"
    def matches(self, row):
        return False
    def read(self, row):
        return []
    def write(self, records):
        return iter(())
""",
    ),
}


@pytest.fixture
def planted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One new file beside the real ones, for as long as the test runs."""
    kind: str = request.param
    package, code = NEW[kind]
    (tmp_path / "planted_one.py").write_text(f'"""Planted."""\n{code}')
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{package.__name__}.planted_one", raising=False)
    return kind


@pytest.mark.parametrize("planted", NEW, indirect=True)
def test_one_new_file_is_a_component(planted: str) -> None:
    assert "planted-one" in components.names(planted)
    found = components.load(planted, "planted-one")
    assert found.__name__ == "Planted"
    assert components.name_of(found) == f"{planted}/planted-one"


@pytest.mark.parametrize(
    ("planted", "command"),
    [("losses", ["train"]), ("search", ["best-of-n"]), ("formats", ["data", "check"])],
    indirect=["planted"],
)
def test_a_new_component_is_offered_on_the_command_line(
    planted: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from assay import cli

    with fresh(f"assay.cli.{command[0].replace('-', '_')}"), pytest.raises(SystemExit) as stop:
        cli.main([*command, "--help"])
    assert stop.value.code == 0
    # Names may be broken over two lines of the help.
    assert "planted-one" in "".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize("kind", components.KINDS)
def test_every_component_loads_and_is_found_again_by_its_name(kind: str) -> None:
    for name in components.names(kind):
        assert components.name_of(components.load(kind, name)) == f"{kind}/{name}"


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match="best-of-n"):
        components.load("search", "bestofn")


def test_a_component_from_outside_is_named_by_its_path() -> None:
    found = components.load("search", "tests.outside:Outside")
    assert components.name_of(found) == "any/tests.outside:Outside"
    with pytest.raises(ConfigError, match="cannot be imported"):
        components.load("search", "tests.outside:Missing")


def test_what_fails_inside_a_module_is_told_as_that_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text, said in (
        (
            "its_own_1",
            "x = 1\nimport of_nobody\n",
            r"of_nobody' \(its_own_1\.py:2\); mend",
        ),
        ("a_script", "import sys\nsys.exit()\n", r"ends the program .* \(a_script\.py:2\); put"),
        ("its_own_2", "def f(:\n", r"SyntaxError: .* \(its_own_2\.py:1\)"),
        ("its_own_3", "x = 1 / 0\n", r"ZeroDivisionError: .* \(its_own_3\.py:1\)"),
    ):
        (tmp_path / f"{name}.py").write_text(text)
        with pytest.raises(ConfigError, match=said):
            components.imported(f"{name}:f")
    with pytest.raises(ConfigError, match=r"give importable\.module:name"):
        components.imported("of_nobody:f")
    with pytest.raises(ConfigError, match=r"did you mean a\.file:f\? give importable"):
        components.imported("./a/file.py:f")


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, assay, assay.stats, assay.components, assay.runs.settings; sys.exit('torch' in"
        " sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
