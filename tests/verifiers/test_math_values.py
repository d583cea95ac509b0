r"""When two answers are the same number: units, things, money, times, words, digits of other
scripts, and near misses.

Each row is a reference and answers that are right, then answers that are wrong, then answers that
only the exercise could tell. The first and the last hold in both orders.
"""

import pytest

from assay.verifiers import Math

SHARED = Math(timeout=20.0, workers=1)
SETTINGS = {"timeout": 20.0, "workers": 1}

Row = tuple[str, str, list[str], list[str], list[str]]
"""Kind, reference, right, wrong, undecided."""

ROWS: list[Row] = [
    (
        "units known from a closed table",
        "7",
        [
            "7 cm",
            r"7\text{ cm}",
            r"7\textbf{ cm}",
            r"7\,\mathrm{cm}",
            r"7\text{ cm}^2",
            "7 square units",
            "7 units^2",
            r"7\text{ sq. ft.}",
            "7 km/h",
            "7 miles per hour",
            r"7^\circ",
            "7 degrees",
            r"7^\circ\text{C}",
            "7 years",
        ],
        ["8 cm", r"70\text{ cm}", "7x", "7 x", "7k", "7M", "7i"],
        [],
    ),
    (
        "things that are counted",
        "7",
        [
            "7 marbles",
            "7 students",
            r"7\text{ ways}",
            "7 different ways",
            "seven apples",
            r"\text{7 apples}",
            "7 cups of flour",
            "7 people",
        ],
        ["8 marbles", "7 asdf", "7 more", "7 and 8 marbles"],
        ["7 gizmos", "7 flobs"],
    ),
    (
        "words that say another number",
        "7",
        [],
        [
            "7 squared",
            r"7\text{ cubed}",
            "7 factorial",
            "7 thousand",
            r"7\text{ million}",
            "7 dozen",
            r"7\text{ dozen}",
            "7 thirds",
            r"7\text{ thirds}",
            "7 fifths",
            "7 quarters",
            "7 hundredths",
            "7 lakh",
            "7 score",
            "7 gross",
            "7 choose three",
            "7 over 2",
            r"7\text{ over two}",
            "7 times two",
            "7 plus one",
            "7 mod four",
            "7 raised to three",
            "7 divided by two",
            "7 remainder two",
            "7 less than ten",
            "7 doubled",
            "7 inverse",
            "7 permille",
            "7 minutes past four",
            "7 or 8",
            r"7\text{ or 8}",
            r"7\text{ to }9",
            "7 and 8",
            "7R2",
            r"7\text{ is wrong, it is 9}",
            r"7\text{ is not the answer}",
            r"7\text{, no wait }9",
            "not 7",
            "at least 7",
        ],
        [],
    ),
    (
        "a dozen is twelve",
        "24",
        ["2 dozen", r"2\text{ dozen}", "two dozen", "2 dozen eggs"],
        ["2 gross"],
        [],
    ),
    (
        "units that convert",
        "3 m",
        ["300 cm", r"0.003\text{ km}", "3"],
        ["3 cm", "3 kg", "30 dm^2", "3 s"],
        [],
    ),
    (
        "units of parts",
        "2.5 h",
        ["2 h 30 min", r"2\text{ hours and }30\text{ minutes}", "150 minutes", "2.5"],
        ["2 h 15 min", "2 h 30 kg"],
        [],
    ),
    ("feet and inches", r"66\text{ in}", ["5 ft 6 in", "5'6''", "66''"], ["5 ft 7 in"], []),
    (
        "squares of units",
        r"4\text{ m}^2",
        ["4 square meters", "4 sq m", r"40000\text{ cm}^2"],
        ["4 m", "4 m^3"],
        [],
    ),
    (
        "speeds",
        r"5\text{ m/s}",
        [r"18\text{ km/h}", "18 kilometers per hour"],
        [r"18\text{ m/s}", "5 m"],
        [],
    ),
    (
        "temperatures",
        r"20^\circ C",
        ["20", "20 degrees Celsius", r"20^{\circ}\text{C}"],
        [r"20^\circ F"],
        [],
    ),
    (
        "angles",
        r"\frac{\pi}{3}",
        [r"\frac{\pi}{3}\text{ rad}", r"\frac{\pi}{3} radians"],
        [r"\frac{\pi}{3}\text{ m}x"],
        [],
    ),
    (
        "units that may be letters",
        "2",
        ["2 mg", r"2\text{ mg}", r"2\text{ N}"],
        ["2mg", "2ha", "2 n m", "2 m/n"],
        [],
    ),
    (
        "units behind algebra",
        "3x",
        ["3x cm", r"3x\text{ dollars}", r"3x\text{ m}^2"],
        ["3xc", "3x m"],
        [],
    ),
    ("unit marks may be primes", "7", [], [], ["7'", "7''"]),
    (
        "money",
        r"\$7",
        ["7", "$7", "7 dollars", r"\$7.00", "700 cents"],
        [r"\$8", "£7", "€7", "7 yen", "7 cents"],
        [],
    ),
    ("cents", r"\$0.25", ["25 cents", r"25\text{ cents}", "$.25", "25¢"], [r"\$25"], []),
    ("pounds weigh or pay", "7 pounds", ["£7", "7 lb"], ["€7", "7 kg"], []),
    (
        "times of day",
        "7:15 pm",
        ["7:15", "7:15 PM", r"7:15\text{ p.m.}", "19:15"],
        ["7:15 am", "7:16 pm"],
        [],
    ),
    ("whole hours", "7 pm", ["7", "7:00 pm"], ["7 am", "8", "8 pm"], []),
    ("times that are ratios", "3:30", [], ["3:31"], ["1:10"]),
    (
        "powers of ten",
        "1000000",
        ["10^6", "1e6", r"1\times 10^6", "1E6", "one million", "10⁶"],
        ["10^5", "6e", "1e5"],
        [],
    ),
    ("1e3 is no product", "3e", ["e3", r"3\cdot e"], ["1e3", "3000"], []),
    ("1e-3 is no difference", "e-3", ["-3+e"], ["1e-3", "0.001"], []),
    (
        "repeating decimals",
        r"\frac56",
        [r"0.8\overline{3}", "0.8333...", r"0.83333\ldots", r"0.8\bar{3}", "0.8(3)"],
        [r"0.\overline{83}", "0.83", r"0.8\overline{4}"],
        [],
    ),
    ("longer periods", r"\frac{41}{333}", [r"0.\overline{123}", "0.123123..."], ["0.123"], []),
    (
        "dots that hide digits",
        "2.71",
        ["2.710"],
        [r"2.72\ldots"],
        ["2.71...", r"2.71\ldots", r"\approx 2.71"],
    ),
    ("approximate values", r"\sqrt2", [], [r"x\approx 1.4", r"\approx 1.5"], [r"\approx\sqrt2"]),
    (
        "thousands",
        "1234567",
        [
            "1,234,567",
            r"1,\!234,\!567",
            r"1{,}234{,}567",
            r"1\,234\,567",
            "1 234 567",
            "1.234.567",
            "１，２３４，５６７",
        ],
        ["1,234,568", "1.234567", r"1,\!234"],
        [],
    ),
    (
        "thousands are no lists",
        r"3,\!250",
        ["3250", "3,250"],
        ["250, 3", r"\{3,250\}", "(3, 250)"],
        [],
    ),
    ("but a bare comma may be", "3,250", ["3250"], ["3251"], ["250, 3"]),
    ("no thousands begin with zero", "999", [], ["0,999", "00,999"], []),
    (
        "decimal commas where nothing else can be meant",
        "1234.5",
        ["1.234,5", r"\$1,\!234.50"],
        ["1.234,6"],
        [],
    ),
    (
        "number words",
        "347",
        [
            "three hundred forty-seven",
            "three hundred and forty seven",
            r"\text{Three hundred forty-seven}",
        ],
        [
            "three hundred forty-eight",
            "three forty-seven",
            "thirty-four seven",
            "minus three hundred forty-seven",
        ],
        [],
    ),
    (
        "signs in words",
        "-12",
        ["negative twelve", "minus twelve", "－12", "−12", "–12", "- 12"],
        ["twelve", "12"],
        [],
    ),
    (
        "parts in words",
        "2.75",
        [
            "two and three quarters",
            "2 and three quarters",
            r"2\frac34",
            "2¾",
            "two point seven five",
            "11/4",
        ],
        ["two and a half", "two three quarters"],
        [],
    ),
    (
        "one part in words",
        r"\frac13",
        ["one third", "a third", "one-third"],
        ["third", "thirteen"],
        [],
    ),
    (
        "ordinals",
        "21",
        ["21st", r"21^{\text{st}}", "21^{st}", "twenty-first"],
        ["22nd", "twenty-second"],
        [],
    ),
    (
        "full width",
        "4.5",
        ["４．５", "４.５", "4.5。", "\ufeff4.5", "4.5\u200b", "9／2"],
        ["４．６"],
        [],
    ),
    (
        "percent signs",
        "45%",
        ["45", r"45\%", "45％", "45 percent", "45 per cent"],
        ["4.5", "46%"],
        [],
    ),
    (
        "bold and sizes",
        r"\frac12",
        [
            r"\bm{\frac12}",
            r"\boldsymbol{\frac12}",
            r"\mathbf{\frac{1}{2}}",
            r"\large\frac12",
            r"\displaystyle \frac12",
            r"**\frac12**",
            r"\frac12 \blacksquare",
            r"\frac12\,\square",
            "½",
            r"$\frac{1}{2}$.",
            r"\frac{1}2",
        ],
        [r"\bm{\frac13}"],
        [],
    ),
    (
        "bases",
        "1011_2",
        [r"1011_{2}", r"1011_{\text{two}}", "1011 base 2", "1011"],
        ["1011_3", "11", "1010_2"],
        [],
    ),
]


def flat(place: int) -> list[object]:
    cases = [(kind, gold, answer) for kind, gold, *answers in ROWS for answer in answers[place]]
    return [
        pytest.param(gold, answer, id=f"{kind}: {gold} and {answer}")
        for kind, gold, answer in cases
    ]


def outcome(gold: str, answer: str) -> str:
    return SHARED.check(rf"so \boxed{{{answer}}}", gold).outcome


@pytest.mark.parametrize(("gold", "answer"), flat(0))
def test_the_same_number(gold: str, answer: str) -> None:
    assert outcome(gold, answer) == "right"
    if "_" not in gold:  # a base that the answer names and the reference does not is another matter
        assert outcome(answer, gold) == "right"


@pytest.mark.parametrize(("gold", "answer"), flat(1))
def test_another_number(gold: str, answer: str) -> None:
    verdict = SHARED.check(rf"so \boxed{{{answer}}}", gold)
    assert verdict.outcome == "wrong", verdict
    assert verdict.reason
    assert outcome(answer, gold) != "right"


@pytest.mark.parametrize(("gold", "answer"), flat(2))
def test_what_only_the_exercise_tells(gold: str, answer: str) -> None:
    assert outcome(gold, answer) == outcome(answer, gold) == "undecided"


def test_a_base_that_the_reference_does_not_name_is_not_granted() -> None:
    assert (
        outcome("1011", "1011_2")
        == outcome("5", "5_6")
        == outcome("7", "7 base nine")
        == "undecided"
    )
    assert outcome("5", "6_7") == "wrong"


def test_settings_say_what_is_lenient() -> None:
    plain = Math(units="strip", **SETTINGS)
    assert plain.check(r"\boxed{7 gizmos}", "7").outcome == "right"
    assert plain.check(r"\boxed{7 cm}", "7 m").outcome == "right"
    assert plain.check(r"\boxed{7 dozen}", "7").outcome == "wrong"
    assert plain.check(r"\boxed{7 is wrong}", "7").outcome == "wrong"
    numerals = Math(roman=True, **SETTINGS)
    assert numerals.check(r"\boxed{XIV}", "14").outcome == "right"
    assert numerals.check(r"\boxed{14}", "XIV").outcome == "right"
    assert numerals.check(r"\boxed{XVI}", "14").outcome == "wrong"
    assert numerals.check(r"\boxed{IIII}", "4").outcome == "wrong"
    assert outcome("14", "XIV") == "wrong"
