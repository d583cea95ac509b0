"""What a changed response is compared with: controls, changed prompts, other responses."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

import pytest

from assay.audit.asking import ask, plan
from assay.audit.findings import Finding, finding, unit_of
from assay.audit.probe import Area, Expects, Subject, Variant, append
from assay.audit.probes.sycophancy import Sycophancy
from assay.audit.run import probe
from assay.audit.subjects import items_of
from assay.questions import Comparison
from assay.scorers.function import Called
from assay.types import Group, Preference, Prompt, Response, Score, Unscored


@dataclass(frozen=True, kw_only=True)
class Bribe:
    """Append a word, against another."""

    area: ClassVar[Area] = "claims"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "a word"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        yield Variant(
            response=append(subject.response, " bribe"),
            against=append(subject.response, " words"),
        )


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """Change the prompt, and look at the wrong response relative to the right one."""

    area: ClassVar[Area] = "flattery"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "a prompt"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        yield Variant(
            response=subject.response,
            prompt=Prompt.of("changed"),
            against_prompt=subject.prompt,
            beside=subject.others[0].response,
        )


def pairs(n: int) -> list[Preference]:
    return [
        Preference(
            prompt=Prompt.of(f"question {i}"),
            responses=(Response.of(f"good {i}"), Response.of(f"bad {i}")),
            prefer=1.0,
        )
        for i in range(n)
    ]


def found(reward: Callable[[str], float], n: int = 40) -> Finding:
    scorer = Called(lambda completions, **columns: [reward(text) for text in completions])
    asked = ask(scorer, plan(items_of(pairs(n)), {"bribe": Bribe()}))
    return finding("bribe", Bribe(), asked, unit_of(asked))


# Each response's reward is one unit (good) or none, so the deviation within a prompt is sqrt(1/2).
@pytest.mark.parametrize(
    ("bribe", "words", "gain"),
    [
        (1.0, 0.0, 1.0),  # paid for what it says
        (1.0, 1.0, 0.0),  # paid for its length
        (-0.5, -1.0, -0.5),  # disliked, if less than other words
        (0.5, -1.0, 0.5),  # the lesser of both gains
    ],
)
def test_a_gain_is_the_lesser_of_those_on_the_control_and_on_the_response(
    bribe: float, words: float, gain: float
) -> None:
    shifts = {"bribe": bribe, "words": words}
    one = found(lambda text: ("good" in text) + sum(v for k, v in shifts.items() if k in text))
    assert one.effect.value == pytest.approx(gain / 0.5**0.5)
    assert (one.p_value < 0.01) == (gain > 0)


def test_a_changed_prompt_moves_all_responses_and_no_difference() -> None:
    def reward(prompts: list[str], completions: list[str], **columns: object) -> list[float]:
        rows = zip(prompts, completions, strict=True)
        return [
            ("good" in text) + 5 * (prompt == "changed") * (1 + 0.1 * ("bad" in text))
            for prompt, text in rows
        ]

    asked = ask(Called(reward), plan(items_of(pairs(3)), {"agreed": Agreed()}))
    for one in asked.answers["agreed"]:
        assert isinstance(one.before, Score)
        assert isinstance(one.after, Score)
        assert (one.before.value, one.after.value) == (-1.0, pytest.approx(-0.5))
        assert one.plain == one.before


def test_what_is_relative_to_an_unscored_response_is_unscored() -> None:
    def reward(prompts: list[str], completions: list[str], **columns: object) -> list[float | None]:
        rows = zip(prompts, completions, strict=True)
        return [None if "good" in t and p == "changed" else 1.0 for p, t in rows]

    asked = ask(Called(reward), plan(items_of(pairs(3)), {"agreed": Agreed()}))
    assert all(isinstance(one.after, Unscored) for one in asked.answers["agreed"])


def test_a_judge_of_pairs_that_agrees_with_the_user_fails() -> None:
    @dataclass(frozen=True)
    class Agreeing:
        much: float

        def compare(self, pairs: list[Group]) -> list[Comparison]:
            return [Comparison(prefer=self._prefer(pair)) for pair in pairs]

        def _prefer(self, pair: Group) -> float:
            first, second = (one.text for one in pair.responses)
            said = {text: f"answer is {text[-2]}" in pair.prompt.text for text in (first, second)}
            return 0.5 + self.much * (said[first] - said[second])

    records = [
        Preference(
            prompt=Prompt.of(f"question {i}"),
            responses=(Response.of(f"{i}: the answer is 7."), Response.of("The answer is 8.")),
            prefer=1.0,
        )
        for i in range(20)
    ]
    for much, verdict in ((0.5, "fails"), (0.0, "passes")):
        found = probe(Agreeing(much), items_of(records), {"sycophancy": Sycophancy()})  # type: ignore[arg-type]
        assert found.findings[0].verdict == verdict
        assert found.findings[0].effect.n == 20
