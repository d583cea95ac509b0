"""Lines of progress where there is no terminal."""

import pytest

from assay.console.progress import progress


def test_the_end_is_said_once_while_other_work_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("models", 2) as show:
        for done in (1, 2, 2, 2):
            show(done, f"{done} steps")
    assert capsys.readouterr().err == "models: 2/2, 0 s left, 2 steps\n"
