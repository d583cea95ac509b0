"""`assay eval` where some of it, or nothing, can be scored."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from assay import cli
from assay.data import io
from assay.types import Group, Preference, Prompt, Ranking, Response, Score, StepLabels, Unscored

PROMPTS = [Prompt.of(f"q{i}") for i in range(4)]
TWO = (Response.of("a"), Response.of("bb"))
KINDS = {
    "preference": [Preference(prompt=p, responses=TWO, prefer=1.0) for p in PROMPTS],
    "ranking": [Ranking(prompt=p, responses=TWO, grades=(0.0, 1.0)) for p in PROMPTS],
    "outcome": [
        StepLabels(prompt=p, response=TWO[i % 2], labels=(float(i % 2),))
        for i, p in enumerate(PROMPTS)
    ],
    "process": [
        StepLabels(prompt=p, response=Response(steps=("a", "b")), labels=(1.0, float(i % 2)))
        for i, p in enumerate(PROMPTS)
    ],
}


class Nothing:
    """Scores nothing at all."""

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [[Unscored(reason="too long for it") for _ in group.responses] for group in groups]


class Some:
    """Scores all prompts but the first."""

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [
            [
                Unscored(reason="too long for it")
                if group.prompt.text == "q0"
                else Score(
                    value=0.5 + len(r.text) / 9, steps=[0.5 + len(r.text) / 9] * len(r.steps)
                )
                for r in group.responses
            ]
            for group in groups
        ]


@pytest.mark.parametrize("kind", [*KINDS])
def test_nothing_scored_is_refused_with_the_reason(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.jsonl"
    io.write(KINDS[kind], data)
    with pytest.raises(SystemExit) as stop:
        cli.main(["eval", f"{__name__}:Nothing", str(data), "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert "nothing can be measured on 4 records" in said.err
    assert "responses unscored: too long for it" in said.err
    assert "0.500" not in said.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [*KINDS])
def test_reasons_are_told_of_what_is_unscored(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.jsonl"
    io.write(KINDS[kind], data)
    cli.main(["eval", f"{__name__}:Some", str(data)])
    assert "responses unscored: too long for it" in capsys.readouterr().out
