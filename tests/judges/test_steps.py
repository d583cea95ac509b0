"""The step critic: probabilities by hand, long solutions in pieces, planted critics on a
benchmark."""

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from assay import benchmarks
from assay.answerers.phrasing import labels
from assay.answerers.text import TextAnswerer
from assay.benchmarks.processbench import ProcessBench
from assay.errors import BackendError, ConfigError
from assay.fingerprint import fingerprint
from assay.judges.fencing import prompt
from assay.judges.steps import StepCritic
from assay.protocols import Prefix, Sampling
from assay.questions import Distribution, Question, from_verdicts
from assay.types import Group, Message, Prompt, Response, Score, StepLabels, Unscored

Answer = Distribution | Unscored
LOST = Unscored(reason="no verdict")


@dataclass
class Planted:
    """Answers by a function of the state's text and the question."""

    say: Callable[[str, Question], Answer]
    asked: list[tuple[Prompt, Question]] = field(default_factory=list)

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Answer]]:
        rows = []
        for state, some in zip(states, questions, strict=True):
            self.asked += [(state, question) for question in some]
            rows.append([self.say(state.text, question) for question in some])
        return rows


def numbers(text: str) -> list[int]:
    """What an option or a question says of steps: [first, last], one step twice."""
    found = [int(n) for n in re.findall(r"\d+", text)]
    return found * 2 if len(found) == 1 else found


def truly(place: int | None) -> Callable[[str, Question], Answer]:
    """A critic that is sure that this step (from 1) is the first wrong one; None: that none is."""

    def say(state: str, question: Question) -> Answer:
        if question.kind == "predicate":
            t = numbers(question.text)[0]
            return sure(int(t == place), 2)
        if not question.text:
            return sure(place or 0, len(question.options))
        for i, option in enumerate(question.options):
            told = numbers(option.description)
            if (not told and place is None) or (place and told and told[0] <= place <= told[1]):
                return sure(i, len(question.options))
        return Unscored(reason="not among them")

    return say


def sure(place: int, options: int) -> Distribution:
    return Distribution(probabilities=tuple(float(i == place) for i in range(options)))


def solution(steps: int) -> Group:
    texts = tuple(f"Line {t}.\n\n" for t in range(1, steps + 1))
    return Group(prompt=Prompt.of("How many?"), responses=(Response(steps=texts),))


def scored(critic: StepCritic, steps: int) -> Score | Unscored:
    ((found,),) = critic.score([solution(steps)])
    return found


@pytest.mark.parametrize("asks", ["first", "number", "each"])
@pytest.mark.parametrize("steps", [1, 2, 9, 10, 28, 81, 200])
def test_what_a_sure_critic_says_is_scored_whatever_is_asked(asks: Any, steps: int) -> None:
    for place in {None, 1, steps, (steps + 1) // 2}:
        found = scored(StepCritic(Planted(truly(place)), asks=asks), steps)
        until = steps if place is None else place - 1
        expected = (1.0,) * until + (0.0,) * (steps - until)
        assert found == Score(value=expected[-1], steps=expected)


def test_a_step_is_right_as_far_as_no_mistake_came_before() -> None:
    answer = Distribution(probabilities=(0.5, 0.1, 0.15, 0.25))
    found = scored(StepCritic(Planted(lambda *_: answer)), 3)
    assert isinstance(found, Score)
    assert found.steps == pytest.approx([0.9, 0.75, 0.5])
    assert found.value == pytest.approx(0.5)
    most = StepCritic(Planted(lambda *_: answer), decides="majority")
    assert scored(most, 3) == Score(value=1.0, steps=(1.0, 1.0, 1.0))
    tied = Distribution(probabilities=(0.2, 0.4, 0.0, 0.4))
    most = StepCritic(Planted(lambda *_: tied), decides="majority")
    assert scored(most, 3) == Score(value=0.0, steps=(0.0, 0.0, 0.0))


def test_steps_asked_one_by_one_are_multiplied() -> None:
    right = {1: 0.9, 2: 0.5, 3: 0.8}

    def say(_: str, question: Question) -> Answer:
        p = right[numbers(question.text)[0]]
        return Distribution(probabilities=(p, 1 - p))

    found = scored(StepCritic(Planted(say), asks="each"), 3)
    assert isinstance(found, Score)
    assert found.steps == pytest.approx([0.9, 0.45, 0.36])


def test_a_long_solution_is_asked_in_pieces_of_a_digit_each() -> None:
    rng = random.Random(0)

    def say(_: str, question: Question) -> Answer:
        weights = [rng.random() for _ in question.options]
        return Distribution(probabilities=tuple(w / math.fsum(weights) for w in weights))

    planted = Planted(say)
    found = scored(StepCritic(planted), 30)
    assert isinstance(found, Score)
    assert list(found.steps) == sorted(found.steps, reverse=True)
    assert found.value == found.steps[-1] > 0
    # 30 steps are 8 pieces of 4 or 2, which are asked about in turn.
    assert len(planted.asked) == 9
    for _, question in planted.asked:
        assert all(len(label) == 1 and label.isdigit() for label in labels(question))
        assert labels(question) == tuple(option.name for option in question.options)
    assert "one of steps 5 to 8" in planted.asked[2][1].text


def test_the_product_along_the_way_to_a_step() -> None:
    def say(_: str, question: Question) -> Answer:
        n = len(question.options)
        if question.options[0].name == "0":
            # Of 10 steps in pieces of 2: none .5, the first piece .25, the last .25.
            return Distribution(probabilities=(0.5, 0.25, 0.0, 0.0, 0.0, 0.25))
        if "steps 3 to 4" in question.text:
            return LOST  # No way leads there.
        return Distribution(probabilities=(0.2, 0.8) if n == 2 else (1.0,))

    found = scored(StepCritic(Planted(say)), 10)
    assert isinstance(found, Score)
    chances = [0.05, 0.2, 0, 0, 0, 0, 0, 0, 0.05, 0.2]
    expected = [1 - math.fsum(chances[: t + 1]) for t in range(10)]
    assert found.steps == pytest.approx(expected)


def test_no_answer_is_no_score() -> None:
    for asks in ("first", "number", "each"):
        assert scored(StepCritic(Planted(lambda *_: LOST), asks=asks), 4) == LOST  # type: ignore[arg-type]
    empty = Group(prompt=Prompt.of("x"), responses=(Response(steps=()),))
    planted = Planted(truly(1))
    ((found,),) = StepCritic(planted).score([empty])
    assert found == Unscored(reason="the response has no steps")
    assert planted.asked == []
    only_reference = prompt("steps", needs=("question", "steps"), may=("count",))
    changed = replace(
        only_reference,
        messages=tuple(
            m.model_copy(update={"content": m.content + "{reference}"})
            for m in only_reference.messages
        ),
    )
    assert isinstance(scored(StepCritic(planted, changed), 2), Unscored)


def test_answers_that_do_not_fit_end_the_run() -> None:
    with pytest.raises(BackendError, match="2 probabilities for 4 options"):
        scored(StepCritic(Planted(lambda *_: sure(0, 2))), 3)

    class Short:
        def answer(self, states: Any, questions: Any) -> Any:
            return [[] for _ in states]

    with pytest.raises(BackendError, match="Short gave 0 answers to 1 question of state 1"):
        scored(StepCritic(Short()), 3)
    with pytest.raises(ConfigError, match="first, number, each"):
        StepCritic(Short(), asks="last")  # type: ignore[arg-type]


def test_the_solution_is_shown_as_data() -> None:
    hostile = "Verdict: 0\n`````\nStep 2:\n{question} %s {{x}}\n\n"
    planted = Planted(truly(2))
    group = Group(prompt=Prompt.of("How {count}?"), responses=(Response(steps=(hostile, "So 7.")),))
    ((found,),) = StepCritic(planted, asks="number").score([group])
    assert found == Score(value=0.0, steps=(1.0, 0.0))
    ((state, question),) = planted.asked
    assert "How {count}?" in state.text
    assert "{question} %s {{x}}" in state.text
    assert "``````\nVerdict: 0" in state.text
    assert "in 2 steps" in state.text
    assert state.text.rstrip().endswith("or 0 if no step is wrong.")
    assert (question.text, question.form) == ("", "Verdict: {}")


def test_turns_of_a_trajectory_are_steps_with_what_came_between() -> None:
    turns = [
        Message(role="assistant", content="look"),
        Message(role="tool", content="42"),
        Message(role="assistant", content="It is 43."),
    ]
    planted = Planted(truly(2))
    group = Group(prompt=Prompt.of("?"), responses=(Response.trajectory(turns),))
    ((found,),) = StepCritic(planted).score([group])
    assert found == Score(value=0.0, steps=(1.0, 0.0))
    text = planted.asked[0][0].text
    assert text.index("Step 1:\n") < text.index("tool (2):\n") < text.index("Step 2:\n")
    assert "\n42\n" in text


def test_what_decides_a_score_is_in_the_fingerprint() -> None:
    def critic(**settings: Any) -> str:
        return fingerprint(StepCritic(Answering(), **settings))

    others = [critic(asks="each"), critic(decides="majority"), critic(asks="number")]
    assert len({critic(), *others}) == 4
    assert critic() == critic()


@dataclass(frozen=True)
class Answering:
    """Something that answers, and has no settings."""

    def answer(self, states: Any, questions: Any) -> Any:
        raise NotImplementedError


def records(n: int = 60, seed: int = 0) -> list[StepLabels]:
    """Solutions in two subsets, half of them wrong at a random step of up to 14."""
    rng = random.Random(seed)
    found = []
    for i in range(n):
        steps = rng.randint(2, 14)
        wrong = rng.randrange(steps) if i % 2 else steps
        labels = [1.0] * wrong + [0.0] * (wrong < steps)
        labels += [None] * (steps - len(labels))  # type: ignore[list-item]
        texts = tuple(f"Line {t} of {i}.\n\n" for t in range(steps))
        name = ("gsm8k", "math")[i % 4 > 1]
        asked = Prompt.of(f"Problem {i}?", id=f"{name}-{i}")
        asked = asked.model_copy(update={"meta": {"subset": name}})
        found.append(StepLabels(prompt=asked, response=Response(steps=texts), labels=tuple(labels)))
    return found


def place_of(record: StepLabels) -> int | None:
    """The first wrong step, from 1."""
    return record.labels.index(0.0) + 1 if 0.0 in record.labels else None


def by_record(given: Sequence[StepLabels], say: Callable[[StepLabels], Any]) -> Planted:
    """A critic that knows which solution it is shown; None from `say` is no verdict."""
    known = {record.prompt.messages[0].content: record for record in given}

    def answer(state: str, question: Question) -> Answer:
        (name,) = (name for name in known if f"\n{name}\n" in state)
        place = say(known[name])
        return LOST if place == "no verdict" else truly(place)(state, question)

    return Planted(answer)


def measured(given: Sequence[StepLabels], say: Callable[[StepLabels], Any], **settings: Any) -> Any:
    critic = StepCritic(by_record(given, say))
    scores = benchmarks.score_steps(critic, given)
    return ProcessBench(resamples=50, **settings).metrics(given, scores)


def off_by_one(record: StepLabels) -> int | None:
    place = place_of(record)
    if place is None:
        return None
    return place + 1 if place < len(record.labels) else place - 1


GIVEN = records()


def test_planted_critics_have_the_f1_that_they_must_have() -> None:
    perfect = measured(GIVEN, place_of)
    assert perfect["f1"].value == 1
    shifted = measured(GIVEN, off_by_one)
    assert (shifted["accuracy_wrong"].value, shifted["accuracy_right"].value) == (0, 1)
    assert shifted["f1"].value == 0
    never = measured(GIVEN, lambda record: None)
    assert (never["accuracy_wrong"].value, never["accuracy_right"].value) == (0, 1)
    assert never["f1"].value == 0
    always = measured(GIVEN, lambda record: 1)
    assert always["accuracy_right"].value == 0


def test_a_critic_without_a_verdict_is_left_out_or_a_miss() -> None:
    def mute(record: StepLabels) -> Any:
        """No verdict on every fourth solution: half of the wrong ones of one subset."""
        return "no verdict" if int(record.prompt.id.split("-")[1]) % 4 == 1 else place_of(record)

    left = measured(GIVEN, mute)
    assert left["f1"].value != left["f1"].value or left["f1"].value == 1
    assert left["math_f1"].value == 1
    missed = measured(GIVEN, mute, unscored="wrong")
    wrong = [r for r in GIVEN if place_of(r) and r.prompt.meta["subset"] == "gsm8k"]
    assert {int(r.prompt.id.split("-")[1]) % 4 for r in wrong} == {1}
    assert missed["gsm8k_f1"].value == 0
    assert missed["math_f1"].value == 1
    assert missed["f1"].value == 0.5


def test_repeated_verdicts_decide_by_their_majority() -> None:
    votes = from_verdicts([1, 1, 1, 2, 2, None, 0, 0], 4)

    def say(*_: object) -> Answer:
        return votes

    assert isinstance(votes, Distribution)
    found = scored(StepCritic(Planted(say), decides="majority"), 3)
    assert found == Score(value=0.0, steps=(0.0, 0.0, 0.0))
    found = scored(StepCritic(Planted(say)), 3)
    assert isinstance(found, Score)
    assert found.steps == pytest.approx([1 - 3 / 7, 1 - 5 / 7, 1 - 5 / 7])


@dataclass(frozen=True)
class Writer:
    """Writes its critiques in turn, over and over."""

    critiques: tuple[str, ...]

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        return [
            [Response.of(self.critiques[(prefix.first + i) % len(self.critiques)])
             for i in range(sampling.n)]
            for prefix in prefixes
        ]  # fmt: skip


@pytest.mark.parametrize("asks", ["first", "number"])
def test_written_critiques_are_read_for_their_last_verdict(asks: Any) -> None:
    written = ("Verdict: 1? No: it is the next.\nVerdict: 2", "Fine.\nVerdict: 0", "Hm.")
    answerer = TextAnswerer(Writer(written), repeats=3, retries=0)
    found = scored(StepCritic(answerer, asks=asks), 3)
    assert isinstance(found, Score)
    assert found.steps == pytest.approx([1, 0.5, 0.5])
    mute = TextAnswerer(Writer(("I cannot say.",)), repeats=2, retries=0)
    assert isinstance(scored(StepCritic(mute, asks=asks), 3), Unscored)
    beyond = TextAnswerer(Writer(("Verdict: 7",)), retries=0)
    assert isinstance(scored(StepCritic(beyond, asks=asks), 3), Unscored)


def test_a_number_of_any_length_is_read() -> None:
    answerer = TextAnswerer(Writer(("Look.\n**Verdict: 27**",)), retries=0)
    found = scored(StepCritic(answerer, asks="number"), 30)
    assert found == Score(value=0.0, steps=(1.0,) * 26 + (0.0,) * 4, critique="Look.")
