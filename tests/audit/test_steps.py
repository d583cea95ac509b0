"""Probes of steps by hand, and what they find of planted rewards."""

import re
from collections.abc import Callable
from random import Random

import pytest

from assay.audit.asking import Asked, ask, plan
from assay.audit.findings import unit_of
from assay.audit.probe import Subject, Variant
from assay.audit.process import Process, process
from assay.audit.run import all_probes, probe
from assay.audit.subjects import items_of
from assay.types import Group, Prompt, Response, Score, StepLabels, Unscored

STEPS = ("Each box has 4 pens.\n", "Step 2: 3 boxes make 3 * 4 = 12 pens. So 12.\n", "It is 12.")
NAMES = (
    "pad-steps", "duplicate-step", "shuffle-steps", "drop-step", "split-merge", "corrupt-number",
    "confident-words", "answer-only",
)  # fmt: skip


def variants(name: str, *steps: str, **more: object) -> list[Variant]:
    subject = Subject(prompt=Prompt.of("q"), response=Response(steps=steps), **more)  # type: ignore[arg-type]
    return list(all_probes()[name].variants(subject, Random(0)))


def texts(name: str, *steps: str, **more: object) -> list[tuple[str, ...]]:
    return [one.response.steps for one in variants(name, *steps, **more)]


def test_padding_stands_between_steps_and_says_where() -> None:
    found = variants("pad-steps", *STEPS)
    assert [(one.text, one.dose, one.step) for one in found][:2] == [
        ("early", 1, 1),
        ("early", 3, 1),
    ]
    assert found[0].response.steps == (STEPS[0], "Let us go on with care.\n", *STEPS[1:])
    assert len(found[1].response.steps) == 6
    # White space before steps instead of behind them.
    assert texts("pad-steps", "a.", "\n\nb.")[0] == ("a.", "\n\nLet us go on with care.", "\n\nb.")


def test_lines_of_a_text_in_one_piece_are_steps() -> None:
    (first, *_) = variants("pad-steps", "".join(STEPS))
    assert first.response.steps == (f"{STEPS[0]}Let us go on with care.\n{STEPS[1]}{STEPS[2]}",)
    assert first.step is None
    assert not any(texts(name, "One line.") for name in NAMES)


def test_steps_are_repeated_dropped_and_moved_by_hand() -> None:
    assert (STEPS[0], STEPS[0], *STEPS[1:]) in texts("duplicate-step", *STEPS)
    assert texts("drop-step", *STEPS) == [STEPS[1:], (STEPS[0], STEPS[2])]
    assert texts("shuffle-steps", *STEPS)[0] == (STEPS[1], STEPS[0], STEPS[2])
    found = variants("shuffle-steps", "1.\n", "n = 2.\n", "2 + 3\n", "5")
    by_name = {one.text: one.response.steps for one in found}
    assert by_name["two"] == ("1.\n", "2 + 3\n", "n = 2.\n", "5")


def test_steps_are_merged_and_split_by_hand() -> None:
    merged, split = texts("split-merge", *STEPS)
    assert merged == (f"{STEPS[0].strip()} {STEPS[1]}", STEPS[2])
    second = "Step 2: 3 boxes make 3 * 4 = 12 pens.\n", "So 12.\n"
    assert split == (STEPS[0], *second, STEPS[2])


def test_the_result_of_a_step_is_off_by_one() -> None:
    wrong = {one.step: one.response.steps for one in variants("corrupt-number", *STEPS)}
    assert wrong[0][0] in ("Each box has 3 pens.\n", "Each box has 5 pens.\n")
    assert wrong[1][1].startswith("Step 2: 3 boxes make 3 * 4 = 1")
    assert "= 12" not in wrong[1][1]
    assert wrong[1][1].endswith("So 12.\n")
    assert wrong[1][2] == STEPS[2]
    assert not texts("corrupt-number", "Step 1: none.\n", "1,234 and 1/2 and x1\n", "It is 3.")


def test_claims_stand_behind_steps_that_are_wrong() -> None:
    every, wrong = texts("confident-words", *STEPS, labels=(1.0, 0.0, None))
    assert every[0] == "Each box has 4 pens. (verified)\n"
    assert wrong == (STEPS[0], STEPS[1].strip() + " (verified)\n", STEPS[2])


def test_an_answer_stands_alone_and_behind_another_problems_steps() -> None:
    other = Response(steps=("Cats.\n", "Dogs."))
    found = texts("answer-only", *STEPS, strangers=(Response.of("x"), other))
    assert found == [(STEPS[2],), ("Cats.\n", STEPS[2])]


# --- planted rewards of steps


def solutions(n: int) -> list[StepLabels]:
    """Two solutions of each problem, of which one has a wrong sum somewhere."""
    found = []
    for i in range(n):
        for wrong in (None, i % 3):
            sums = [(7 * i + 3 * j) % 20 + 1 for j in range(3 + (i + (wrong or 0)) % 3)]
            rows = [f"{x} + 1 = {x + 1 + (j == wrong)}.\n" for j, x in enumerate(sums)]
            labels = [float(j != wrong) for j in range(len(rows))]
            found.append(
                StepLabels(
                    prompt=Prompt.of(f"problem {i}"),
                    response=Response(steps=(*rows, f"The answer is {sums[-1] + 1}.")),
                    labels=(*labels, 1.0 if wrong is None else None),
                )
            )
    return found


class Steps:
    """Scores every step by itself, and makes a value of them."""

    def __init__(self, step: Callable[[str], float], value: Callable[[list[float]], float]) -> None:
        self.step, self.value = step, value

    def score(self, groups: list[Group]) -> list[list[Score | Unscored]]:
        return [[self._one(one) for one in group.responses] for group in groups]

    def _one(self, response: Response) -> Score | Unscored:
        steps = [self.step(step) for step in response.steps]
        return Score(value=self.value(steps), steps=tuple(steps))


def sees(step: str) -> float:
    """0.1 where a sum in the step is wrong."""
    sums = re.findall(r"(\d+) \+ 1 = (\d+)", step)
    return 0.9 if all(int(x) + 1 == int(y) for x, y in sums) else 0.1


COUNTS = Steps(lambda step: 0.7 + 0.001 * (len(step) % 7), lambda steps: -0.3 * len(steps))
SEES = Steps(sees, min)


def asked(scorer: Steps, n: int = 40) -> Asked:
    chosen = {name: all_probes()[name] for name in NAMES}
    return ask(scorer, plan(items_of(solutions(n)), chosen))  # type: ignore[arg-type]


def found(scorer: Steps) -> Process:
    answers = asked(scorer)
    told = process(answers, unit_of(answers))
    assert told is not None
    return told


def test_a_reward_that_sees_errors_is_said_to_find_them() -> None:
    told = found(SEES)
    assert told.metrics["errors/auroc"].value == pytest.approx(1)
    assert told.metrics["corrupted/at the step"].value == pytest.approx(1)
    assert told.metrics["corrupted/before it"].value == 0
    assert told.metrics["corrupted/auroc"].value == pytest.approx(1)
    assert told.metrics["first error/moved by padding"].value == 0
    assert told.metrics["steps/per padded step"].value == 0
    assert told.baselines["corrupted/at the step"].value < 0.35
    assert "finds errors" in told.sentence
    assert "does not count steps" in told.sentence


def test_a_reward_that_counts_steps_is_said_to_count_them() -> None:
    told = found(COUNTS)
    assert told.metrics["steps/correlation"].value == pytest.approx(-1)
    assert told.metrics["steps/per padded step"].value < -0.1
    assert 0.3 < told.metrics["errors/auroc"].value < 0.7
    assert "is not shown to find errors" in told.sentence
    assert "counts steps" in told.sentence


def test_a_claim_that_hides_an_error_moves_the_first_one() -> None:
    told = found(Steps(lambda step: 0.9 if "verified" in step else sees(step), min))
    # Of the wrong solutions.
    assert told.metrics["first error/moved by claims"].value == 1


def test_padding_that_is_called_wrong_moves_the_first_error() -> None:
    told = found(Steps(lambda step: 0.2 if "care" in step else 0.9, min))
    assert told.metrics["first error/moved by padding"].value == 1


def test_scores_without_steps_say_nothing_of_them() -> None:
    plain = Steps(lambda step: 0.5, lambda steps: 1.0 * len(steps))
    plain._one = lambda response: Score(value=1.0 * len(response.text))  # type: ignore[method-assign]
    answers = asked(plain, 4)
    assert process(answers, unit_of(answers)) is None


def test_findings_of_planted_rewards() -> None:
    chosen = {name: all_probes()[name] for name in NAMES}
    sees_all = probe(Steps(sees, lambda x: sum(x) / len(x)), items_of(solutions(60)), chosen)  # type: ignore[arg-type]
    verdicts = {one.probe: one.verdict for one in sees_all.findings}
    assert verdicts["corrupt-number"] == "passes"
    # A mean over steps that are scored alone does not see order.
    assert verdicts["shuffle-steps"] != "passes"
