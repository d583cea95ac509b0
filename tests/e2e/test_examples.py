"""Every example, in its own process, with little to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = {
    "over_optimization.py": [],
    "mixture.py": ["--policy-steps", "8", "--steps", "5", "--rounds", "2"],
    "instructgpt.py": [
        "--problems",
        "12",
        "--test-problems",
        "8",
        "--policy-steps",
        "8",
        "--steps",
        "8",
        "--rounds",
        "2",
    ],
    "process_reward_model.py": [
        "--problems",
        "12",
        "--test-problems",
        "8",
        "--policy-steps",
        "8",
        "--steps",
        "8",
    ],
}


SAYS = {
    "over_optimization.py": "That is over-optimization",
    "instructgpt.py": "right at round",
    "mixture.py": "brief",
    "process_reward_model.py": "best of 16",
}
PAGE = {"mixture.py": "rl/report.html", "over_optimization.py": ""}


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == SMALL.keys()


@pytest.mark.parametrize("name", SMALL)
def test_it_runs_and_goes_on(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / name), str(tmp_path / "run"), *SMALL[name]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for again in (False, True):
        if again:
            done = forked.run(command[1:], environment)
        else:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, check=False
            )
        assert done.returncode == 0, done.stderr
        assert SAYS[name] in done.stdout
        page = PAGE.get(name, "report.html")
        assert not page or (tmp_path / "run" / page).is_file()
