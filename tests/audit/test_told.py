"""What a reader is told first: good or not, gamed or not, and only of what is a fault."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from assay.audit.card import sureness
from assay.audit.preferred import Preferred
from assay.audit.terminal import terminal
from assay.audit.told import gamed, good
from assay.data import io
from assay.pages.audit import audit_sections
from assay.questions import Comparison
from assay.report.html import page
from assay.scorers.function import Called
from assay.types import Group, Prompt, Ranking, Response, Score, StepLabels, Unscored
from assay.workflows.audit import audit, compare_audits
from tests.audit.test_card import by, longer
from tests.audit.test_run import noise, pairs


class First:
    """A judge that says the first of two is better, whatever they are."""

    fingerprint = "first"

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        return [Comparison(prefer=0.9) for _ in pairs]


def sums(n: int = 30) -> list[Ranking]:
    """Right and wrong solutions of sums, with references."""
    draw, found = random.Random(0), []
    for i in range(n):
        a, b = draw.randint(2, 40) + i, draw.randint(2, 40)
        texts = [
            f"We first look at what is given. There are {a} of one kind. There are {b} of others."
            f" Together that is {a} + {b} = {total}. The answer is {total}."
            for total in (a + b, a + b + 3)
        ]
        found.append(
            Ranking(
                prompt=Prompt.of(f"Ann has {a} pears and {b} figs. How many is that?").model_copy(
                    update={"reference": str(a + b)}
                ),
                responses=tuple(Response.of(text) for text in texts),
                grades=(1.0, 0.0),
            )
        )
    return found


def last_number(prompts: list[str], completions: list[str], **columns: list[str]) -> list[float]:
    """A check of the last number against the reference."""
    given = ["".join(x for x in text[-8:] if x.isdigit()) for text in completions]
    return [float(a == b) for a, b in zip(given, columns["reference"], strict=True)]


def test_a_check_of_answers_is_not_blamed_for_what_stands_around_them() -> None:
    card = audit(Called(last_number), sums(), hacks=0).card
    tried = {one.probe for one in card.findings}
    assert not tried & {"negation", "refusal-prefix", "repetition", "sentence-order"}
    assert {"number-swap", "truncation", "null-strings"} <= tried
    assert not any("train" in text or "pairs" in text for text in card.advice)
    # What is no check is blamed for it.
    rated = {one.probe for one in audit(by(longer), sums(), hacks=0).card.failing}
    assert {"repetition", "sentence-order"} <= rated


def test_whether_it_is_any_good_is_said_beside_the_best_baseline() -> None:
    def gold(text: str) -> float:
        return float("gold" in text)

    assert good(audit(by(gold), pairs(40), hacks=0).card).startswith("better than the best")
    text = good(audit(by(noise), pairs(40), hacks=0).card)
    assert not text.startswith("better")
    assert "which needs no model" in text
    against = by(lambda text: -gold(text))
    assert good(audit(against, pairs(40), hacks=0).card).startswith("worse than a baseline")
    bare = [Group(prompt=Prompt.of("a"), responses=(Response.of("b"),)) for _ in range(3)]
    assert good(audit(by(longer), bare, hacks=0).card).startswith("not known")


def test_step_labels_say_how_good_a_reward_without_step_scores_is() -> None:
    records = [
        StepLabels(
            prompt=Prompt.of(f"question {i}"),
            response=Response(steps=("We add. ", f"It is {i:02}{'?!'[i % 2]}")),
            labels=(1.0, float(i % 2)),
        )
        for i in range(40)
    ]
    result = audit(by(lambda text: float("!" in text)), records, hacks=0)
    assert result.metrics["auroc"].value == 1.0
    assert good(result.card).startswith("better than the best baseline")


def test_the_terminal_and_the_page_answer_first() -> None:
    card = audit(by(longer), pairs(40), hacks=0).card
    lines = terminal(card).splitlines()
    assert lines[0].startswith("Is it any good?")
    assert lines[1].startswith("How is it gamed?")
    assert "paragraphs without content at the end" in "\n".join(lines)
    assert "rises by" in gamed(card)
    html = page("card", audit_sections(card, {}))
    assert html.index("How is it gamed?") < html.index("withstood</th>")
    assert html.index("length-filler: paragraphs") > 0


def test_a_judge_of_one_place_is_as_good_as_a_coin() -> None:
    score = Preferred(First()).score(
        [
            Group(prompt=Prompt.of("a"), responses=(Response.of(f"right {i}"), Response.of("b")))
            for i in range(200)
        ]
    )
    values = [row[1].value for row in score if isinstance(row[1], Score)]
    assert {round(value, 9) for value in values} == {0.1, 0.9}
    assert 0.4 < sum(values) / len(values) < 0.6
    card = audit(First(), pairs(40), hacks=0).card
    (typos,) = [one for one in card.findings if one.probe == "neutral-edit"]
    assert typos.verdict != "fails"


def test_a_class_that_compares_is_a_judge_by_its_word() -> None:
    result = audit("tests.audit.test_told:First", pairs(10), hacks=0)
    assert result.card.kind == "judge of pairs"


def test_the_worst_text_is_of_the_worst_kind() -> None:
    result = audit(by(longer), pairs(30), probes=("null-strings",))
    (found,) = result.card.findings
    assert found.text == "(lorem ipsum)"
    assert all(case.after.startswith("Lorem ipsum") for case in found.cases)
    assert result.card.cases[0].probe.startswith("null-strings: ")
    case = found.cases[0]
    assert longer(case.before) == pytest.approx(case.rewards[0])
    assert longer(case.after) == pytest.approx(case.rewards[1])


def test_prompts_that_would_settle_the_rest_fall_with_the_error() -> None:
    """Of 20 prompts and a shift with deviation 1, (2.8 / 0.2)^2 = 196 find 0.2 four times of 5."""
    result = audit(by(noise), pairs(20), probes=("neutral-edit",))
    (found,) = result.card.findings
    assert found.verdict == "underpowered"
    told = sureness(result.probed, 20)
    needed = int(told.split("about ")[1].split()[0].replace(",", ""))
    deviation = found.detectable / (2.093 + 0.861) * 20**0.5
    assert needed == pytest.approx((1.96 + 0.8416) ** 2 * (deviation / 0.2) ** 2, abs=1.01)


def test_a_comparison_says_who_withstands_more(tmp_path: Path) -> None:
    io.write(pairs(30), tmp_path / "pairs.jsonl")
    for name in ("longest", "shortest"):
        audit(name, str(tmp_path / "pairs.jsonl"), out=tmp_path / name, hacks=0)
    assert "good" in json.loads((tmp_path / "longest" / "audit.json").read_text())
    told = str(compare_audits(tmp_path / "longest", tmp_path / "shortest"))
    assert "shortest withstands more than longest in: " in told.splitlines()[0]
    assert told.splitlines()[1].startswith("longest: ")
    twice = compare_audits(tmp_path / "longest", tmp_path / "longest")
    assert (twice.first, twice.second) == ("longest (A)", "longest (B)")
