"""Rules: form, length, language, pattern and JSON schema, by hand; and texts made to be slow."""

import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import ConfigError, MissingExtra
from assay.types import Verdict
from assay.verifiers.rules.checks import Format, JsonSchema, Language, Length, Pattern
from assay.verifiers.rules.texts import language as _language
from assay.verifiers.rules.texts import schema as _schema
from assay.verifiers.rules.texts.samples import SAMPLES
from assay.verifiers.rules.texts.units import sentences

N = 200_000
GOOD = "<think>\nwhy\n</think>\n<answer>4</answer>"


def told(verdict: Verdict) -> tuple[str, str]:
    return verdict.outcome, verdict.reason


# --- format
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"\n\n{GOOD} \n",
        "<think>a < b, a<b>c</b></think><answer>{}</answer>",
        GOOD.replace("why", "</a>"),
    ],
)
def test_a_text_in_the_format_is_right(text: str) -> None:
    verdict = Format().check(text)
    assert (verdict.outcome, verdict.stage, verdict.span) == ("right", "format", None)


@pytest.mark.parametrize(
    ("text", "reason", "failed"),
    [
        ("", "<think> is missing", None),
        ("4", "<think> is missing", None),
        ("<answer>4</answer>", "'<answer>' where <think> was to come", "<answer>"),
        ("<think>a</think>", "<answer> is missing", None),
        ("<think>a</think><answer>4", "</answer> is missing", None),
        ("<think>a<answer>4</answer>", "'<answer>' where </think> was to come", "<answer>"),
        ("<think>a</think>x<answer>4</answer>", "'x' stands outside the sections", "x"),
        (f"So: {GOOD}", "'So:' stands outside the sections", "So: "),
        (f"{GOOD}.", "'.' stands outside the sections", "."),
        ("<think> </think><answer>4</answer>", "<think> is empty", " "),
        ("<think>a</think><answer>\n</answer>", "<answer> is empty", "\n"),
        (f"{GOOD}<answer>5</answer>", "'<answer>' after the last section", "<answer>"),
        ("<answer>4</answer><think>a</think>", "'<answer>' where <think> was to come", "<answer>"),
        (
            "<think>a<think>b</think></think><answer>4</answer>",
            "'<think>' where </think> was to come",
            "<think>",
        ),
        (
            "<think>a</think></think><answer>4</answer>",
            "'</think>' where <answer> was to come",
            "</think>",
        ),
        (
            "<think>a<answer>3</answer></think><answer>4</answer>",
            "'<answer>' where </think> was to come",
            "<answer>",
        ),
        ("<Think>a</Think><answer>4</answer>", "'<Think>' where <think> was to come", "<Think>"),
        (
            "<think>a</think><answer>4< / ANSWER x></answer>",
            "'< / ANSWER x>' where </answer>",
            "< / ANSWER x>",
        ),
        ("<think>a</think><answer>4</answer><answer", "'<answer' stands outside", "<answer"),
    ],
)
def test_a_text_out_of_the_format_is_wrong_where_it_is(
    text: str, reason: str, failed: str | None
) -> None:
    verdict = Format().check(text)
    assert verdict.outcome == "wrong"
    assert verdict.reason.startswith(reason)
    assert (text[slice(*verdict.span)] if verdict.span else None) == failed


def test_the_tags_and_who_opens_them_are_settings() -> None:
    three = Format(tags=("plan", "code", "answer"))
    assert three.check("<plan>a</plan><code>b</code><answer>c</answer>").outcome == "right"
    assert three.check("<plan>a</plan><answer>c</answer><code>b</code>").outcome == "wrong"
    assert three.check("<plan>a</plan><code>b</code><answer><think></answer>").outcome == "right"
    opened = Format(opened=True)
    assert opened.check("why</think><answer>4</answer>").outcome == "right"
    assert told(opened.check(GOOD)) == ("wrong", "'<think>' where </think> was to come")
    assert told(opened.check(" </think><answer>4</answer>")) == ("wrong", "<think> is empty")
    assert told(Format(tags=("a",)).check("<a>1</a><ab>")) == (
        "wrong",
        "'<ab>' stands outside the sections",
    )
    for tags in ((), ("a", "A"), ("a b",), ("",), ("<a>",)):
        with pytest.raises(ConfigError, match="tags are"):
            Format(tags=tags)


@given(
    st.lists(
        st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "x", " ", "<THINK>", "<"]),
        max_size=9,
    )
)
def test_only_one_order_of_tags_is_right(pieces: list[str]) -> None:
    text = "".join(pieces)
    squeezed = [piece for piece in pieces if piece != " "]
    tags = [piece for piece in squeezed if piece not in ("x", "<")]
    first, _, rest = text.partition("</think>")
    inside = (first.strip()[7:].strip(), rest.strip()[8:-9].strip())
    expected = (
        tags == ["<think>", "</think>", "<answer>", "</answer>"]
        and squeezed[0] == "<think>"
        and squeezed[-1] == "</answer>"
        and rest.strip().startswith("<answer>")
        and all(inside)
    )
    assert (Format().check(text).outcome == "right") == expected


# --- length
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "text", "count"),
    [
        ("words", "Don't stop, U2: 3.5!", 6),
        ("words", " \n", 0),
        ("characters", "a\n é", 4),
        ("lines", "a\n\n  \n b \n", 2),
        ("sentences", "One. Two!  Three?", 3),
    ],
)
def test_both_borders_are_allowed(unit: Any, text: str, count: int) -> None:
    assert Length(unit=unit, min=count, max=count).check(text).outcome == "right"
    assert Length(unit=unit, min=count + 1).check(text).outcome == "wrong"
    if count:
        assert Length(unit=unit, max=count - 1).check(text).outcome == "wrong"


def test_what_is_too_long_is_wrong_from_the_first_that_is_too_many() -> None:
    verdict = Length(max=2).check("one two three four")
    assert told(verdict) == ("wrong", "4 words, more than 2")
    assert verdict.span == (8, 18)
    assert told(Length(min=2).check("one")) == ("wrong", "1 word, fewer than 2")
    assert Length(unit="lines", max=1).check("a\n\nb").span == (3, 4)


@pytest.mark.parametrize(
    "bounds",
    [{}, {"min": -1}, {"max": -1}, {"min": 3, "max": 2}, {"min": 0}],
    ids=lambda bounds: str(bounds),
)
def test_bounds_that_bound_nothing_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="give a min above 0"):
        Length(**bounds)  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", ["words", "characters", "lines", "sentences"])
@pytest.mark.parametrize("bounds", [(None, 0), (None, 3), (1, None), (2, 2), (0, 4)])
def test_a_length_writes_its_own_examples(unit: Any, bounds: tuple[int | None, int | None]) -> None:
    rule = Length(unit=unit, min=bounds[0], max=bounds[1])
    assert rule.check(rule.example()).outcome == "right"
    assert rule.check(rule.counterexample()).outcome == "wrong"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Lee met J. Doe. They left.", ["Dr. Lee met J. Doe.", "They left."]),
        ("It is 3.14. Yes", ["It is 3.14.", "Yes"]),
        ('He said "Stop!" Then he left.', ['He said "Stop!"', "Then he left."]),
        ("Wait... what? ok.", ["Wait...", "what?", "ok."]),
        (
            "Apples, etc. are cheap. Pears, etc. Figs too.",
            ["Apples, etc. are cheap.", "Pears, etc.", "Figs too."],
        ),
        (
            "In the U.S. they do. In the U.S. He does.",
            ["In the U.S. they do.", "In the U.S.", "He does."],
        ),
        ("Steps:\n1. Mix.\n2. Bake.", ["Steps:\n1. Mix.", "2. Bake."]),
        ("A heading\n\nA line", ["A heading\n\nA line"]),
        ("So do I. You too.", ["So do I.", "You too."]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("यह है। वह है।", ["यह है।", "वह है।"]),
        ("... !!! ---", []),
        ("Visit example.com today.", ["Visit example.com today."]),
        ("**Bold.** Next.", ["**Bold.**", "Next."]),
    ],
)
def test_sentences_by_hand(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet="aB1.!?。\"')\n *", max_size=40))
def test_sentences_are_the_text_in_order(text: str) -> None:
    place = 0
    for sentence in sentences(text):
        assert sentence == sentence.strip()
        assert any(letter.isalnum() for letter in sentence)
        place = text.index(sentence, place) + len(sentence)


# --- language
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", SAMPLES)
def test_every_language_is_told(code: str) -> None:
    assert Language(language=code).check(SAMPLES[code]).outcome == "right"
    assert Language(language="fi" if code == "en" else "en").check(SAMPLES[code]).outcome == "wrong"


def test_what_cannot_be_told_is_undecided() -> None:
    english = Language(language="en")
    assert told(english.check("Yes.")) == (
        "undecided",
        "too short to tell the language: 3 letters, 20 needed",
    )
    assert english.check("1 + 1 = 2, " * 99).outcome == "undecided"
    assert english.check("").outcome == "undecided"
    mixed = f"{SAMPLES['en']} {SAMPLES['es']}"
    assert (
        english.check(mixed).outcome == Language(language="es").check(mixed).outcome == "undecided"
    )
    assert Language(language="de").check(mixed).outcome == "wrong"
    assert (
        Language(language="en", min_letters=3, min_confidence=0.6).check("This is it").outcome
        == "right"
    )


def test_a_language_is_told_the_same_each_time_and_other_users_are_left_alone() -> None:
    import langdetect  # type: ignore[import-untyped]

    assert langdetect.DetectorFactory.seed is None
    texts = [SAMPLES["da"][:40], SAMPLES["es"][:30], "The cat le chat die Katze il gatto"]
    for text in texts:
        assert (
            len(
                {
                    Language(language="da", min_letters=1).check(text + " " * i).reason
                    for i in range(3)
                }
            )
            == 1
        )


def test_chinese_is_both_of_its_scripts() -> None:
    for code in ("zh-cn", "zh-tw"):
        assert Language(language="zh").check(SAMPLES[code]).outcome == "right"
        assert Language(language="ko").check(SAMPLES[code]).outcome == "wrong"


def test_settings_of_a_language_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"language 'xx' cannot be told; there is af, ar"):
        Language(language="xx")
    for settings_ in ({"min_letters": 0}, {"min_confidence": 0.5}, {"min_confidence": 1.0}):
        with pytest.raises(ConfigError, match="min_letters is"):
            Language(language="en", **settings_)


# --- pattern
# --------------------------------------------------------------------------------------------------


def test_a_pattern_is_wanted_or_not() -> None:
    has = Pattern(pattern=r"\d+").check("a 12 b")
    assert (told(has), has.span) == (("right", r"'\\d+' matches '12'"), None)
    assert told(Pattern(pattern=r"\d+").check("a")) == ("wrong", r"'\\d+' has no match")
    not_wanted = Pattern(pattern=r"\d+", wanted=False)
    assert not_wanted.check("a").outcome == "right"
    assert (not_wanted.check("a 12 b").outcome, not_wanted.check("a 12 b").span) == (
        "wrong",
        (2, 4),
    )
    assert Pattern(pattern=r"\d+", whole=True).check("12").outcome == "right"
    assert Pattern(pattern=r"\d+", whole=True).check("12 ").outcome == "wrong"
    assert Pattern(pattern=r"(?im)^answer: \d$").check("x\nANSWER: 4\ny").outcome == "right"


def test_a_pattern_that_runs_for_ever_is_undecided() -> None:
    started = time.monotonic()
    verdict = Pattern(pattern=r"(a|aa)+$", seconds=0.2).check("a" * 100 + "b")
    assert told(verdict) == ("undecided", "'(a|aa)+$' was not matched within 0.2 s")
    assert time.monotonic() - started < 2


def test_settings_of_a_pattern_are_checked() -> None:
    with pytest.raises(ConfigError, match="no regular expression"):
        Pattern(pattern="(")
    for seconds in (0.0, -1.0, 61.0, float("nan")):
        with pytest.raises(ConfigError, match="seconds is"):
            Pattern(pattern="a", seconds=seconds)


# --- JSON schema
# -------------------------------------------------------------------------------------------------

PERSON = JsonSchema(
    schema={
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"$ref": "#/$defs/age"}},
        "required": ["name"],
        "additionalProperties": False,
        "$defs": {"age": {"type": "integer", "minimum": 0}},
    }
)


@pytest.mark.parametrize(
    ("text", "outcome", "reason"),
    [
        ('{"name": "Ann", "age": 3}', "right", "as the schema says"),
        (' {"name": "Ann"}\n', "right", "as the schema says"),
        ('{"age": 3}', "wrong", "$: \"'name' is a required property\""),
        ('{"name": "Ann", "age": -1}', "wrong", "$.age: "),
        ('{"name": "Ann", "x": 1}', "wrong", "$: \"'x' is not one of its properties\""),
        ("Ann", "wrong", "not JSON: Expecting value at 'Ann'"),
        ("", "wrong", "not JSON"),
        ('{"name": NaN}', "wrong", "not JSON: NaN is no number"),
        ('So: ```json {"name": "Ann"} ```', "wrong", "not JSON"),
        ('So:\n```json\n{"name": "Ann"}\n```\nDone.', "right", "as the schema says"),
        ('```json\n{"age": 1}\n```\n```json\n{"name": "B"}\n```', "right", "as the schema says"),
        (
            '```json\n{"name": "B"}\n```\n```\nx\n```\n```python\ny\n```',
            "right",
            "as the schema says",
        ),
        ('```\n{"name": "B"}\n```', "right", "as the schema says"),
        ('```json\n{"name": "B"}', "right", "as the schema says"),
        ('```python\n{"name": "B"}\n```', "wrong", "not JSON"),
        ('````json\n{"name": "```"}\n````', "right", "as the schema says"),
        ('{"name": "B", "age": 1' + "0" * 400 + "}", "undecided", "a number of 401 digits"),
        ('{"name": "B", "age": 1e999}', "undecided", "the number '1e999' is too large"),
    ],
)
def test_json_is_read_from_where_it_is(text: str, outcome: str, reason: str) -> None:
    verdict = PERSON.check(text)
    assert verdict.outcome == outcome
    assert verdict.reason.startswith(reason)


def test_the_place_is_that_of_the_block() -> None:
    text = 'So:\n```json\n{"age": 1}\n```\n'
    span = PERSON.check(text).span
    assert span is not None
    assert text[slice(*span)] == '{"age": 1}\n'
    broken = "So:\n```json\n[1, x]\n```\n"
    span = PERSON.check(broken).span
    assert span is not None
    assert broken[span[0]] == "x"


def test_size_and_depth_are_capped() -> None:
    anything = JsonSchema(schema={}, max_depth=3, max_characters=50)
    assert anything.check("[[[]]]").outcome == "right"
    assert told(anything.check("[[[[]]]]")) == ("undecided", "nested 4 deep; at most 3 is read")
    assert (
        anything.check('["[[[[[[", "\\"[[[["]').outcome == "right"
    )  # brackets in strings are text
    assert told(anything.check(" " * 51)) == ("undecided", "51 characters; at most 50 are read")
    for limits in ({"max_depth": 0}, {"max_depth": 65}, {"max_characters": 0}):
        with pytest.raises(ConfigError, match="max_depth"):
            JsonSchema(schema={}, **limits)


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for reference in ("http://127.0.0.1:9/x.json", "file:///etc/passwd", "other.json", "#/nothing"):
        verdict = JsonSchema(schema={"$ref": reference}).check("1")
        assert verdict.outcome == "undecided"
        assert "nothing is fetched" in verdict.reason
    published = JsonSchema(schema={"$ref": "https://json-schema.org/draft/2020-12/schema"})
    assert [published.check(text).outcome for text in ('{"type": "object"}', '{"type": 3}')] == [
        "right",
        "wrong",
    ]


TREE = {"type": "array", "items": {"$ref": "#/$defs/tree"}}


@pytest.mark.parametrize(
    ("schema", "text", "outcome"),
    [
        ({"pattern": "(a|aa)+$"}, '"' + "a" * 100 + 'b"', "undecided"),
        (
            {"additionalProperties": False, "patternProperties": {"(a|aa)+$": {}}},
            '{"' + "a" * 100 + 'b": 1}',
            "undecided",
        ),
        (
            {"$defs": {"tree": {"anyOf": [{"const": 0}, TREE, TREE]}}, **TREE},
            "[" * 60 + "1" + "]" * 60,
            "undecided",
        ),
        ({"$ref": "#"}, "1", "undecided"),
        ({"uniqueItems": True}, "[" + "{}," * 20_000 + "{}]", "wrong"),
        ({"uniqueItems": True}, "[1, true, [1], [true], 2, {}]", "right"),
        ({"uniqueItems": True}, '[{"a": [1, 2], "b": 0}, {"b": 0.0, "a": [1.0, 2]}]', "wrong"),
        ({"pattern": "^a"}, '"ba"', "wrong"),
        ({"pattern": "^a"}, "3", "right"),
        ({"patternProperties": {"^a": {"type": "string"}}}, '{"ab": 1}', "wrong"),
        (
            {"patternProperties": {"^a": {}}, "additionalProperties": {"type": "null"}},
            '{"a": 1, "b": null}',
            "right",
        ),
        (
            {"patternProperties": {"^a": {}}, "additionalProperties": {"type": "null"}},
            '{"a": 1, "b": 1}',
            "wrong",
        ),
    ],
)
def test_keywords_that_a_text_could_make_slow(
    schema: dict[str, Any], text: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_schema, "SECONDS", 0.2)
    started = time.monotonic()
    assert JsonSchema(schema=schema).check(text).outcome == outcome
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"type": "thing"}, r"not a JSON schema: .*at \$.type"),
        ({"pattern": "("}, "not a JSON schema"),
        ({"properties": {"a": {"unevaluatedProperties": False}}}, "uses unevaluatedProperties"),
        ({"$schema": "http://nowhere/x"}, "no draft that is known"),
        ({"const": {1, 2}}, "not a JSON schema"),
    ],
)
def test_what_is_no_schema_is_refused(schema: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        JsonSchema(schema=schema)


def test_older_drafts_are_told_by_their_name() -> None:
    items = [{"type": "string"}]  # one schema an item, until 2020-12 called it prefixItems
    old = JsonSchema(schema={"$schema": "http://json-schema.org/draft-07/schema#", "items": items})
    assert [old.check(text).outcome for text in ('["a", 1]', "[1]")] == ["right", "wrong"]


# --- all
# --------------------------------------------------------------------------------------------------

PIECES = [
    "<",
    " ",
    "\n",
    "[",
    "[]",
    '."',
    '"',
    '\\"',
    "<think>",
    "<think ",
    "A.",
    "```\n",
    "`",
    "1",
    "a@",
    "。",
    "1.\n",
    "\0",
]
PIECES += ["\ud800", "Dr. ", "a"]
SLOW = [piece * (N // len(piece)) for piece in PIECES]
SLOW += [
    "." * N + "x",
    '"' + "\\" * N,
    "<" + " " * N,
    "0." + "1" * N,
    "[" * N + "]" * N,
    f"[{'1,' * N}1]",
]


@pytest.mark.parametrize("text", SLOW, ids=lambda text: repr(text[:6]))
def test_long_texts_are_judged_in_no_time(text: str) -> None:
    rules: list[Any] = [
        Format(),
        Language(language="en"),
        JsonSchema(schema={"uniqueItems": True}),
        Pattern(pattern="(a+)+$"),
    ]
    units: tuple[Any, ...] = ("words", "characters", "lines", "sentences")
    for rule in [*rules, *(Length(unit=unit, max=3) for unit in units)]:
        started = time.monotonic()
        assert len(rule.check(text).reason) < 400
        assert time.monotonic() - started < 5


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    for rule in (Format(), Length(max=3), Language(language="en"), Pattern(pattern="a"), PERSON):
        verdict = rule.check(text)
        assert verdict.reason
        assert verdict.stage
        if verdict.span:
            assert 0 <= verdict.span[0] <= verdict.span[1] <= len(text)


@pytest.mark.parametrize("missing", ["regex", "jsonschema"])
def test_a_missing_library_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra, match=r"assay\[rules\]"):
        Pattern(pattern="a") if missing == "regex" else JsonSchema(schema={})


def test_langdetect_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langdetect", None)
    _language._factory.cache_clear()
    with pytest.raises(MissingExtra, match=r"telling a text's language needs the 'rules' extra"):
        Language(language="en")
