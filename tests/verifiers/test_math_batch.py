import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from assay.errors import ConfigError, DataError, MissingExtra
from assay.types import Prompt, Verdict
from assay.verifiers import Math, Numeric
from assay.verifiers.pool import Reply, Request

pytest.importorskip("math_verify")

SHARED = Math(timeout=20.0, workers=2)


def boxed(answer: str) -> str:
    return rf"so \boxed{{{answer}}}"


def test_many_at_once_give_what_one_at_a_time_gives() -> None:
    pairs = [(boxed(rf"\sqrt{{{n * n}}}"), str(n + n % 2)) for n in range(2, 14)]
    pairs += [(boxed(str(n)), str(n)) for n in range(10)] + [
        ("nothing", "5"),
        (boxed("9^9^9"), "5"),
    ]
    told: list[int] = []
    found = SHARED.check_all(pairs * 2, told.append)
    assert found == [SHARED.check(*pair) for pair in pairs] * 2
    assert told == list(range(1, 2 * len(pairs) + 1))
    assert Counter(v.outcome for v in found) == {"right": 2 * (6 + 10), "wrong": 2 * 8}


def test_the_same_pair_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    check = Numeric.check

    def counted(self: Numeric, text: str, reference: str) -> Verdict:
        judged.append(text)
        return check(self, text, reference)

    monkeypatch.setattr(Numeric, "check", counted)
    found = Numeric().check_all([("5", "5"), ("6", "5"), ("5", "5")])
    assert [v.outcome for v in found] == ["right", "wrong", "right"]
    assert judged == ["5", "6"]


def test_a_comparison_is_remembered_by_content_but_not_a_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    class Pool:
        def ask_all(
            self, requests: Iterable[tuple[Any, Request]], seconds: float
        ) -> Iterator[tuple[Any, Reply]]:
            for tag, request in requests:
                asked.append(request["answer"])
                stage = "timeout" if "7" in request["answer"] else "points"
                yield tag, {"outcome": "undecided", "stage": stage, "reason": "so"}

    monkeypatch.setattr("assay.verifiers.answers.math._pool", lambda *_: Pool())
    monkeypatch.setattr("assay.verifiers.answers.math._known", {})
    for text in (
        r"\boxed{\sqrt{6}}",
        r"The answer is $\sqrt6$.",
        r"\boxed{\sqrt{7}}",
        r"\boxed{\sqrt{7}}",
    ):
        assert SHARED.check(text, "x+1").outcome == "undecided"
    assert asked == [r"\sqrt{6}", r"\sqrt{7}", r"\sqrt{7}"]


def test_a_hang_costs_only_its_own_request() -> None:
    hang = boxed(r"\prod_{i=1}^{9999}\prod_{j=1}^{9999}(i+j)")
    pairs = [(boxed(rf"\sqrt{{{n * n}}}"), str(n)) for n in range(20, 30)]
    found = Math(timeout=1.5, workers=2).check_all([*pairs[:5], (hang, "0.5"), *pairs[5:]])
    assert found[5].stage == "timeout"
    assert [v.outcome for i, v in enumerate(found) if i != 5] == ["right"] * 10


@pytest.mark.parametrize("verifier", [Numeric(), SHARED])
def test_validation_passes_good_references(verifier: Numeric | Math) -> None:
    prompts = [
        Prompt.of("q", reference=r)
        for r in ("18", "1/2", "She has 3.\n#### 3", "0", "1,234", "50%")
    ]
    counts = verifier.validate([*prompts, Prompt.of("open"), "7"])
    assert counts == {"references": 7, "planted": 7 + 7 + 7 + 6, "without a reference": 1}


def test_validation_of_mathematics() -> None:
    counts = SHARED.validate([r"\frac{\sqrt 2}{2}", "x+1", "(1,2]", r"\text{Monday}", "5"])
    assert counts["references"] == 5


@pytest.mark.parametrize(
    ("verifier", "records", "what"),
    [
        (Numeric(), ["5", "a duck"], "a duck"),
        (SHARED, ["5", "@@"], "@@"),
        (Numeric(tolerance=0.9), ["5.0", "5"], "passes"),
        (Numeric(), [], "no record"),
        (Numeric(), [Prompt.of("q")], "no record"),
    ],
)
def test_validation_lists_what_fails(
    verifier: Numeric | Math, records: list[str | Prompt], what: str
) -> None:
    with pytest.raises(DataError, match=what):
        verifier.validate(records)


@pytest.mark.parametrize(
    "settings", [{"find": ("box",)}, {"find": ()}, {"tolerance": 2.0}, {"tolerance": -0.1}]
)
def test_settings_are_checked(settings: dict[str, object]) -> None:
    for kind in (Numeric, Math):
        with pytest.raises(ConfigError):
            kind(**settings)  # type: ignore[arg-type]


def test_a_missing_extra_is_told_from_a_batch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.verifiers.answers.math.importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra):
        Math(workers=7).check_all([(boxed("x+1"), "y+1")])


def test_numbers_are_fast() -> None:
    pairs = [
        (f"It is 3 + 4 = 7, so we are done.\nThe answer is {n}.", str(n % 1000))
        for n in range(4000)
    ]
    for verifier in (Numeric(), SHARED):
        start = time.perf_counter()
        verifier.check_all(pairs)
        assert time.perf_counter() - start < 4.0  # measured: 0.15 and 0.25 s


UNITS = [
    ("10 cm", "10 cm", "right"),
    ("10 cm", "10 m", "wrong"),
    ("1 m", "100 cm", "right"),
    ("10", "10 kg", "right"),
    ("2 hours", "120 minutes", "right"),
    ("3 feet", "36 inches", "right"),
    ("1 square meter", "10000 cm^2", "right"),
    (r"4\text{ m}^2", r"4\text{ m}^3", "wrong"),
    ("5 kg", "5 m", "wrong"),
    ("5 apples", "5 pears", "undecided"),
    ("5 apples", "5 apples", "right"),
    ("$5", "5 dollars", "right"),
]


@pytest.mark.parametrize(("reference", "answer", "outcome"), UNITS)
def test_strict_units(reference: str, answer: str, outcome: str) -> None:
    for one, other in ((reference, answer), (answer, reference)):
        assert Numeric(units="strict").check(boxed(one), other).outcome == outcome
        assert Numeric(units="strip").check(boxed(reference), reference).outcome == "right"


@pytest.mark.parametrize(
    ("tolerance", "reference", "answer", "outcome"),
    [
        (None, "0.333", "0.3333", "wrong"),
        ("digits", "0.333", "0.3333", "right"),
        ("digits", "0.333", "1/3", "right"),
        ("digits", "0.333", "0.334", "wrong"),
        ("digits", "1/3", "0.333", "wrong"),  # the reference is exact
        ("digits", "5", "5.2", "wrong"),
        ("digits", "1.50e3", "1504", "right"),
        ("digits", "1.50e3", "1506", "wrong"),
        (0.01, "2.00", "2.019", "right"),
        (0.01, "2.00", "2.021", "wrong"),
        (0.01, "2", "2.001", "wrong"),
    ],
)
def test_tolerance_is_for_decimal_references(
    tolerance: float | None, reference: str, answer: str, outcome: str
) -> None:
    assert Numeric(tolerance=tolerance).check(boxed(answer), reference).outcome == outcome
    assert (
        Math(tolerance=tolerance, timeout=20.0).check(boxed(answer), reference).outcome == outcome
    )


@pytest.mark.parametrize(
    ("text", "reference", "outcome"),
    [
        ("The answer is 5:00 pm.", "5", "right"),
        ("The answer is 5:30 pm.", "5", "wrong"),
        ("The answer is 5:30 pm.", "30", "wrong"),
        ("The answer is five.", "5", "right"),
        ("The answer is twenty-five.", "25", "right"),
        ("The answer is 325 000 cars.", "325,000", "right"),
        ("The answer is $16,80,000.", "1680000", "right"),
        ("The answer is 1, 2, 3", "1", "wrong"),
        ("The answer is 6 or 7.", "6", "wrong"),
        ("The answer is cannot be determined. There are 5.", "5", "wrong"),
        ("The answer is Mr. Smith pays $5.", "5", "right"),
        ("The answer is he has 2 + 3 = 5. Then he loses 1, so 5 - 1 = 4 remain.", "4", "right"),
    ],
)
def test_numbers_in_sentences(text: str, reference: str, outcome: str) -> None:
    assert Numeric().check(text, reference).outcome == outcome
