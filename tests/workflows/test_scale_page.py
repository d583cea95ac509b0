"""The numbers of the page on scale are what its commands print."""

import re
from pathlib import Path

import pytest

from assay import cli

PAGE = Path(__file__).parents[2] / "docs" / "explain" / "scale.md"
SHOWN = re.compile(r"```\n((?:assay plan [^\n]*\n)+)```\n\n```text\n(.*?)\n```", re.DOTALL)


def test_every_plan_is_what_its_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    found = SHOWN.findall(PAGE.read_text())
    assert len(found) == PAGE.read_text().count("```text")
    for commands, shown in found:
        printed = []
        for line in commands.strip().splitlines():
            cli.main(line.split()[1:])
            printed.append(capsys.readouterr().out.strip())
        assert "\n\n".join(printed) == shown, commands
