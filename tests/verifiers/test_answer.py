import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.verifiers.answers.answer import Policy, find
from assay.verifiers.answers.spelling import normalise, squeezed


def found(text: str, policy: Policy) -> str | None:
    answer = find(text, (policy,))
    if answer is None:
        return None
    assert text[slice(*answer.span)] == answer.text  # what it says of the place is true
    return answer.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \boxed{5}.", "5"),
        (r"\boxed{1} no wait \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed {7}", "7"),
        (r"\fbox{7}", "7"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),  # escaped braces are characters
        (r"\boxed{a\\}", r"a\\"),  # the backslash before the brace is itself escaped
        (r"\boxed{5} and \boxed{6", "5"),  # cut off: the last complete one counts
        (r"\boxed{{5}", None),
        (r"{ \boxed{5}", "5"),
        (r"} \boxed{5}", "5"),
        (r"\boxed{\boxed{5}}", r"\boxed{5}"),
        (r"\boxed{}", ""),
        (r"\boxed 5", None),
        (r"\\boxed{5}", None),  # a line break, then a word
        ("", None),
    ],
)
def test_boxed(text: str, expected: str | None) -> None:
    assert found(text, "boxed") == expected


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet=r"\{}ab", max_size=30))
def test_boxed_finds_what_was_put_in_a_box(inner: str) -> None:
    """Whatever is before it; when the contents are themselves well braced."""
    depth, i, well_braced = 0, 0, True
    while i < len(inner):
        if inner[i] == "\\":
            well_braced &= i + 1 < len(inner)
            i += 2
            continue
        depth += (inner[i] == "{") - (inner[i] == "}")
        well_braced &= depth >= 0
        i += 1
    if well_braced and depth == 0:
        assert found(rf"{{{{ \boxed{{wrong}} so \boxed{{{inner}}} done", "boxed") == inner.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("work\n#### 18", "18"),
        ("#### 1\n#### 2", "2"),
        ("####18", "18"),
        ("#### 18\n#### ", "18"),
        ("#### Step 2\nadd", None),  # a heading
        ("#### 2. Add them\n", None),
        ("no", None),
    ],
)
def test_hashes(text: str, expected: str | None) -> None:
    assert found(text, "hashes") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is 88.", "88"),
        ("the final answer is: 3.5 dollars", "3.5 dollars"),
        ("Answer: **12**", "12"),
        ("**Answer:** 12", "12"),
        ("work\nA: 18", "18"),
        ("the answer is 4. No, the answer is 5.", "5"),
        ("The answer is 88. I checked 3 times.", "88"),
        (r"The answer is $\frac{1}{2}$.", r"\frac{1}{2}"),
        (r"The answer is \(x+1\) here", "x+1"),
        ("The answer is $5 per day", "$5 per day"),
        ("Answer:\n\n18", "18"),
        ("the answering machine", None),
        ("the answer is", None),
    ],
)
def test_phrase(text: str, expected: str | None) -> None:
    assert found(text, "phrase") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16 - 3 = <<16-3=13>>13 left", "13"),
        ("16 - 3", "3"),
        ("16-3", "3"),
        ("10-15", "15"),
        ("it is -3", "-3"),
        ("it is -$5", "-$5"),
        ("she has $1,234,567.50.", "$1,234,567.50"),
        ("1 1/2 cups", "1 1/2"),
        ("3/4 cups", "3/4"),
        (r"is $-\frac{1}{2}$", r"$-\frac{1}{2}"),
        ("up 50%", "50%"),
        ("1.", "1"),
        ("none", None),
    ],
)
def test_last_number(text: str, expected: str | None) -> None:
    assert found(text, "last_number") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Answer: B", "B"),
        ("the answer is (c).", "c"),
        (r"\boxed{\text{D}}", "D"),
        ("A) 1\nB) 2\n\nThe correct option is **A**", "A"),
        ("I choose (A), not (B)\nlater", "A"),
        ("I see (A), then (B)\nlater", "B"),  # a spray; the last
        ("I choose A\nlater", "A"),
        ("I see A\nlater", None),
        ("because of that\n(E)", "E"),
        ("Paris.\nB) Paris", "B"),
        ("**C**", "C"),
        ("Answer: A dog", None),
        ("Answer: Because", None),
        ("the answer is x", None),
        ("", None),
    ],
)
def test_choice(text: str, expected: str | None) -> None:
    assert found(text, "choice") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"answer": "5"}', "5"),
        ('{"answer": 5, "x": 1}', "5"),
        ('{"answer": [1, 2]}', "[1, 2]"),
        ('{"answer": "a \\"b\\""}', 'a "b"'),
        ('{"answer": null}', None),
        ('{"answers": 5}', None),
        ('{"answer": }', None),
        ('{"answer": 1} {"answer": 2}', "2"),
        ('```json\n{"answer":\n "7"\n}\n```', "7"),
        ('{"answer": ' + "[" * 5000, None),
    ],
)
def test_field(text: str, expected: str | None) -> None:
    answer = find(text, ("field",))
    assert (answer.text if answer else None) == expected


def test_the_final_line_and_a_box_left_open() -> None:
    assert found("work\n\n**42**\n\n", "final_line") == "42"
    assert found("", "final_line") is None
    assert found("so \\boxed{5$.\nmore", "open_box") == "5"
    assert found("so \\boxed{5}", "open_box") is None


def test_what_stands_in_earlier_places_is_kept() -> None:
    answer = find(r"\boxed{1} \boxed{\boxed{2}} \boxed{3}", ("boxed",))
    assert answer is not None
    assert (answer.text, answer.earlier) == ("3", ("1", r"\boxed{2}"))


def test_two_digits_apart_are_not_one_number() -> None:
    assert squeezed("5 6") != squeezed("56")
    assert squeezed("x + 1") == squeezed("x+1")
    assert squeezed(r"\pi r") != squeezed(r"\pir")


def test_the_first_policy_that_finds_something_decides() -> None:
    text = r"\boxed{1} #### 2" + "\nThe answer is 3. 4"
    first, other = (
        find(text, ("boxed", "hashes", "phrase", "last_number")),
        find(text, ("phrase", "boxed")),
    )
    assert first is not None
    assert (first.text, first.policy, first.span) == ("1", "boxed", (7, 8))
    assert other is not None
    assert (other.text, other.policy) == ("3", "phrase")
    assert find("4", ("boxed", "hashes", "phrase")) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"$\dfrac12$.", r"\frac{1}{2}"),
        (r"\text{Tuesday}", "Tuesday"),
        (r"\left(1,2\right)", "(1,2)"),
        (r"1{,}234", "1,234"),
        ("x**2", "x^2"),
        ("**7**", "7"),
        (r"\sqrt2", r"\sqrt{2}"),
        (r"\boxed{{5}}", "5"),
    ],
)
def test_normalise_makes_one_of_two_spellings(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_normalise_keeps_what_has_meaning() -> None:
    assert normalise("2**3") != "23"
    matrix = r"\begin{pmatrix} 1 \\ 2 \\[2pt] 3 \end{pmatrix}"
    assert normalise(matrix) == matrix
