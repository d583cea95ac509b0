"""Responses that say nothing, in pools: they are counted and never end a study."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay import cli
from assay.data import io
from assay.scorers.non_empty import Answered
from assay.types import Group, Prompt, Ranking, Response, Score, Unscored

pytestmark = pytest.mark.owed


class Letters:
    """Counts letters, and fails on an empty text as a model may."""

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        assert all(response.text for group in groups for response in group.responses)
        assert all(group.responses for group in groups)
        return [[Score(value=float(len(r.text))) for r in group.responses] for group in groups]


def test_nobody_is_asked_about_an_empty_response() -> None:
    texts = [("abc", "", "a"), (), ("", ""), ("ab",)]
    groups = [Group(prompt=Prompt.of("q"), responses=tuple(map(Response.of, row))) for row in texts]
    silent = Unscored(reason="empty response")
    assert Answered(Letters()).score(groups) == [
        [Score(value=3.0), silent, Score(value=1.0)],
        [],
        [silent, silent],
        [Score(value=2.0)],
    ]


def rows(*, reference: bool = True) -> list[dict[str, Any]]:
    """Twelve prompts with eight responses each, of which the last of the first prompt says
    something."""
    made = []
    for p in range(12):
        for i in range(8):
            row: dict[str, Any] = {
                "prompt": f"q{p}",
                "response": f"{'so ' * (i + p % 3)}it is {i % 3}",
                "rm": i + p / 7,
            }
            made.append(row | ({"reference": "1"} if reference else {}))
    return made


def bon(tmp_path: Path, made: list[dict[str, Any]], *words: str) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    cli.main(["overopt", "bon", str(path), *words])


@pytest.mark.parametrize("empty", ["", None, "absent"])
@pytest.mark.parametrize(
    "words",
    [
        ("--proxy", "longest", "--gold", "truth=numeric"),
        ("--proxy-column", "rm", "--gold", "truth=numeric"),
        ("--proxy", "tests.cli.test_empty_responses:Letters", "--gold-column", "rm"),
    ],
)
def test_a_pool_with_an_empty_response_is_swept(
    empty: str | None, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rows()
    made[5]["response"] = empty
    if empty == "absent":
        del made[5]["response"]
    bon(tmp_path, made, *words)
    shown = capsys.readouterr().out
    assert "1 responses are empty: they are unscored, and leave their pools" in shown
    assert "12 prompts, 95 responses" in shown


@pytest.mark.parametrize(
    ("made", "words", "why"),
    [
        (
            rows(reference=False),
            ("--proxy", "longest", "--gold", "truth=numeric"),
            "the prompt has no reference answer",
        ),
        (
            [row | {"response": ""} for row in rows()],
            ("--proxy", "longest", "--gold-column", "rm"),
            "by column",
        ),
        (
            [row | {"response": 7} for row in rows()],
            ("--proxy", "longest", "--gold-column", "rm"),
            "response 7",
        ),
    ],
)
def test_a_pool_of_which_nothing_can_be_said_says_why(
    made: list[dict[str, Any]],
    words: tuple[str, ...],
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        bon(tmp_path, made, *words)
    assert stop.value.code == 2
    *progress, said = capsys.readouterr().err.strip().splitlines()
    assert why in said
    assert all(line.startswith("score by") for line in progress)


def test_best_of_n_by_a_scorer_that_fails_on_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pools = [
        Ranking(
            prompt=Prompt.of(f"q{i}"),
            responses=(*map(Response.of, ("1", "", "2 2", "3")), Response(steps=())),
            grades=(1, 0, 0, 1, 0),
        )
        for i in range(4)
    ]
    io.write(pools, tmp_path / "pool.jsonl")
    words = ["--scorer", "tests.cli.test_empty_responses:Letters", "--out", str(tmp_path / "out")]
    cli.main(["bestof", str(tmp_path / "pool.jsonl"), *words])
    body = json.loads((tmp_path / "out" / "bestof.json").read_text())
    assert [point["n"] for point in body["curves"]["best-of-n"]] == [1, 2, 3]
    assert {point["unscored"] for points in body["curves"].values() for point in points} == {8}
    assert "8 responses unscored, such as: empty response" in capsys.readouterr().out
