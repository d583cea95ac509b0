"""Every example, in its own process, with little to do; and its notebook, cell by cell."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.docs.kernel import code_of, execute
from tests.docs.pages import missing
from tests.docs.render import PAGES, REPOSITORY, notebook_of

EXAMPLES = REPOSITORY / "examples"
SMALL = {
    "over_optimization": "",
    "judge_and_people": "",
    "report_card_and_serving": "",
    "mixture": "--problems 80 --policy-steps 8 --steps 5 --rounds 2",
    "instructgpt": "--problems 12 --test-problems 8 --policy-steps 8 --steps 8 --rounds 2",
    "process_reward_model": "--problems 12 --test-problems 8 --policy-steps 8 --steps 8",
}
SAYS = {
    "over_optimization": "That is over-optimization",
    "judge_and_people": "no drift found",
    "report_card_and_serving": "OpenRLHF",
    "instructgpt": "right at round",
    "mixture": "brief",
    "process_reward_model": "best of 16",
}
WROTE = {
    "over_optimization": "",
    "judge_and_people": "runs/judge_and_people/gate.json",
    "report_card_and_serving": "runs/report_card_and_serving/mended-card/report.html",
    "mixture": "run/rl/report.html",
}
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == SMALL.keys()


@pytest.mark.parametrize("name", SMALL)
def test_it_runs_and_goes_on(name: str, tmp_path: Path) -> None:
    words = SMALL[name].split()
    command = [str(EXAMPLES / f"{name}.py"), *(["run", *words] if words else [])]
    for _ in range(2):
        done = forked.run(command, ENVIRONMENT, tmp_path)
        assert done.returncode == 0, done.stderr
        assert SAYS[name] in done.stdout
        assert (tmp_path / WROTE.get(name, "run/report.html")).exists()


def notebook(name: str) -> dict[str, object]:
    return notebook_of(
        name, (EXAMPLES / f"{name}.py").read_text(), (PAGES / f"{name}.md").read_text()
    )


@pytest.mark.parametrize("name", ["judge_and_people", "process_reward_model"])
def test_its_notebook_runs_cell_by_cell(name: str, tmp_path: Path) -> None:
    """One with cells of its own, whose output is the recorded one but for numbers; and one that is
    told how much to do by the notebook's first cell."""
    made = json.dumps(notebook(name))
    asked = f"sys.argv = ['{name}.py'"
    given = "".join(f", '{word}'" for word in SMALL[name].split())
    assert (asked in made) == bool(given)
    path = tmp_path / f"{name}.ipynb"
    path.write_text(made.replace(asked, asked + given))
    done = forked.run(["-m", "tests.docs.kernel", str(path)], ENVIRONMENT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout
    if not given:
        for cell in json.loads(made)["cells"]:
            for output in cell.get("outputs", []):
                assert missing("".join(output["text"]), done.stdout) is None


@pytest.mark.parametrize("name", SMALL)
def test_every_cell_of_its_notebook_is_whole(name: str, tmp_path: Path) -> None:
    path = tmp_path / "it.ipynb"
    path.write_text(json.dumps(notebook(name)))
    for cell in code_of(path):
        compile(cell, name, "exec")


def test_an_example_imports_all_that_it_uses(tmp_path: Path) -> None:
    """In an interpreter that has imported nothing before."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "over_optimization.py")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_cell_that_was_cut_in_a_block_fails_and_cells_share_what_they_define(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    execute(
        ["from dataclasses import dataclass\nx = 2", "@dataclass\nclass A:\n    y: int", "A(x)"]
    )
    assert capsys.readouterr().out == "A(y=2)\n"
    with pytest.raises(SyntaxError, match="cell 2"):
        execute(["x = 2", "for y in range(x):", "    print(y)"])
    with pytest.raises(NameError):
        execute(["print(x)"])
