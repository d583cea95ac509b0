"""Records become tasks that show no label, name or reference, and give all of it back."""

import json
from pathlib import Path

import pytest

from assay.annotate.imports import by_texts, first_cut, questions_of, shown_again, tasks_of
from assay.annotate.labels import Pair, Questions, Ranks, Steps
from assay.annotate.tasks import Task
from assay.data import io
from assay.data.decisions import decisions
from assay.data.formats.prm800k import Prm800k
from assay.data.records import prompt_of, responses_of
from assay.data.rubrics import Rubric, rubric_from
from assay.data.rubrics.layouts import stored
from assay.errors import DataError
from assay.questions import Question
from assay.types import (
    Group,
    Preference,
    Prompt,
    Ranking,
    Response,
    RolloutLabels,
    Score,
    StepLabels,
    Unscored,
)

SECRET = "gpt-9-turbo"
PROMPT = Prompt.of("2+2?", reference=SECRET, id=SECRET).model_copy(update={"meta": {"by": SECRET}})


def said(text: str) -> Response:
    return Response(steps=(text,), meta={"generator": SECRET}, stop=SECRET, rewards=(0.123456,))


A, B, C = (said(text) for text in ("It is 4.", "It is 5.", "No idea."))


def pool(n: int) -> Group:
    return Group(prompt=PROMPT, responses=tuple(said(f"It is {i}.") for i in range(n)))


@pytest.mark.parametrize(
    ("record", "kind", "count"),
    [
        (Preference(prompt=PROMPT, responses=(A, B), prefer=0.7, margin=1.5), "pair", 1),
        (pool(2), "pair", 1),
        (Ranking(prompt=PROMPT, responses=(A, B, C), grades=(1, 0, 0.5)), "ranking", 1),
        (pool(9), "ranking", 1),
        (pool(11), "pair", 5),
        (pool(1), "steps", 1),
        (StepLabels.outcome(PROMPT, A, 1.0), "steps", 1),
    ],
)
def test_the_kind_goes_by_the_record_and_nothing_secret_is_shown(
    record: Group | StepLabels, kind: str, count: int
) -> None:
    tasks = tasks_of(record)
    assert [task.kind for task in tasks] == [kind] * count
    for task in tasks:
        shown = task.model_dump_json(exclude={"hidden"})
        assert SECRET not in shown
        assert "0.123456" not in shown
        assert task.gold is None
        prompt, responses = shown_again(Task.model_validate_json(task.model_dump_json()))
        assert prompt == PROMPT
        assert all(response.meta == {"generator": SECRET} for response in responses)
        assert all(response.rewards == (0.123456,) for response in responses)


def test_pairs_of_a_large_pool_are_disjoint_and_drawn_with_a_known_probability() -> None:
    drawn: dict[tuple[int, ...], int] = {}
    for seed in range(600):
        tasks = tasks_of(pool(10), kind="pair", seed=seed)
        places = [place for task in tasks for place in task.hidden["places"]]
        assert len(places) == len({*places}) == 10
        assert {task.probability for task in tasks} == {5 / 45}
        for task in tasks:
            pair = tuple(task.hidden["places"])
            drawn[pair] = drawn.get(pair, 0) + 1
    # 45 pairs, each expected 600/9 times; six standard errors.
    assert len(drawn) == 45
    assert all(
        abs(count - 600 / 9) < 6 * (600 * (1 / 9) * (8 / 9)) ** 0.5 for count in drawn.values()
    )


def test_what_is_known_is_gold_only_when_asked() -> None:
    preference = Preference(prompt=PROMPT, responses=(A, B), prefer=0.0)
    assert tasks_of(preference)[0].gold is None
    assert tasks_of(preference, gold=True)[0].gold == Pair(choice="second")
    ranking = Ranking(prompt=PROMPT, responses=(A, B, C), grades=(1, 0, 1))
    assert tasks_of(ranking, gold=True)[0].gold == Ranks(ranks=(1, 3, 1))
    two = Ranking(prompt=PROMPT, responses=(A, B), grades=(1, 1))
    assert tasks_of(two, gold=True)[0].gold == Pair(choice="tie")
    steps = StepLabels(
        prompt=PROMPT, response=Response(steps=("a\n", "b\n", "c\n", "d")), labels=(1, 0.5, 0, None)
    )
    assert tasks_of(steps, gold=True)[0].gold == Steps(marks=(1, 0, -1, None))
    checks = Prompt.of("Say 4").model_copy(update={"meta": {"attention": True}})
    check = Preference(prompt=checks, responses=(A, B), prefer=1.0)
    assert tasks_of(check, gold=True)[0].attention
    with pytest.raises(DataError, match="has no label of kind pair"):
        tasks_of(pool(2), gold=True)


def test_a_solution_is_cut_by_the_first_rule_that_finds_steps_and_to_the_letter() -> None:
    assert first_cut("a\nb\n\nc") == ("a\nb\n\n", "c")
    assert first_cut("a\nb") == ("a\n", "b")
    assert first_cut("It is 3.5. So 7.") == ("It is 3.5. ", "So 7.")
    assert first_cut("seven") == ("seven",)
    [task] = tasks_of(Group(prompt=PROMPT, responses=(Response.of("a\n\nb"),)))
    assert task.responses[0].steps == ("a\n\n", "b")
    [task] = tasks_of(
        Group(prompt=PROMPT, responses=(Response.of("a b"),)), split=lambda text: tuple(text)
    )
    assert task.steps == 3


def test_rollouts_stand_beside_the_steps_of_the_same_texts() -> None:
    solution = Response(steps=("a\n", "b\n", "c"))
    record = RolloutLabels(
        prompt=Prompt.of("2+2?"), response=solution, labels=(0.75, 0.0, None), right=(3, 0, 0),
        rollouts=(4, 4, 0), intervals=((0.3, 0.95), (0.0, 0.5), (0.0, 1.0)),
    )  # fmt: skip
    rollouts = by_texts([record])
    for plain in (record.plain(), Group(prompt=PROMPT, responses=(Response.of("a\nb\nc"),))):
        [task] = tasks_of(plain, rollouts=rollouts)
        first, second, third = task.evidence
        assert first
        assert second
        assert (first.value, first.interval, first.source) == (0.75, (0.3, 0.95), "rollouts")
        assert (second.value, third) == (0.0, None)
        assert task.hidden["rollouts"] == {"right": (3, 0, 0), "total": (4, 4, 0)}
    other = StepLabels.outcome(PROMPT, Response(steps=("a\n", "b\nc")), 1.0)
    [task] = tasks_of(other, rollouts=rollouts)
    assert task.evidence == ()
    assert "rollouts" not in task.hidden
    two = Group(prompt=PROMPT, responses=(solution, Response(steps=("x\n", "y"))))
    known, unknown = tasks_of(two, kind="steps", rollouts=rollouts)
    assert (len(known.evidence), len(unknown.evidence)) == (3, 0)


def test_a_rubrics_criteria_are_asked_of_each_response() -> None:
    rubric = rubric_from(
        [{"criterion": "Is right", "points": 5}, {"criterion": "Rude", "points": -1}]
    )
    own = PROMPT.model_copy(update={"meta": {"rubric": stored(rubric)}})
    tasks = tasks_of(Group(prompt=own, responses=(A, B)))
    assert [task.kind for task in tasks] == ["questions", "questions"]
    assert [len(task.responses) for task in tasks] == [1, 1]
    assert [question.kind for question in tasks[0].questions] == ["predicate", "predicate"]
    assert tasks[0].questions[0].text == "Is this met? Is right"
    levels = [{"label": "no", "value": 0}, {"label": "half", "value": 0.5},
              {"label": "all", "value": 1}, {"label": "unclear", "value": None}]  # fmt: skip
    graded = Rubric.model_validate({"criteria": [{"id": "a", "text": "Good", "levels": levels}]})
    [question] = questions_of(graded)
    assert (question.kind, question.values) == ("score", (0, 0.5, 1))
    with pytest.raises(DataError, match="has 0 responses"):
        tasks_of(own)
    [pair] = tasks_of(Preference(prompt=own, responses=(A, B), prefer=1.0))
    assert pair.kind == "pair"


def test_typed_questions_and_given_ones() -> None:
    row = {"state": "I am glad", "questions": {"happy": {"type": "noul", "instructions": "Happy?"}},
           "answers": {"happy": "false"}}  # fmt: skip
    [task] = tasks_of(decisions(row))
    assert (task.kind, task.responses, task.gold) == ("questions", (), None)
    [task] = tasks_of(decisions(row), gold=True)
    assert task.gold == Questions(answers=(1,))
    asked = [Question.predicate("Is it polite?")]
    assert len(tasks_of(pool(3), questions=asked)) == 3
    assert tasks_of(Prompt.of("Hello"), questions=asked)[0].responses == ()
    for record in (Prompt.of("Hello"), pool(1)):
        with pytest.raises(DataError, match="--question TEXT"):
            tasks_of(record, kind="questions" if isinstance(record, Group) else "auto")
    with pytest.raises(DataError, match="has 1 responses, and a task of kind pair needs 2"):
        tasks_of(pool(1), kind="pair")


def test_scores_go_along_hidden_by_response_or_by_step() -> None:
    rm: list[Score | Unscored] = [Score(value=1.0), Score(value=0.2), Score(value=0.5)]
    other = [rm[0], Unscored(reason="empty"), rm[2]]
    [task] = tasks_of(pool(3), scores={"rm": rm, "other": other})
    assert task.hidden["scores"] == {"rm": [1.0, 0.2, 0.5]}
    solution = Group(prompt=PROMPT, responses=(Response(steps=("a\n", "b")),))
    prm = [Score(value=0.2, steps=(0.9, 0.2))]
    [task] = tasks_of(solution, scores={"prm": prm})
    assert task.hidden["scores"] == {"prm": [0.9, 0.2]}
    [task] = tasks_of(solution, scores={"prm": prm, "rm": [Score(value=3.0)]})
    assert task.hidden["scores"] == {"prm": [0.2], "rm": [3.0]}


def test_whether_answers_are_right_goes_along_hidden() -> None:
    graded = Ranking(prompt=PROMPT, responses=(A, B, C), grades=(1, 0, 1))
    assert tasks_of(graded)[0].hidden["right"] == [True, False, True]
    assert [task.hidden["right"] for task in tasks_of(graded, kind="steps")] == [True, False, True]
    assert tasks_of(StepLabels.outcome(PROMPT, A, 0.0))[0].hidden["right"] is False
    steps = StepLabels(prompt=PROMPT, response=Response(steps=("a", "b")), labels=(1, 0))
    assert "right" not in tasks_of(steps)[0].hidden


def test_one_look_is_one_task_whatever_the_columns() -> None:
    other = Prompt.of("2+2?", id="another")
    [one], [two] = (tasks_of(Group(prompt=p, responses=(A, B))) for p in (PROMPT, other))
    assert one.id == two.id


def test_prm800k_rows_ask_for_what_they_hold() -> None:
    row = json.loads(
        '{"question": {"problem": "1+1?"}, "label": {"steps": [{"completions": [{"text": "It is 2",'
        ' "rating": 1}], "chosen_completion": 0}, {"completions": [{"text": "So 3", "rating": -1}],'
        ' "chosen_completion": 0}], "finish_reason": "found_error"}}'
    )
    [record] = Prm800k().read(row)
    [task] = tasks_of(record, gold=True, mode="first-error")
    assert task.gold == Steps(marks=(1, -1), complete=True)


GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json*")), ids=lambda path: path.stem)
def test_every_layout_that_is_read_can_be_labelled(path: Path) -> None:
    for record in io.read(path):
        if not responses_of(record):
            with pytest.raises(DataError, match="has 0 responses"):
                tasks_of(record)
            continue
        for task in tasks_of(record):
            prompt, responses = shown_again(Task.model_validate_json(task.model_dump_json()))
            assert prompt == prompt_of(record)
            places = task.hidden.get("places", range(len(responses)))
            whole = [responses_of(record)[place] for place in places]
            # Solutions of one step are cut; all else is as it was.
            assert [one.text for one in responses] == [one.text for one in whole]
            assert [one.model_copy(update={"steps": ()}) for one in responses] == [
                one.model_copy(update={"steps": ()}) for one in whole
            ]
