"""IFEval's instructions: each by hand on both sides of its border, strict and loose; what is built,
and what is not."""

import dataclasses
import re
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import ConfigError, DataError
from assay.types import Prompt, Verdict
from assay.verifiers.rules.instructions import (
    INSTRUCTIONS,
    build,
    evaluate,
    known,
    of_prompt,
    validate,
    variants,
)
from assay.verifiers.rules.texts.samples import SAMPLES

ENGLISH = "this is a plain sentence in english that is long enough to be told"

AT_LEAST, LESS = "at least", "less than"

# id, arguments, texts that follow, texts that do not
CASES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    (
        "keywords:existence",
        {"keywords": ["sun", "sea"]},
        ["The SEA, the sun.", "sunny seaside"],
        ["the sun", "s-u-n sea"],
    ),
    ("keywords:existence", {"keywords": ["C++"]}, ["I like c++."], ["I like Cpp", "CCC"]),
    (
        "keywords:frequency",
        {"keyword": "no", "frequency": 2, "relation": AT_LEAST},
        ["No, no.", "nono", "know no"],
        ["no"],
    ),
    (
        "keywords:frequency",
        {"keyword": "no", "frequency": 2, "relation": LESS},
        ["no", "yes"],
        ["no no", "NO nono"],
    ),
    (
        "keywords:frequency",
        {"keyword": " a.b ", "frequency": 1, "relation": AT_LEAST},
        ["A.B"],
        ["acb"],
    ),
    (
        "keywords:forbidden_words",
        {"forbidden_words": ["can", "c++"]},
        ["cannot", "c+", "a_can"],
        ["I CAN.", "can't", "c++!"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "E", "let_frequency": 3, "let_relation": AT_LEAST},
        ["eEe", "see me"],
        ["ee"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "e", "let_frequency": 3, "let_relation": LESS},
        ["Ee", "x"],
        ["eee"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "#", "let_frequency": 1, "let_relation": AT_LEAST},
        ["#a"],
        ["a"],
    ),
    (
        "language:response_language",
        {"language": "de"},
        [SAMPLES["de"]],
        [SAMPLES["en"], SAMPLES["ja"]],
    ),
    (
        "language:response_language",
        {"language": "ur"},
        [SAMPLES["ur"]],
        [SAMPLES["hi"], SAMPLES["fa"]],
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": AT_LEAST},
        ["One. Two.", "Is it? It is", "A! B! C!"],
        ["One, two.", "Dr. Who.", "3.14 is it."],
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": LESS},
        ["One.", "..."],
        ["One. Two."],
    ),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": AT_LEAST},
        ["a b c", "don't go"],
        ["a b", "a-b"],
    ),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": LESS},
        ["a b", "- -"],
        ["a b c"],
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["a\n***\nb", "a***b", "***\na\n***\nb\n***", "a\n\nb***c"],
        ["a", "a***b***c", "a***  ***b", "a******b", "a\n\nb"],
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Weekend"},
        [
            "Hi.\n\nWEEKEND, here.",
            'Hi.\n\n\'"weekend" is',
            "a\n\nweekend's end",
            "a\n\n weekend\n\n",
        ],
        [
            "Hi.\n\nWeekends",
            "Weekend\n\nHi.",
            "Weekend",
            "a\n\nweekend\n\nb",
            "a\n\n\n\nweekend",
            "a\nweekend\n\nb",
        ],
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        ["[a] [b]", "[a][]", "[[a] b] [c]", "[a](b)[c]"],
        ["[a]", "[a\n] [b]", "[[a]", "]a[ [b]"],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        ["a\np.s. b", "P. S.", "ap.s."],
        ["PS b", "p.s"],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.P.S"},
        ["P.P.S b", "p. p. s"],
        ["P.S. b", "pps"],
    ),
    ("detectable_content:postscript", {"postscript_marker": "(NB)"}, ["x (nb) y"], ["x nb y"]),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* a\n* b", "- a\n  - b", "x\n *a\n-b", "* a\n---", "* a\n\n\n\t* b"],
        ["* a", "* a\n* b\n- c", "** a\n** b", "a * b\nc - d", "+ a\n+ b"],
    ),
    (
        "detectable_format:constrained_response",
        {},
        ["My answer is yes.", "Well. My answer is maybe. Ok"],
        ["My answer is yes", "my answer is no.", "Yes."],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* *b*", "**a** and **b**", "*a* **b**"],
        ["*a*", "*a *\n* b", "** ** * *", "*a\nb* c", "**a**"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        [
            "Section 1\na\nSection 2\nb",
            "Section1 Section2",
            "Section 1 Section 2 Section 3",
            "Section\n1 Section 2",
        ],
        ["Section 1", "SECTION 1 SECTION 2", "Section one Section two", "Section  1 Section  2"],
    ),
    (
        "detectable_format:json_format",
        {},
        ['{"a": 1}', "[1]", '```json\n{"a": 1}\n```', "```\n3\n```", " null "],
        ["{'a': 1}", 'Here: {"a": 1}', "```python\n3\n```", "NaN", '{"a": 1} {"b": 2}'],
    ),
    (
        "detectable_format:title",
        {},
        ["<<a>>", "x <<a b>> y", "<<<a>>>", "<<>>\n<<a>>"],
        ["<a>", "<< >>", "<<>>", "<<a\n>>", ">>a<<"],
    ),
    (
        "combination:two_responses",
        {},
        ["a\n******\nb", "******a******b******", "a******A"],
        ["a", "a******a ", "a******b******c", "a****** ******b", "a***b"],
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Say Hi. "},
        ["say hi. Hi!", " Say Hi."],
        ["Say hi, hi", "Ok. Say hi.", "Sa"],
    ),
    (
        "startend:end_checker",
        {"end_phrase": "The end. "},
        ["x THE END.", 'x "the end."', "the end.\n"],
        ["The end", "The end. x"],
    ),
    ("startend:quotation", {}, ['"a"', ' "a" b"\n', '""'], ['"', "“a”", '"a".', "a"]),
    (
        "change_case:english_capital",
        {},
        [ENGLISH.upper(), ENGLISH.upper() + " 1!"],
        [ENGLISH, SAMPLES["fr"].upper(), "1 + 1"],
    ),
    (
        "change_case:english_lowercase",
        {},
        [ENGLISH, ENGLISH + " 1!"],
        [ENGLISH.title(), SAMPLES["fr"].lower(), "1 + 1"],
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": AT_LEAST},
        ["NASA, ESA", "I am A", "TV-MA U.S.", "U2's B2B", "*YES* **NO**"],
        ["NASA Esa", "AND/OR", "1 2 3", "McDONALD it"],
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": LESS},
        ["NASA", "nasa"],
        ["I AM"],
    ),
    ("punctuation:no_comma", {}, ["a; b", "a، b"], ["a, b", "1,000"]),
]


def test_there_are_the_25_published_ones() -> None:
    assert len(INSTRUCTIONS) == 25
    assert {case[0] for case in CASES} == set(INSTRUCTIONS)


@pytest.mark.parametrize(
    ("id", "kwargs", "follows", "breaks"), CASES, ids=lambda x: x if isinstance(x, str) else ""
)
def test_by_hand(id: str, kwargs: dict[str, Any], follows: list[str], breaks: list[str]) -> None:
    instruction = build(id, kwargs)
    for text in follows:
        assert evaluate(instruction, text).outcome == "right", text
    for text in breaks:
        verdict = evaluate(instruction, text)
        assert verdict.outcome == "wrong", text
        assert verdict.reason
        assert verdict.stage == id
    assert (
        evaluate(instruction, "").outcome
        == evaluate(instruction, " \n", "loose").outcome
        == "wrong"
    )
    validate(instruction)


def test_reasons_tell_what_was_found_and_where() -> None:
    def say(id: str, text: str, **kwargs: Any) -> tuple[str, tuple[int, int] | None]:
        verdict = build(id, kwargs).check(text)
        return verdict.reason, verdict.span

    words = "length_constraints:number_words"
    assert say(words, "a b", num_words=3, relation="at least") == (
        "2 words; at least 3 asked for",
        None,
    )
    assert say(words, "a", num_words=3, relation="less than") == (
        "1 word; less than 3 asked for",
        None,
    )
    assert say("punctuation:no_comma", "ab, c,") == ("2 commas", (2, 3))
    assert say("change_case:english_lowercase", "abC") == ("'C' is a capital letter", (2, 3))
    assert say("keywords:forbidden_words", "I can", forbidden_words=["can"]) == (
        "'can' is there",
        (2, 5),
    )
    assert say("keywords:existence", "a", keywords=["b", "a", "c"]) == ("without 'b', 'c'", None)
    frequency = say("keywords:frequency", "ab", keyword="ab", frequency=2, relation="at least")
    assert frequency == ("1 occurrence of 'ab'; at least 2 asked for", None)
    assert say("length_constraints:number_paragraphs", "a***\n***b", num_paragraphs=2) == (
        "a paragraph is empty",
        (1, 8),
    )
    nth = say(
        "length_constraints:nth_paragraph_first_word",
        "a\n\nb c",
        num_paragraphs=2,
        nth_paragraph=2,
        first_word="x",
    )
    assert nth == ("paragraph 2 begins with 'b'; 'x' asked for", (3, 6))


def test_a_star_alone_takes_the_next_line_as_its_text() -> None:
    one = build("detectable_format:number_bullet_lists", {"num_bullets": 1})
    assert one.check("*\n* a").outcome == "right"
    assert one.check("* a\n*").outcome == "right"
    assert one.check("*\n\n* a").outcome == "wrong"


@pytest.mark.parametrize(
    "id",
    ["language:response_language", "change_case:english_capital", "change_case:english_lowercase"],
)
def test_what_is_too_short_to_tell_is_undecided(id: str) -> None:
    instruction = build(id, {"language": "en"} if id.startswith("lang") else {})
    text = "HI" if id.endswith("capital") else "hi"
    for mode in ("strict", "loose"):
        verdict = evaluate(instruction, text, mode)
        assert (verdict.outcome, verdict.stage) == ("undecided", id)
        assert "too short" in verdict.reason


def test_json_that_is_too_deep_or_too_large_is_undecided() -> None:
    json_format = build("detectable_format:json_format", {})
    assert json_format.check("[" * 64 + "]" * 64).outcome == "right"
    assert json_format.check("[" * 65 + "]" * 65).outcome == "undecided"
    assert json_format.check('"' + "a" * 1_000_000 + '"').outcome == "undecided"


# --- loose
# --------------------------------------------------------------------------------------------------


def test_variants_are_the_published_ones() -> None:
    found = list(variants("Sure!\n*a*\n b\nBye").values())
    assert found == [
        "Sure!\na\n b\nBye",
        "*a*\n b\nBye",
        "Sure!\n*a*\n b",
        "*a*\n b",
        "a\n b\nBye",
        "Sure!\na\n b",
        "a\n b",
    ]
    assert list(variants("a").values()) == ["a", "", "", "", "", "", ""]


@pytest.mark.parametrize(
    ("text", "strict", "loose", "variant"),
    [
        ("a b", "right", "right", None),
        ("Here you go, friend:\na b", "wrong", "right", "without its first line"),
        ("a b\nHope, it, helps", "wrong", "right", "without its last line"),
        ("Sure,\na b\nBye,", "wrong", "right", "without its first and last lines"),
        ("Sure,\na, b\nBye", "wrong", "wrong", None),
        ("a, b", "wrong", "wrong", None),
    ],
)
def test_loose_looks_past_the_first_and_last_line(
    text: str, strict: str, loose: str, variant: str | None
) -> None:
    no_comma = build("punctuation:no_comma", {})
    assert evaluate(no_comma, text).outcome == strict
    verdict = evaluate(no_comma, text, "loose")
    assert verdict.outcome == loose
    assert re.findall(r"\((.*)\)", verdict.reason) == ([variant] if variant else [])


def test_loose_looks_past_stars() -> None:
    end = build("startend:end_checker", {"end_phrase": "the end"})
    assert evaluate(end, "**The end**").outcome == "wrong"
    assert evaluate(end, "**The end**", "loose").reason.endswith("(without stars)")
    both = evaluate(end, "x\n*The end*\nBye", "loose")
    assert both.reason.endswith("(without its last line and without stars)")


def test_a_variant_that_cannot_be_judged_excuses_nothing() -> None:
    german = build("language:response_language", {"language": "de"})
    text = f"Hi\n{SAMPLES['en']}\nBye"
    assert evaluate(german, text, "loose").outcome == "wrong"
    assert evaluate(german, f"Hi\n{SAMPLES['de']}", "loose").outcome == "right"


@given(st.sampled_from(CASES), st.text(alphabet='aA*-,. \n[]<>"1', max_size=30))
@settings(max_examples=200, deadline=None)
def test_loose_forgives_and_never_condemns(
    case: tuple[str, dict[str, Any], list[str], list[str]], text: str
) -> None:
    instruction = build(case[0], case[1])
    strict, loose = evaluate(instruction, text), evaluate(instruction, text, "loose")
    assert loose == strict or (strict.outcome != "right" and loose.outcome == "right")


# --- building
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "kwargs", "complaint"),
    [
        (
            "keywords:exists",
            {},
            r"no instruction is called 'keywords:exists'; there is change_case.*no_comma",
        ),
        ("os:system", {"command": "true"}, "no instruction is called 'os:system'"),
        ("punctuation:no_comma", {"n": 1}, "no argument 'n'; there is no argument"),
        ("keywords:existence", {}, "needs 'keywords'; there is keywords"),
        ("keywords:existence", {"keywords": []}, "keywords: "),
        ("keywords:existence", {"keywords": [" "]}, r"keywords.0: "),
        ("keywords:existence", {"keywords": "sun"}, "keywords: "),
        (
            "keywords:letter_frequency",
            {"letter": "ab", "let_frequency": 1, "let_relation": "at least"},
            "letter: ",
        ),
        (
            "length_constraints:number_words",
            {"num_words": 3},
            "needs 'relation'; there is num_words, relation",
        ),
        (
            "length_constraints:number_words",
            {"num_words": 3, "relation": "at most"},
            "relation: .*'less than' or",
        ),
        (
            "length_constraints:number_words",
            {"num_words": 0, "relation": "at least"},
            "num_words: .*equal to 1",
        ),
        (
            "length_constraints:number_words",
            {"num_words": 2.5, "relation": "at least"},
            "num_words: ",
        ),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 1, "nth_paragraph": 2, "first_word": "a"},
            "nth_paragraph is 2, but num_paragraphs 1",
        ),
        ("language:response_language", {"language": "xx"}, "'xx' cannot be told; there is af"),
    ],
)
def test_what_cannot_be_built(id: str, kwargs: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build(id, kwargs)


def test_arguments_that_are_none_are_left_out_and_whole_floats_are_whole() -> None:
    built = build(
        "length_constraints:number_words",
        {"num_words": 3.0, "relation": "at least", "keywords": None},
    )
    assert built == build(
        "length_constraints:number_words", {"num_words": 3, "relation": "at least"}
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shouts:
    """An instruction from outside."""

    id: ClassVar[str] = "mine:shouts"
    times: int = 1

    def check(self, text: str) -> Verdict:
        return Verdict(outcome="right" if text.count("!") >= self.times else "wrong", stage=self.id)

    def example(self) -> str:
        return "!" * self.times

    def counterexample(self) -> str:
        return "-"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wrong(Shouts):
    id: ClassVar[str] = "mine:wrong"

    def counterexample(self) -> str:
        return "!!!"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Taken(Shouts):
    id: ClassVar[str] = "punctuation:no_comma"


HERE = "tests.verifiers.test_instructions"


def test_one_from_outside() -> None:
    among = known([f"{HERE}:Shouts", f"{HERE}:Wrong"])
    assert len(among) == 27
    assert len(INSTRUCTIONS) == 25
    assert build("mine:shouts", {"times": 2}, among).check("a!").outcome == "wrong"
    validate(build("mine:shouts", {}, among))
    with pytest.raises(DataError, match="'!!!' should be wrong, but is right"):
        validate(build("mine:wrong", {}, among))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Shouts", "names no class"),
        (f"{HERE}:Nobody", "cannot be imported"),
        ("os:system", "os:system is no instruction"),
        (f"{HERE}:Taken", "has the id 'punctuation:no_comma', which NoComma has"),
    ],
)
def test_what_is_no_instruction_from_outside(name: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        known([name])


def test_data_cannot_name_code() -> None:
    prompt = Prompt.of("p").model_copy(
        update={"meta": {"instructions": [{"id": f"{HERE}:Shouts", "kwargs": {}}]}}
    )
    with pytest.raises(ConfigError, match="no instruction is called"):
        of_prompt(prompt)


def test_instructions_of_a_prompt() -> None:
    def of(listed: Any) -> Any:
        return of_prompt(
            Prompt.of("p", id="7").model_copy(update={"meta": {"instructions": listed}})
        )

    two: list[Any] = [
        {"id": "punctuation:no_comma"},
        {"id": "keywords:existence", "kwargs": {"keywords": ["a"]}},
    ]
    assert [type(one).__name__ for one in of(two)] == ["NoComma", "Existence"]
    assert of([]) == of_prompt(Prompt.of("p")) == ()
    malformed: list[Any] = [
        3,
        "punctuation:no_comma",
        [3],
        [{}],
        [{"id": 3}],
        [{"id": "a", "kwargs": [1]}],
    ]
    for listed in malformed:
        with pytest.raises(DataError, match=r"prompt '7': meta\.instructions"):
            of(listed)
    with pytest.raises(ConfigError, match="prompt '7': keywords:existence needs 'keywords'"):
        of([{"id": "keywords:existence"}])


# --- all of them, any arguments, any text
# --------------------------------------------------------------------------

WORDS = st.text(alphabet="abcXY z", min_size=1, max_size=8).filter(lambda text: bool(text.strip()))
RELATIONS = st.sampled_from(["less than", "at least"])
ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    "keywords": st.lists(WORDS, min_size=1, max_size=4),
    "forbidden_words": st.lists(WORDS.map(str.strip), min_size=1, max_size=4),
    "letter": st.characters(codec="ascii", categories=("L", "N", "P", "S")),
    "language": st.sampled_from(sorted(SAMPLES)),
    "postscript_marker": st.sampled_from(["P.S.", "P.P.S", "NB:", "#"]),
    "section_spliter": st.sampled_from(["Section", "SECTION", "Day"]),
    "first_word": st.from_regex(r"\A[a-zA-Z]{1,8}\Z"),
    "nth_paragraph": st.just(1),
}


def arguments(id: str) -> st.SearchStrategy[dict[str, Any]]:
    def of(name: str) -> st.SearchStrategy[Any]:
        if name.endswith("relation"):
            return RELATIONS
        if name in ("keyword", "end_phrase", "prompt_to_repeat"):
            return WORDS
        return ARGUMENTS.get(name, st.integers(1, 12))

    return st.fixed_dictionaries(
        {field.name: of(field.name) for field in dataclasses.fields(INSTRUCTIONS[id])}
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("id", INSTRUCTIONS)
def test_every_instruction_tells_its_examples_apart(id: str) -> None:
    @settings(max_examples=30, deadline=None)
    @given(arguments(id))
    def run(kwargs: dict[str, Any]) -> None:
        validate(build(id, kwargs))

    run()


@pytest.mark.parametrize("id", INSTRUCTIONS)
def test_no_text_raises(id: str) -> None:
    @settings(max_examples=25, deadline=None)
    @given(arguments(id), st.text(max_size=50))
    def run(kwargs: dict[str, Any], text: str) -> None:
        verdict = evaluate(build(id, kwargs), text, "loose")
        assert verdict.reason
        assert verdict.stage == id
        if verdict.span:
            assert 0 <= verdict.span[0] <= verdict.span[1] <= len(text)

    run()


def naive(pattern: str) -> Callable[[str], int]:
    return lambda text: len(re.findall(pattern, text, flags=re.MULTILINE))


@given(st.text(alphabet="a*- \n[]", max_size=24))
def test_counts_equal_those_of_the_slow_expressions(text: str) -> None:
    counts = {
        ("detectable_format:number_bullet_lists", "num_bullets"): (
            naive(r"^\s*\*[^*].*$")(text) + naive(r"^\s*-.*$")(text)
        ),
        ("detectable_content:number_placeholders", "num_placeholders"): naive(r"\[.*?\]")(text),
    }
    for (id, name), count in counts.items():
        if count:
            assert build(id, {name: count}).check(text).outcome == "right"
        assert build(id, {name: count + 1}).check(text).outcome == "wrong"


N = 200_000
PIECES = [
    " ",
    "\n",
    "[",
    "*",
    "*a",
    "<<a",
    "p.",
    "A.",
    "-\n",
    '"',
    "aab",
    "a1",
    "```",
    "x\n\n",
    "P. ",
]
SLOW = [piece * (N // len(piece)) for piece in PIECES] + ["." * N + "x"]


@pytest.mark.parametrize("text", SLOW, ids=lambda text: repr(text[:4]))
def test_long_texts_are_judged_in_no_time(text: str) -> None:
    for id, kwargs, _, _ in {case[0]: case for case in CASES}.values():
        instruction = build(id, kwargs)
        started = time.monotonic()
        assert len(instruction.check(text).reason) < 400
        assert time.monotonic() - started < 5, id
