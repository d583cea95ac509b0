"""The grammar of words, by table."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from assay.errors import ConfigError
from assay.specs.words import built, cut, members, parse, plain, quoted

TABLE = (
    # word, name, what it names, settings
    ("runs/rm", "", "runs/rm", ()),
    ("gold=runs/rm", "gold", "runs/rm", ()),
    ("a gold one=math", "a gold one", "math", ()),
    ("runs/lr=1e-3/rm", "", "runs/lr=1e-3/rm", ()),
    (r"lr\=1e-3", "", "lr=1e-3", ()),
    (r"runs/a\,b\+c\:d", "", "runs/a,b+c:d", ()),
    ("runs/rm,template=plain", "", "runs/rm", (("template", "plain"),)),
    (r"rm,join=a\,b\n,bos=no", "", "rm", (("join", r"a,b\n"), ("bos", "no"))),
    ("rm,join=,centre", "", "rm", (("join", ""), ("centre", None))),
    (r"math,gate=^(\d+, ?)x$", "", "math", (("gate", r"^(\d+"), (" ?)x$", None))),
    (r"math,gate=^(\d+\, ?)=$", "", "math", (("gate", r"^(\d+, ?)=$"),)),
    ("math,clip=-1:2", "", "math", (("clip", "-1:2"),)),
    ("x=mean:A+(B,k=v),standard=none", "x", "mean:A+(B,k=v)", (("standard", "none"),)),
    ("own.rewards:Reward,weight=2", "", "own.rewards:Reward", (("weight", "2"),)),
    ("http://localhost:8000/v1,model=m", "", "http://localhost:8000/v1", (("model", "m"),)),
)


def test_words_are_taken_apart() -> None:
    for text, name, what, settings in TABLE:
        word = parse(text)
        assert (word.name, word.plain, word.settings) == (name, what, settings), text


def test_what_exists_is_taken_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a,b=c", "mean:a+b", "gold=x", "(a)"):
        (tmp_path / name).mkdir()
        assert (parse(name).plain, parse(name).settings) == (name, ())
        assert (parse(f"r={name}").name, parse(f"r={name}").plain) == ("r", name)
        assert parse(f"{quoted(name)},k=v").plain == name


@pytest.mark.parametrize("text", [r"a,b", r"x+y:z=w", r"back\slash", r"(a)", "plain", r"\,"])
def test_a_quoted_text_means_itself(text: str) -> None:
    assert plain(quoted(text)) == text
    word = parse(f"{quoted(text)},k=v")
    assert (word.plain, word.settings) == (text, (("k", "v"),))
    first, second = members(f"{quoted(text)}+{quoted(text)}")
    assert first.plain == second.plain == text


def test_members_have_settings_in_parentheses() -> None:
    first, second, third = members("A+(B,template=plain,join=x+y)+(worst:C+D)")
    assert (first.plain, first.settings) == ("A", ())
    assert (second.plain, second.settings) == ("B", (("template", "plain"), ("join", "x+y")))
    assert third.plain == "worst:C+D"
    assert [m.plain for m in members(cut(third.what, ":")[1])] == ["C", "D"]


@pytest.mark.parametrize(
    ("word", "says"),
    [("", "empty"), (",a=b", "begins with a separator"), ("rm,a=1,a=2", "given twice")],
)
def test_what_is_no_word(word: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse(word).values  # noqa: B018


@dataclass(frozen=True)
class Thing:
    """Settings of every kind."""

    find: tuple[str, ...] = ("a",)
    tolerance: float | None = None
    strict: bool = False
    n: int = 1


def test_an_object_is_built_from_settings() -> None:
    settings = parse("thing,find=x,find=y,tolerance=0.5,strict=yes,n=3").settings
    assert built(Thing, "thing", settings) == Thing(("x", "y"), 0.5, True, 3)
    for word, says in (
        ("thing,m=1", "'m' is no key.*there is find, tolerance, strict, n"),
        ("thing,strct=yes", "did you mean strict"),
        ("thing,n=many", "n cannot be 'many'"),
        ("thing,n=1,n=2", "given twice"),
        ("thing,n", "write key=value"),
    ):
        with pytest.raises(ConfigError, match=says):
            built(Thing, "thing", parse(word).settings)
