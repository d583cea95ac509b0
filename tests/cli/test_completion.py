"""Completion as shells do it: what they offer for a line that is typed so far."""

import shutil
import subprocess
from pathlib import Path

import pytest

from assay.console.completion import completion
from assay.errors import ConfigError

BELOW = {"train": ["rm", "prm"], "serve": [], "data": ["check", "convert"]}
BASH = """source "$1"; COMP_WORDS=(assay "${@:2}"); COMP_CWORD=$(( $# - 1 ))
$(complete -p assay | grep -o '_assay'); printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = 'source $argv[1]; complete -C "assay $argv[2..]"'
TYPED = [
    (("tr",), {"train"}),
    (("",), {"train", "serve", "data", "help"}),
    (("data", "c"), {"check", "convert"}),
    (("train", "p"), {"prm"}),
]


@pytest.mark.parametrize(("typed", "offered"), TYPED)
@pytest.mark.parametrize(("shell", "code"), [("bash", BASH), ("fish", FISH)])
def test_a_shell_offers(
    shell: str, code: str, typed: tuple[str, ...], offered: set[str], tmp_path: Path
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = tmp_path / "script"
    script.write_text(completion(shell, BELOW))
    name = [] if shell == "fish" else ["name"]
    done = subprocess.run(
        [shell, "-c", code, *name, script, *typed],
        # Fish offers files as well; here is none that begins so.
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert set(done.stdout.split()) == offered
    assert not done.stderr


def test_a_new_zsh_takes_the_script(tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("no zsh here")
    script = tmp_path / "script"
    script.write_text(completion("zsh", BELOW))
    code = 'source "$1" && print -r -- $_comps[assay]'
    done = subprocess.run(
        ["zsh", "-f", "-c", code, "name", script],
        capture_output=True, text=True, check=True,
        env={"HOME": str(tmp_path), "PATH": "/bin:/usr/bin"},
    )  # fmt: skip
    assert "_bash_complete" in done.stdout
    assert "_assay" in done.stdout
    assert not done.stderr


def test_another_shell_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="bash, zsh or fish"):
        completion("tcsh", BELOW)
