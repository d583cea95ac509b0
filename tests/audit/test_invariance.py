"""What a card may not depend on, and all its numbers by a second, naive way."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from random import Random
from typing import ClassVar

import pytest
from scipy import stats as scipy_stats

from assay.audit.asking import plan
from assay.audit.findings import Finding
from assay.audit.planted import items
from assay.audit.probe import Area, Expects, Labelled, Subject, Variant, append
from assay.audit.run import Probed, all_probes, grades, probe, probed
from assay.audit.subjects import items_of
from assay.testing import FakeScorer
from assay.types import Group, Message, Preference, Prompt, Response, Score

PROBES = all_probes()
PAIRS = [
    Preference(
        prompt=item.prompt, responses=tuple(one.response for one in item.responses), prefer=1.0
    )
    for item in items(12)
]
Reward = Callable[[Prompt, Response], float | None]


def chance(prompt: Prompt, response: Response) -> float:
    draw = Random(f"{prompt.text}|{response.steps}")
    return draw.gauss(0, 1) + len(response.text) / 300


def now_and_then(prompt: Prompt, response: Response) -> float | None:
    """No score for a fifth of the texts."""
    if Random(f"lost {prompt.text}|{response.steps}").random() < 0.2:
        return None
    return chance(prompt, response)


def numbers(one: Finding) -> dict[str, object]:
    """Everything that a finding says."""
    found = dataclasses.asdict(one)
    del found["cases"]
    return found


def flat(value: object) -> list[object]:
    if isinstance(value, dict):
        return [x for key in sorted(value) for x in (key, *flat(value[key]))]
    if isinstance(value, (list, tuple)):
        return [x for one in value for x in flat(one)]
    return [value]


def assert_same(one: Probed, other: Probed) -> None:
    for a, b in zip(one.findings, other.findings, strict=True):
        for x, y in zip(flat(numbers(a)), flat(numbers(b)), strict=True):
            if isinstance(x, float):
                assert y == pytest.approx(x, rel=1e-5, abs=1e-7, nan_ok=True), a.probe
            else:
                assert x == y, a.probe
    for left, right in zip(one.grades, other.grades, strict=True):
        assert left.letters == right.letters


def carded(reward: Reward, records: list[Preference]) -> Probed:
    return probe(FakeScorer(reward), items_of(records), PROBES)


PLAN = plan(items_of(PAIRS), PROBES)


@pytest.fixture(scope="module")
def card() -> Probed:
    return probed(FakeScorer(chance), PLAN)


@pytest.mark.parametrize(
    ("scale", "shift"), [(3.0, -7.0), (1e-12, 0.0), (1e-200, 0.0), (1e200, 0.0), (1e9, 1e12)]
)
def test_a_reward_in_another_unit_has_the_same_card(
    card: Probed, scale: float, shift: float
) -> None:
    reward = FakeScorer(lambda p, r: scale * chance(p, r) + shift)
    assert_same(card, probed(reward, PLAN))


def test_the_order_of_prompts_and_responses_and_repeated_records_are_nothing(card: Probed) -> None:
    shuffled = Random(1).sample(PAIRS, len(PAIRS))
    assert_same(card, carded(chance, [one.swap() for one in shuffled] + PAIRS[:5]))


def test_a_response_without_a_score_changes_nothing(card: Probed) -> None:
    more = [
        Group(prompt=one.prompt, responses=(Response.of("lost"),))
        for one in PAIRS
    ]  # fmt: skip

    def reward(prompt: Prompt, response: Response) -> float | None:
        return None if response.text == "lost" else chance(prompt, response)

    found = probe(FakeScorer(reward), items_of([*more, *PAIRS]), PROBES)
    assert_same(card, found)
    assert "12 of 36" in found.notes[0]


def test_prompts_that_differ_in_case_are_two_that_count_as_one() -> None:
    def pair(text: str, answer: str) -> Preference:
        answers = (Response.of(answer), Response.of(f"not {answer}"))
        return Preference(prompt=Prompt.of(text), responses=answers, prefer=1.0)

    found = items_of([pair("What is IT?", "work"), pair("What is it?", "a thing")])
    assert [len(one.responses) for one in found] == [2, 2]
    assert found[0].key == found[1].key
    (mismatch,) = probe(FakeScorer(chance), found, {"mismatch": PROBES["mismatch"]}).findings
    assert mismatch.inapplicable == 2, "a response to the same prompt is no mismatch"


def naive_shift(reward: Reward, one: Finding, unit: float) -> tuple[list[float], list[str], int]:
    """Shifts of the worst text at its largest dose, by prompt; how many have no score."""
    shifts, lost = [], 0
    for item in items_of(PAIRS):
        sides = {"no gain": (False,), "lower": (True,), "unchanged": (True, False)}[one.expects]
        for right in sides:
            (own,) = (x for x in item.responses if x.right is right)
            others = tuple(x for x in item.responses if x is not own)
            subject = Subject(
                prompt=item.prompt, response=own.response, right=right, others=others, strangers=()
            )
            draw = Random(f"0/{one.probe}/{item.key}/{right}")
            made = [
                x for x in PROBES[one.probe].variants(subject, draw) if x.text == one.text
            ]  # fmt: skip
            for variant in made:
                assert variant.against is None, "naive only for what has no other control"
            scores = [(x.dose, reward(item.prompt, x.response)) for x in made]
            before = reward(item.prompt, own.response)
            known = [(d, x) for d, x in scores if x is not None and before is not None]
            lost += len(made) - len(known)
            most = max((d for d, _ in known), default=0.0)
            shifts += [((x - before) / unit, item.key) for d, x in known if d == most]
    return [x for x, _ in shifts], [key for _, key in shifts], lost


@pytest.mark.parametrize("reward", [chance, now_and_then])
@pytest.mark.parametrize(
    "name", ["corrupt-number", "negation", "truncation", "typos", "hedging", "letter-case"]
)
def test_effects_by_a_naive_way(name: str, reward: Reward) -> None:
    found = probe(FakeScorer(reward), items_of(PAIRS), {name: PROBES[name]})
    (one,) = found.findings
    within = []
    for item in items_of(PAIRS):
        scores = [reward(item.prompt, x.response) for x in item.responses]
        values = [x for x in scores if x is not None]
        within += [((a - b) ** 2 / 2) for a, b in pairwise(values)]
    unit = math.sqrt(sum(within) / len(within))
    assert found.unit.value == pytest.approx(unit)
    shifts, keys, lost = naive_shift(reward, one, unit)
    assert one.effect.value == pytest.approx(sum(shifts) / len(shifts))
    assert one.effect.n == len(set(keys))
    assert one.effect.unscored == lost
    if len(set(keys)) == len(keys):
        due = -0.2 if one.expects == "lower" else 0.0
        tail = "two-sided" if one.expects == "unchanged" else "greater"
        p = scipy_stats.ttest_1samp(shifts, due, alternative=tail).pvalue
        assert one.p_value == pytest.approx(min(1.0, p * max(len(one.texts), 1)), rel=1e-6)
    up = [(x > 0) + 0.5 * (x == 0) for x in shifts]
    assert one.share_up is not None
    assert one.share_up.value == pytest.approx(sum(up) / len(up))


@pytest.mark.parametrize("reward", [chance, now_and_then])
def test_flips_held_and_grades_by_a_naive_way(reward: Reward) -> None:
    names = ("negation", "length-filler", "null-strings")
    planned = plan(items_of(PAIRS), {name: PROBES[name] for name in names})
    found = probed(FakeScorer(reward), planned)
    by_name = {one.probe: one for one in found.findings}
    flips, held = [], {}
    for answer in found.asked.answers["negation"]:
        (right, wrong) = found.asked.base[answer.item]
        if isinstance(answer.after, Score) and isinstance(right, Score):
            held[found.asked.items[answer.item].key] = (
                1.0 if answer.after.value < right.value else 0.0
            )
            if isinstance(wrong, Score) and right.value > wrong.value:
                flips.append(answer.after.value <= wrong.value)
    assert by_name["negation"].flips["damage"].value == pytest.approx(sum(flips) / len(flips))
    assert by_name["negation"].held == held
    last: dict[str, list[float]] = {}
    for answer in found.asked.answers["null-strings"]:
        item, base = found.asked.items[answer.item], found.asked.base[answer.item]
        wrong = base[1] if isinstance(base[1], Score) else base[0]
        if isinstance(answer.after, Score) and isinstance(wrong, Score):
            last.setdefault(item.key, []).append(float(answer.after.value <= wrong.value))
    due = {key: sum(row) / len(row) for key, row in last.items()}
    assert by_name["null-strings"].held == pytest.approx(due)
    (grade,) = (one for one in grades(found.findings) if one.area == "empty")
    assert grade.held.value == pytest.approx(sum(due.values()) / len(due))


TEXTS = (
    "", " ", "\n", "a", "1/0", "1e400", "\ud800 lone", "عربي. 12 + 3 = 15", "👍🏽 ok. Yes!",
    "<|im_end|></s>", "<think>a</think>b", "**b**\n- x\n- y\n|a|b|", "\\boxed{3}", "Step 1: x\ny",
)  # fmt: skip
ASKED = (
    Prompt.of("Emily asks."),
    Prompt(messages=()),
    Prompt(messages=(Message(role="assistant", content="me"),)),
)


def test_every_probe_takes_any_text() -> None:
    draw = Random(0)
    for text in TEXTS:
        for steps in ((text,), (), (text, ""), (text, draw.choice(TEXTS), "The answer is 3.")):
            response, other = Response(steps=steps), Response.of(draw.choice(TEXTS))
            subject = Subject(
                prompt=draw.choice(ASKED), response=response, right=False,
                others=(Labelled(other, True),), strangers=(other,),
            )  # fmt: skip
            for one in PROBES.values():
                for variant in one.variants(subject, Random(0)):
                    assert isinstance(variant.response, Response)


def test_an_image_stays_where_the_prompt_is_changed() -> None:
    image = {"type": "image_url", "image_url": {"url": "x"}}
    said = ({"type": "text", "text": "What is it?"}, image)
    prompt = Prompt(messages=(Message(role="user", content="What is it?", parts=said),))
    subject = Subject(prompt=prompt, response=Response.of("A cat."))
    (first, *_) = PROBES["names"].variants(subject, Random(0))
    assert first.prompt is not None
    (message,) = first.prompt.messages
    assert message.parts[:2] == said
    assert message.content == "".join(x.get("text", "") for x in message.parts)


@dataclasses.dataclass(frozen=True)
class Two:
    """A text that one prompt alone has, and one that all have."""

    area: ClassVar[Area] = "style"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "two texts"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        if subject.prompt == PAIRS[0].prompt:
            yield Variant(response=append(subject.response, " once"), text="once")
        yield Variant(response=append(subject.response, " often"), text="often")


def test_a_text_that_cannot_be_tested_hides_no_other() -> None:
    def reward(prompt: Prompt, response: Response) -> float:
        return chance(prompt, response) + 50 * ("often" in response.text)

    (one,) = probe(FakeScorer(reward), items_of(PAIRS), {"two": Two()}).findings
    assert (one.text, one.verdict) == ("often", "fails")
    assert math.isnan(one.texts["once"].low)


def test_what_is_found_at_the_level_of_many_texts_is_counted_once() -> None:
    """An effect at the smallest detectable is significant 80 % of the time, not more."""
    (one,) = probe(FakeScorer(chance), items_of(PAIRS), {"names": PROBES["names"]}).findings
    half = (one.effect.high - one.effect.low) / 2
    t = scipy_stats.t(one.effect.n - 1)
    due = half * (1 + t.ppf(0.8) / t.ppf(1 - 0.025 / len(one.texts)))
    assert one.detectable == pytest.approx(due)
