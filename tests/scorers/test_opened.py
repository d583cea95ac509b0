"""What fails in a function, a scorer or a verifier of the user's is an error that names it, and of
which response."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from assay.cli import main
from assay.data import io
from assay.errors import BackendError, ConfigError
from assay.fingerprint import fingerprint
from assay.protocols import Metered, Verifier
from assay.scorers.verifier import Verified
from assay.specs.scorers import scorer
from assay.specs.verifiers import verifier
from assay.types import Group, Message, Prompt, Response, Score, ToolCall, Unscored, Verdict

GROUP = Group(
    prompt=Prompt.of("2+2?", reference="4"), responses=(Response.of("is 4"), Response.of("is 5"))
)


class Judge:
    """Finds what stands last; a verdict is whatever `says` gives."""

    says: Callable[..., Any] = staticmethod(
        lambda text, reference: Score(value=float(text[-1] == reference))
    )

    def extract(self, text: str) -> Any:
        return text[-1:]

    def canonical(self, answer: str) -> Any:
        return answer

    def verify(self, text: str, reference: str) -> Any:
        return self.says(text, reference)


class Batch(Judge):
    def check_all(
        self, pairs: Sequence[tuple[str, str]], show: Callable[[int], None] = lambda _: None
    ) -> Any:
        return [
            Verdict(outcome="right" if text[-1] == reference else "wrong")
            for text, reference in pairs
        ]


class Scores:
    rows: Callable[..., Any] = staticmethod(
        lambda groups: [[Score(value=1.0)] * len(g.responses) for g in groups]
    )
    tokens_read = 7

    def score(self, groups: Sequence[Group]) -> Any:
        return self.rows(groups)


def broken(*_: object, **__: object) -> Any:
    raise RuntimeError("bug of\nmine")


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the user's, found by name."""
    found = ModuleType("of_mine")
    monkeypatch.setitem(sys.modules, "of_mine", found)
    return found


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            broken,
            (
                r"^broken failed: RuntimeError: bug of mine \(.*:\d+\); it was asked about 2"
                r" completions, the first 'is 4'$"
            ),
        ),
        (lambda texts: [1.0, 2.0], "failed: TypeError: .*unexpected keyword argument"),
        (lambda **_: None, "gave None; it must give a list of numbers"),
        (lambda **_: 1.0, "gave 1.0; it must give a list of numbers"),
        (lambda **_: {"a": 1.0, "b": 2.0}, "it must give a list of numbers"),
        (lambda **_: "12", "gave '12'; it must give a list of numbers"),
        (lambda **_: [1.0], "gave 1 scores for 2 completions"),
        (lambda **_: [1.0, "good"], "gave 'good' for a completion"),
        (lambda **_: [1.0, [2.0]], "for a completion"),
        (lambda **_: [1.0, 10**400], "for a completion"),
    ],
)
def test_a_function(mine: ModuleType, function: Any, said: str) -> None:
    mine.f = function  # type: ignore[attr-defined]
    with pytest.raises(BackendError, match=said):
        scorer("of_mine:f").score([GROUP])
    mine.f = lambda **_: iter([1, None])  # type: ignore[attr-defined]
    assert [type(s) for s in scorer("of_mine:f").score([GROUP])[0]] == [Score, Unscored]


def test_a_function_is_given_what_a_trajectory_ends_with_and_its_messages() -> None:
    turns = (
        Message(role="assistant", content="", tool_calls=(ToolCall(name="sum", arguments="[2]"),)),
        Message(role="tool", content="2"),
        Message(role="assistant", content="It is 2."),
    )
    given: dict[str, Any] = {}

    def reward(completions: list[str], **columns: Any) -> list[float]:
        given.update(columns, completions=completions)
        return [1.0] * len(completions)

    texts = Group(prompt=Prompt.of("?"), responses=(Response.of("3"),))
    scorer(reward).score([texts])
    assert (given["completions"], "turns" in given) == (["3"], False)
    spoken = texts.model_copy(update={"responses": (Response.trajectory(turns),)})
    scorer(reward).score([texts, spoken])
    call = {"type": "function", "function": {"name": "sum", "arguments": [2]}}
    assert given["completions"] == ["3", "It is 2."]
    assert given["turns"] == [
        None,
        [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "2"},
            {"role": "assistant", "content": "It is 2."},
        ],
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            broken,
            (
                r"^of_mine:Scores failed: RuntimeError: bug of mine \(.*:\d+\); it was asked"
                r" about 2 responses, the first 'is 4'$"
            ),
        ),
        (lambda groups: None, "failed: TypeError"),
        (lambda groups: [Score(value=1.0)] * 2, "failed: TypeError|gave 2 lists of scores"),
        (lambda groups: [], r"gave 0 lists of scores for 1 groups of responses; .* one a group$"),
        (
            lambda groups: [[Score(value=1.0)]],
            r"gave 1 scores for a group of 2 responses, the first 'is 4'; .* one a response$",
        ),
        (lambda groups: [[1.0, 2.0]], "gave 1.0 of 'is 4'; it must give Score or Unscored"),
        (lambda groups: [[Score(value=float("nan"))] * 2], "failed: ValidationError"),
    ],
)
def test_a_scorer(mine: ModuleType, rows: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine.Scores = Scores  # type: ignore[attr-defined]
    found = scorer("of_mine:Scores")
    assert found.score([GROUP]) == [[Score(value=1.0)] * 2]
    assert isinstance(found, Metered)
    assert found.tokens_read == 7
    # What was kept under the scorer's own name is still its.
    assert fingerprint(found) == fingerprint(Scores())
    monkeypatch.setattr(Scores, "rows", staticmethod(rows))
    with pytest.raises(BackendError, match=said):
        found.score([GROUP])


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (
            broken,
            (
                r"^of_mine:V.verify failed: RuntimeError: bug of mine \(.*:\d+\); it was asked"
                r" about 'is 4'$"
            ),
        ),
        (lambda text: Score(value=1.0), "failed: TypeError"),
        (lambda text, reference: True, "gave True of 'is 4'; it must give Score or Unscored"),
        (lambda text, reference: None, "gave None of 'is 4'; it must give Score or Unscored"),
        (lambda text, reference: 1.0, "it must give Score or Unscored"),
        (lambda text, reference: Score(value=17.0), "a score of 17 of 'is 4'; it must be from 0"),
        (lambda text, reference: Score(value=-1.0), "a score of -1 of 'is 4'"),
    ],
)
def test_a_verifier(
    mine: ModuleType, verdict: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.V = Judge  # type: ignore[attr-defined]
    found = verifier("of_mine:V")
    assert isinstance(found, Verifier)
    assert (found.extract("is 4"), found.canonical("4")) == ("4", "4")
    assert fingerprint(found) == fingerprint(Judge())
    assert Verified(found).score([GROUP]) == [[Score(value=1.0), Score(value=0.0)]]
    monkeypatch.setattr(Judge, "says", staticmethod(verdict))
    for asked in (lambda: found.verify("is 4", "4"), lambda: scorer("of_mine:V").score([GROUP])):
        with pytest.raises(BackendError, match=said):
            asked()


@pytest.mark.parametrize(("method", "gives"), [("extract", 4), ("canonical", None)])
def test_answers_are_texts(
    mine: ModuleType, method: str, gives: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.V = Judge  # type: ignore[attr-defined]
    monkeypatch.setattr(Judge, method, lambda self, text: gives)
    with pytest.raises(
        BackendError, match=rf"of_mine:V\.{method} gave {gives} of 'is 4'; it must give str"
    ):
        getattr(verifier("of_mine:V"), method)("is 4")


def test_one_that_checks_many_at_once(mine: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    mine.B = Batch  # type: ignore[attr-defined]
    monkeypatch.setattr(Batch, "verify", broken)  # not asked
    assert scorer("of_mine:B").score([GROUP]) == [[Score(value=1.0), Score(value=0.0)]]
    for wrong, said in (
        (broken, "check_all failed: RuntimeError"),
        (lambda *_: [], "gave 0 verdicts for 2 pairs"),
    ):
        monkeypatch.setattr(Batch, "check_all", wrong)
        with pytest.raises(BackendError, match=said):
            scorer("of_mine:B").score([GROUP])


def test_what_cannot_be_made_or_imported(
    mine: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.C = type("C", (Judge,), {"__init__": lambda self, needed: None})  # type: ignore[attr-defined]
    (tmp_path / "raises_at_import.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    for open_ in (verifier, scorer):
        with pytest.raises(
            ConfigError, match="of_mine:C cannot be made without arguments: TypeError"
        ):
            open_("of_mine:C")
        with pytest.raises(ConfigError, match="ZeroDivisionError"):
            open_("raises_at_import:C")


def test_the_commands_end_in_one_line(
    mine: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine.V, mine.f = Judge, broken  # type: ignore[attr-defined]
    monkeypatch.setattr(Judge, "says", broken)
    pool, out = tmp_path / "pool.jsonl", str(tmp_path / "out")
    io.write([GROUP], pool)
    search = ["search", "majority", str(pool), "--replay", str(pool), "--out", out, "--n", "2"]
    for command in (
        [*search, "--verifier", "of_mine:V"],
        ["search", "best-of-n", *search[2:], "--scorer", "of_mine:f"],
        ["bestof", str(pool), "--scorer", "of_mine:f"],
        ["score", "of_mine:f", str(pool), "--out", f"{out}.jsonl"],
        [
            "overopt",
            "bon",
            str(pool),
            "--proxy",
            "shortest",
            "--gold",
            "g=of_mine:f",
            "--out",
            f"{out}2",
        ],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(command)
        assert stopped.value.code == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "failed" in line]
        assert "RuntimeError: bug of mine" in line
