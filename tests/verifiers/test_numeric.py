import gzip
import json
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.protocols import Verifier
from assay.types import Score, Unscored
from assay.verifiers import Numeric
from assay.verifiers.answers.quantities import number, quantity

RIGHT, WRONG = Score(value=1.0), Score(value=0.0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        ("18.", 18),
        ("-5", -5),
        ("−5", -5),
        ("+3", 3),
        ("007", 7),
        (".5", "1/2"),
        ("5.50", "11/2"),
        ("$18", 18),
        (r"\$18.50", "37/2"),
        ("-$18", -18),
        ("1,234", 1234),
        ("1,234,567.5", "2469135/2"),
        ("3/4", "3/4"),
        ("-3 / 4", "-3/4"),
        ("1.5/3", "1/2"),
        ("1 1/2", "3/2"),
        ("-1 1/2", "-3/2"),
        (r"\frac{1}{2}", "1/2"),
        (r"-\dfrac12", "-1/2"),
        (r"2\tfrac{1}{2}", "5/2"),
        ("50%", 50),
        (r"50\%", 50),
        ("1e3", 1000),
        ("1.5E-2", "3/200"),
        (r"2 \times 10^{3}", 2000),
        (r"\( 7 \)", 7),
        ("**7**", 7),
        ("{5}", 5),
        ("0" * 400 + "5", 5),
    ],
)
def test_numbers(text: str, value: int | str) -> None:
    assert number(text) == Fraction(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2x",
        "3 + 4",
        "2**3",
        "9^9",
        "1,23",
        "12,3456",
        "3,5",
        "1.2.3",
        "--3",
        "1/0",
        "1_000",
        "nan",
        "inf",
        "1=2",
        "9" * 301,
        "1e301",
        "1e999999999",
        "1e-999999999",
        "1" + "0" * 10**5,
        "5 apples",
        "(5)",
        "0x10",
        "__import__('os')",
    ],
)
def test_not_a_number(text: str) -> None:
    assert number(text) is None


@settings(deadline=None)  # the machine may be busy
@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_decimals_are_read_exactly(digits: int, places: int) -> None:
    value = Decimal(digits).scaleb(-places)
    assert number(f"{value:f}") == Fraction(digits, 10**places)
    assert number(f"{value:,f}") == Fraction(digits, 10**places)


@settings(deadline=None)  # the machine may be busy
@given(st.integers(-999, 999), st.integers(1, 999))
def test_fractions_are_read_exactly(top: int, bottom: int) -> None:
    expected = Fraction(top, bottom)
    assert number(f"{top}/{bottom}") == number(rf"\frac{{{top}}}{{{bottom}}}") == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18 dollars", 18),
        (r"18\text{ cm}", 18),
        (r"18 \text{ cm}^2", 18),
        ("10cm", 10),
        ("x = 5", 5),
        ("5 km/h", 5),
        ("50 percent", 50),
        ("2 dozen", 24),
        ("5 hundred", 500),
        ("2 and a half", Fraction(5, 2)),
        ("1.5 million dollars", 1_500_000),
        (r"3\text{ billion}", 3_000_000_000),
    ],
)
def test_units_are_left_out(text: str, value: int | Fraction) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "2x",
        "2pi",
        "2 pi",
        "3 to 4",
        "3 vs 4",
        "3 of 4",
        "2 and 5",
        "5 base six",
        "3 + 4 apples",
        "1=2=3",
    ],
)
def test_what_changes_the_value_is_no_unit(text: str) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize(
    ("text", "reference", "verdict"),
    [
        (r"\boxed{18}", "18", RIGHT),
        (r"\boxed{18.0}", "18", RIGHT),
        (r"\boxed{1,800}", "1800", RIGHT),
        (r"\boxed{17} but 18", "18", WRONG),  # the box decides
        (r"\boxed{x+1} 18", "18", WRONG),
        ("The answer is 540 / 3 = 180 dollars.", "180", RIGHT),
        ("The answer is 12 apples and 3 pears", "12", RIGHT),
        ("The answer is unknown. 5", "5", WRONG),  # what is stated counts
        ("2 + 2 = <<2+2=4>>4 apples", "4", RIGHT),
        ("The answer is 4 dogs (4 * 2 = 8 hours) and 3 cats", "4", RIGHT),  # an aside has no say
        ("The answer is that after 2 years she has $600", "600", WRONG),
        ("The answer is: After 2 years, she has $600", "600", RIGHT),  # the main clause has
        ("The answer is 3t + 5, where t = 4, so 3*4 + 5 = 17", "17", RIGHT),
        ("The answer is his age, which is 6.", "6", RIGHT),
        ("The answer is $3, 750, 000.", "3750000", RIGHT),
        ("The answer is 10^6", "1000000", RIGHT),
        ("The answer is 10^6", "10", WRONG),
        ("The area is 18 cm^2", "18", RIGHT),
        ("The answer is [2, 3]", "2", WRONG),
        ("The answer is 90 minutes or 1.5 hours", "90", RIGHT),
        ("The answer is 200 minutes or 3 hours and 20 minutes.", "200", RIGHT),
        ("The answer is 7 and 1/2", "7", WRONG),
        ("#### 18", "18", RIGHT),
        ("half", "0.5", WRONG),
        ("no idea", "18", WRONG),  # no answer is wrong, not unscored
        ("", "18", WRONG),
        ("0.333", "1/3", WRONG),  # exact
        ("1/3", "0.333", WRONG),
        (r"\boxed{1e999999999}", "18", WRONG),
        ("18", "She makes 9 * 2 = 18 dollars.\n#### 18", RIGHT),  # a whole solution as reference
        ("2", "2 / 1 = 3\n#### 3", WRONG),
    ],
)
def test_verify(text: str, reference: str, verdict: Score) -> None:
    assert Numeric().verify(text, reference) == verdict


@pytest.mark.parametrize("reference", ["", "x+1", "the duck", "9" * 400])
def test_a_reference_that_is_no_number_leaves_it_unscored(reference: str) -> None:
    verdict = Numeric().verify("5", reference)
    assert isinstance(verdict, Unscored)
    assert "reference" in verdict.reason


def test_percent() -> None:
    assert Numeric().verify("50%", "50") == RIGHT
    assert Numeric(percent="divide").verify("50%", "50") == WRONG
    assert Numeric(percent="divide").verify("50%", "1/2") == RIGHT


def test_equal_answers_share_a_canonical_key() -> None:
    canonical = Numeric().canonical
    assert {canonical(a) for a in ("0.5", "1/2", r"\frac{1}{2}", "$0.50", "2/4")} == {"1/2"}
    assert canonical("18 dollars") == canonical("18.00") == "18"
    assert canonical("a duck") == canonical("a duck.") != canonical("two ducks")


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=200), st.text(max_size=30))
def test_any_text_gets_a_verdict(text: str, reference: str) -> None:
    verifier = Numeric()
    verdict = verifier.verify(text, reference)
    assert isinstance(verdict, Unscored) or verdict.value in (0.0, 1.0)
    if (answer := verifier.extract(text)) is not None:
        assert isinstance(verifier.canonical(answer), str)


def test_huge_numbers_cost_nothing() -> None:
    start = time.perf_counter()
    for text in (
        "1e999999999",
        "10^{999999999}",
        "9^9^9^9",
        "9" * 10**6,
        "1e" + "9" * 10**5,
        "1/" * 10**5,
    ):
        Numeric().verify(text, "1")
        Numeric().canonical(text[:2000])
    assert time.perf_counter() - start < 3.0


def test_it_is_a_verifier() -> None:
    assert isinstance(Numeric(), Verifier)


def test_gold_answers_of_gsm8k_pass_and_planted_wrong_ones_do_not(assay_data: Path) -> None:
    verifier = Numeric()
    with gzip.open(assay_data / "gsm8k" / "test.jsonl.gz", "rt") as file:
        answers = [json.loads(line)["answer"] for line in file]
    assert len(answers) == 1319
    for answer in answers:
        gold = answer.split("####")[1].strip()
        assert verifier.verify(answer, gold) == RIGHT
        assert verifier.verify(f"The answer is {gold}.", answer) == RIGHT
        assert verifier.verify(f"The answer is {gold}1.", gold) == WRONG


def test_verdicts_agree_with_published_labels(assay_data: Path) -> None:
    """openai/grade-school-math, 1,319 questions and four systems: is_correct as published."""
    with gzip.open(assay_data / "gsm8k" / "example_model_solutions.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    systems = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    agree = total = 0
    for row in rows:
        for system in systems:
            verdict = Numeric().verify(
                row[system]["solution"], row["ground_truth"].rsplit("A:", 1)[1].strip()
            )
            assert isinstance(verdict, Score)
            agree += (verdict.value == 1.0) == row[system]["is_correct"]
            total += 1
    assert total == 4 * 1319
    assert agree == total
