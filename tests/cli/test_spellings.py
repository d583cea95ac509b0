"""Yesterday's command lines, by what they are today."""

from pathlib import Path

import pytest

from assay.console.first_word import put_first
from assay.console.spellings import today
from assay.errors import ConfigError


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [
        ("score", "m d --out o", "d --scorer m --out o"),
        ("eval", "m d", "d --scorer m"),
        ("train", "rm --data d --out o", "rm d --out o"),
        ("train", "rm --out o --data=d", "rm d --out o"),
        ("sft", "--policy p --data d", "d --policy p"),
        ("train", "rm d --lr 1e-3", "rm d --learning-rate 1e-3"),
        ("rl", "grpo --prompts d --policy p", "grpo d --policy p"),
        ("rl", "grpo d --set-aside --out o", "grpo d --set-aside o/set_aside.jsonl --out o"),
        ("benchmark", "processbench --data d --model m", "processbench --data d --scorer m"),
        ("benchmark", "processbench --model=m", "processbench --scorer=m"),
        ("train", "rm d --set-aside --out o", "rm d --set-aside o/set_aside.jsonl --out o"),
        ("score", "d --scorer m --out o.jsonl --set-aside", None),
    ],
)
def test_an_old_spelling_works_with_a_note(
    command: str, old: str, new: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    new = new or "d --scorer m --out o.jsonl --set-aside o.jsonl.set_aside"
    assert " ".join(today(command, old.split())) == new
    assert capsys.readouterr().err.startswith("note: ")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("score", "d --scorer m --out o --set-aside f"),
        ("eval", "d --scorer=m"),
        ("train", "rm d --out o --set-aside f"),
        ("sft", "d --policy p --out o"),
        ("benchmark", "processbench --data d --scorer m"),
        ("verify", "math d --set-aside f"),
        ("search", "beam d --model m --data x"),
        ("score", "--from run.json"),
        ("train", ""),
    ],
)
def test_today_s_spelling_stays_as_it_is(
    command: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert today(command, words.split()) == words.split()
    assert capsys.readouterr().err == ""


def test_columns_are_a_format(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("d --columns prompt=q,label=1 --out o", "d --columns=prompt=q,label=1 --out o"):
        assert today("eval", words.split()) == "d --format columns:prompt=q,label=1 --out o".split()
    assert capsys.readouterr().err == ""


def test_the_loss_may_stand_behind_the_data_and_a_missing_one_is_asked_for(tmp_path: Path) -> None:
    data = tmp_path / "pairs.jsonl"
    data.touch()
    for words in (["rm", str(data), "--out", "x"], [str(data), "rm", "--out", "x"]):
        put_first("train", words, {"rm", "orm"})
        assert words == ["rm", str(data), "--out", "x"]
    with pytest.raises(ConfigError, match=rf"the loss comes first: assay train rm {data}; .* orm"):
        put_first("train", [str(data), "--out", "rm"], {"rm", "orm"})
    with pytest.raises(ConfigError, match="'om'; did you mean orm"):
        put_first("train", ["om"], {"rm", "orm"})


def test_columns_of_votes_stay_an_option() -> None:
    words = "rate v.csv --columns first=a,second=b".split()
    assert today("arena", words) == words
