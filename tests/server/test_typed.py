"""Typed questions over HTTP: OpenAI's and TypeSafe's payloads, and what is refused."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import httpx2
import pytest

from assay.answerers.answered import Answered
from assay.answerers.asking import Server
from assay.answerers.decisions import DecisionAnswerer
from assay.answerers.head import HeadAnswerer
from assay.questions import Distribution, Question, confidence
from assay.scorers.baselines import Longest
from assay.server.dialects import About, Refused
from assay.server.dialects.decisions import DECISIONS
from assay.server.dialects.score import score_json
from assay.server.dialects.systemone import SYSTEM_ONE
from assay.server.dialects.typed import TypedDialect
from assay.specs.scorers import scorer
from assay.types import Group, Message, Prompt, Response, Unscored
from tests.server.answerers import Planted, local, planted
from tests.server.running import post, running
from tests.server.test_operations import served

STATE = "I was charged twice."
ASKED = (
    Question.predicate("Is it about money?"),
    Question.choice("Which?", {"billing": "money", "tech": ""}),
    Question.score("How angry?", ["calm", "angry", "furious"]),
)
OPENAI: list[dict[str, Any]] = [
    {"type": "predicate", "instructions": "Is it about money?"},
    {
        "type": "choice",
        "name": "team",
        "instructions": [{"type": "input_text", "text": "Which?"}],
        "choices": [{"value": "billing", "description": "money"}, {"value": "tech"}],
    },
    {
        "type": "score",
        "name": "mood",
        "instructions": "How angry?",
        "levels": [{"label": "calm"}, {"label": "angry"}, {"label": "furious"}],
    },
]
BY_NAME: dict[str, Any] = {
    "money": {"type": "noul", "instructions": "Is it about money?"},
    "team": {
        "type": "choice",
        "instructions": "Which?",
        "criteria": {"billing": "money", "tech": None},
    },
    "mood": {
        "type": "score",
        "instructions": "How angry?",
        "criteria": ["calm", "angry", "furious"],
    },
}


@pytest.fixture(scope="module")
def two() -> Iterator[str]:
    """A server of a scorer and an answerer of up to 40 options."""
    with running({"rm": Longest()}, answerers={"m": Planted(most=40)}) as url:
        yield url


def openai(*questions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": STATE, "questions": list(questions), **more}


def systemone(**more: Any) -> dict[str, Any]:
    return {"model": "m", "state": STATE, "questions": BY_NAME, **more}


def truth() -> list[Distribution]:
    found = [planted(Prompt.of(STATE), one) for one in ASKED]
    assert all(isinstance(one, Distribution) for one in found)
    return found  # type: ignore[return-value]


def test_openai_is_answered_in_its_words() -> None:
    with running({}, answerers={"m": Planted()}) as url:
        answer = post(f"{url}/v1/decisions", openai(*OPENAI, prompt_cache_key="k")).json()
    money, team, mood = truth()
    assert answer["model"] == "m"
    # The planted answerer does not know its tokens, and 0 is no word for that.
    assert answer["usage"]["input_tokens"] is None
    assert answer["answers"] == [
        {
            "type": "predicate",
            "name": None,
            "probability": money.probabilities[0],
            "x_label_mass": 0.75,
        },
        {
            "type": "choice",
            "name": "team",
            "choice": ("billing", "tech")[team.top],
            "confidence": confidence(team, ASKED[1], "excess"),
            "probabilities": [
                {"value": "billing", "probability": team.probabilities[0]},
                {"value": "tech", "probability": team.probabilities[1]},
            ],
            "x_label_mass": 0.75,
        },
        {
            "type": "score",
            "name": "mood",
            "score": pytest.approx(mood.probabilities[1] + 2 * mood.probabilities[2]),
            "confidence": confidence(mood, ASKED[2], "excess"),
            "probabilities": [
                {"value": i, "label": label, "probability": mood.probabilities[i]}
                for i, label in enumerate(("calm", "angry", "furious"))
            ],
            "x_label_mass": 0.75,
        },
    ]


def test_system_one_is_answered_in_its_words() -> None:
    with running({}, answerers={"m": Planted()}) as url:
        answer = post(f"{url}/v1/systemone", systemone()).json()
    money, team, mood = truth()
    assert answer["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert answer["x_usage"] == "unknown"
    assert answer["answers"] == {
        "money": {"type": "noul", "noul": money.probabilities[0], "x_label_mass": 0.75},
        "team": {
            "type": "choice",
            "choice": ("billing", "tech")[team.top],
            "confidence": confidence(team, ASKED[1], "excess"),
            "probabilities": dict(zip(("billing", "tech"), team.probabilities, strict=True)),
            "x_label_mass": 0.75,
        },
        "mood": {
            "type": "score",
            "score": pytest.approx(mood.probabilities[1] + 2 * mood.probabilities[2]),
            "confidence": confidence(mood, ASKED[2], "excess"),
            "legend": {"0": "calm", "1": "angry", "2": "furious"},
            "probabilities": dict(zip("012", mood.probabilities, strict=True)),
            "x_label_mass": 0.75,
        },
    }


def test_values_of_choices_are_typed() -> None:
    choice = {
        "type": "choice",
        "instructions": "?",
        "choices": [{"value": "true"}, {"value": True}],
    }
    with running({}, answerers={"m": Planted()}) as url:
        (answer,) = post(f"{url}/v1/decisions", openai(choice)).json()["answers"]
    wanted = planted(Prompt.of(STATE), Question.choice("?", ["true", True]))
    assert isinstance(wanted, Distribution)
    assert answer["probabilities"] == [
        {"value": value, "probability": p}
        for value, p in zip(("true", True), wanted.probabilities, strict=True)
    ]
    chosen = ("true", True)[wanted.top]
    assert (type(answer["choice"]), answer["choice"]) == (type(chosen), chosen)


def test_what_has_no_answer_is_refused_and_never_a_number() -> None:
    silent = {"type": "predicate", "name": "s", "instructions": "silent"}
    noul = {"s": {"type": "noul", "instructions": "silent"}}
    with running({}, answerers={"m": Planted()}) as url:
        first, second = post(f"{url}/v1/decisions", openai(OPENAI[0], silent)).json()["answers"]
        other = post(f"{url}/v1/systemone", systemone(questions={**BY_NAME, **noul}))
    assert first["type"] == "predicate"
    assert second == {
        "type": "refusal",
        "name": "s",
        "x_reason": "the model would say something else",
    }
    assert other.status_code == 422
    (detail,) = other.json()["detail"]
    assert "'s': the model would say something else" in detail["msg"]


CHOICE = {"type": "choice", "instructions": "?", "choices": [{"value": str(i)} for i in range(256)]}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (openai(), 400, "questions"),
        (openai(*OPENAI * 134), 400, "questions"),
        (openai(OPENAI[0], temperature=1), 400, "temperature"),
        (openai({**OPENAI[0], "criteria": 1}), 400, "questions[0].criteria"),
        (openai(OPENAI[0], {"type": "noul"}), 400, "questions[1].type"),
        (openai({"type": "predicate"}), 400, "questions[0].instructions"),
        (openai({"type": "predicate", "instructions": " "}), 400, "questions[0].instructions"),
        (openai(CHOICE), 400, "questions[0].choices"),
        (
            openai({**CHOICE, "choices": [{"value": 1}, {"value": "a"}]}),
            400,
            "questions[0].choices[0].value",
        ),
        (openai({**CHOICE, "choices": [{"value": "a"}] * 2}), 400, "questions[0].choices"),
        (openai(OPENAI[0], input=[]), 400, "input"),
        (openai(OPENAI[0], input=[{"type": "image"}]), 400, "input"),
        (
            openai(OPENAI[0], input=[{"type": "function_call_output", "call_id": "x"}]),
            400,
            "input[0].call_id",
        ),
        (openai(OPENAI[0], model="other"), 404, "model"),
        (openai(OPENAI[0], model="rm"), 404, "model"),
        (openai({**CHOICE, "choices": CHOICE["choices"][:50]}), 422, "questions"),
    ],
)
def test_a_bad_request_names_the_field(two: str, body: Any, status: int, field: str) -> None:
    answer = post(f"{two}/v1/decisions", body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["param"] == field
    assert error["type"] == "invalid_request_error"


def test_system_one_names_the_field_in_its_own_shape() -> None:
    bad = {"mood": {"type": "score", "instructions": "?", "criteria": ["a"] * 11}}
    image = {"a": {"type": "box", "instructions": "where?"}}
    typo = {"a": {"type": "noul", "instructions": "?", "criterai": None}}
    with running({}, answerers={"m": Planted()}) as url:
        levels = post(f"{url}/v1/systemone", systemone(questions=bad))
        boxes = post(f"{url}/v1/systemone", systemone(questions=image))
        typos = post(f"{url}/v1/systemone", systemone(questions=typo))
        other = post(f"{url}/v1/systemone", systemone(model="other"))
    assert levels.status_code == 422
    assert levels.json()["detail"][0]["loc"] == ["body", "questions.mood.criteria"]
    assert boxes.json()["detail"][0]["loc"] == ["body", "questions.a.type"]
    assert typos.json()["detail"][0]["loc"] == ["body", "questions.a.criterai"]
    assert other.status_code == 404
    assert other.json()["detail"]["error_type"] == "not_found_error"


def test_scores_and_questions_are_asked_of_who_answers_them(two: str) -> None:
    scored = {"prompt": "q", "responses": ["ab"]}
    # Each path has one that it can ask, so no name is needed.
    score = post(f"{two}/v1/score", scored)
    answer = post(f"{two}/v1/systemone", systemone(model="jev-latest"))
    wrong = post(f"{two}/v1/score", {**scored, "model": "m"})
    path = post(f"{two}/models/m/v1/decisions", {**openai(OPENAI[0]), "model": "gpt-6-luna"})
    assert score.json()["model"] == "rm"
    assert answer.json()["model"] == "m"
    assert wrong.status_code == 404
    assert "answers typed questions" in wrong.json()["error"]["message"]
    assert path.json()["model"] == "m"


def test_one_request_takes_no_other_down_and_states_go_together() -> None:
    model = Planted(most=40)
    wide = {**CHOICE, "choices": CHOICE["choices"][:50]}
    bodies = [openai(OPENAI[0], input=f"state {i % 3}") for i in range(12)] + [openai(wide)]
    with running({}, answerers={"m": model}, wait_s=0.3) as url, ThreadPoolExecutor(13) as pool:
        answers = list(pool.map(lambda body: post(f"{url}/v1/decisions", body), bodies))
    assert [answer.status_code for answer in answers] == [200] * 12 + [422]
    assert "40 are the most" in answers[-1].json()["error"]["message"]
    for i, answer in enumerate(answers[:12]):
        wanted = planted(Prompt.of(f"state {i % 3}"), ASKED[0])
        assert isinstance(wanted, Distribution)
        assert answer.json()["answers"][0]["probability"] == wanted.probabilities[0]


def test_a_conversation_that_ends_with_a_tool_is_shown_as_a_text() -> None:
    model = Planted()
    items = [
        {"type": "message", "role": "system", "content": "Be strict."},
        {"type": "message", "role": "user", "content": [{"type": "input_json", "data": {"a": 1}}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "42"},
    ]
    with running({}, answerers={"m": model}) as url:
        assert post(f"{url}/v1/decisions", openai(OPENAI[0], input=items)).status_code == 200
        picture = [{"type": "input_image", "image_url": "data:x"}]
        turn = [{"type": "message", "role": "user", "content": picture}]
        refused = post(f"{url}/v1/decisions", openai(OPENAI[0], input=turn))
    (state,) = model.states
    assert [message.role for message in state.messages] == ["system", "user"]
    assert '"content": "42"' in state.messages[1].content
    assert '{\\"a\\": 1}' in state.messages[1].content
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "input"


def test_a_head_judges_the_last_answer() -> None:
    items = [
        {"type": "message", "role": "user", "content": "q"},
        {"type": "message", "role": "assistant", "content": "good"},
    ]
    head = HeadAnswerer(Longest(), link="sigmoid")
    with running({}, answerers={"m": head}) as url:
        answer = post(f"{url}/v1/decisions", openai(OPENAI[0], input=items)).json()["answers"][0]
        user = post(f"{url}/v1/decisions", openai(OPENAI[0])).json()["answers"][0]
        choice = post(f"{url}/v1/decisions", openai(OPENAI[1], input=items))
    assert answer["probability"] > 0.9
    assert user["type"] == "refusal"
    assert choice.status_code == 422


def test_a_decision_server_is_served_on_with_its_limits_and_reasons() -> None:
    levels = [{"label": f"level {i}"} for i in range(11)]
    wide = {"type": "score", "instructions": "?", "levels": levels}
    with running({}, answerers={"m": Planted()}) as below:
        asks = DecisionAnswerer(Server(base_url=f"{below}/v1", tries=1), "m")
        ten = DecisionAnswerer(Server(base_url=f"{below}/v1", tries=1), "m", "systemone")
        with running({}, answerers={"asks": asks, "ten": ten}) as url:
            silent = {"type": "predicate", "instructions": "silent"}
            body = openai(*OPENAI, silent, model="asks")
            answers = post(f"{url}/v1/decisions", body).json()["answers"]
            refused = post(f"{url}/v1/decisions", openai(wide, model="ten"))
    assert answers[0]["probability"] == truth()[0].probabilities[0]
    assert "the model would say something else" in answers[-1]["x_reason"]
    assert refused.status_code == 422
    assert "11 levels, and 10 are the most" in refused.json()["error"]["message"]


JUNK: list[Any] = [
    None, 1, True, "", "x", [], {}, [1], [[]], [{}], {"a": 1}, {"a": {}}, [{"type": "choice"}],
    [{"type": 1, "role": []}], {"a": {"type": "score", "criteria": [1]}},
    [{"type": "score", "instructions": "?", "levels": [{"label": True}, {"label": "b"}]}],
    [{"type": "predicate", "instructions": [{"type": "input_image", "image_url": "x"}]}],
    [{"type": "message", "role": "user", "content": [{"type": "input_json"}]}],
]  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "body"), [(DECISIONS, openai(*OPENAI)), (SYSTEM_ONE, systemone())]
)
def test_junk_in_any_field_is_refused_or_answered(dialect: TypedDialect, body: Any) -> None:
    about = About(name="m", fingerprint="f", id="1", created=0)
    for field in body:
        for junk in JUNK:
            with suppress(Refused):
                asked = dialect.read({**body, field: junk})
                answers = [Answered(planted(asked.state, one)) for one in asked.questions]
                json.dumps(dialect.write(asked, answers, about), allow_nan=False)


def test_a_judge_is_a_scorer_over_http(tmp_path: Path) -> None:
    own = "tests.specs.answering:Likes"
    rubric = tmp_path / "rubric.json"
    rubric.write_text('{"criteria": [{"id": "a", "text": "It is good.", "points": 2}]}')
    words = {
        "points": f"pointwise:{own},levels=5,sure=1",
        "rubric": f"rubric:{rubric}@{own},sure=1,abstain=no",
    }
    scorers = {name: scorer(word) for name, word in words.items()}
    body = {"prompt": "q", "responses": ["a good answer", "bad"]}
    group = Group(
        prompt=Prompt.of("q"), responses=tuple(Response.of(text) for text in body["responses"])
    )
    with running(scorers) as url:
        for name, judge in scorers.items():
            scores = post(f"{url}/v1/score", {**body, "model": name}).json()["scores"]
            found = zip(judge.score([group])[0], group.responses, strict=True)
            assert scores == [score_json(*pair) for pair in found]
            assert scores[0]["value"] > scores[1]["value"]


def test_a_client_of_the_server_answers_as_what_is_served() -> None:
    # With words that both dialects have: OpenAI's has no meanings of a predicate's answers, and
    # System One's none of levels.
    model = local()
    asked = [*ASKED, Question.choice("Which?", {"billing": "money", "tech": "bugs", "abuse": ""})]
    states = [
        Prompt.of(STATE),
        Prompt(
            messages=(
                Message(role="system", content="Be strict."),
                Message(role="user", content="2 + 2?"),
                Message(role="assistant", content="5"),
                Message(role="user", content="Is it right?"),
            )
        ),
    ]
    wanted = model.answer(states, [asked, asked[:2]])
    (alone,) = model.answer(states[:1], [asked])
    # Both states go together, as they do here: batches of others differ in the last places.
    with running({}, answerers={"tiny": model}, wait_s=0.5) as url:
        where = Server(base_url=f"{url}/v1", tries=1)
        first = DecisionAnswerer(where, "tiny", "openai", floor=0.0)
        client = DecisionAnswerer(where, "tiny", "systemone", floor=0.0)
        same(first.answer(states, [asked, asked[:2]]), wanted)
        same(client.answer(states[:1], [asked]), [alone])
        usage = post(f"{url}/v1/systemone", systemone(model="tiny")).json()
    counts = [one.tokens for one in model.answered(states[:1], [list(ASKED)])[0]]
    assert usage["usage"]["input_tokens"] == sum(count for count in counts if count)
    assert usage["x_usage"] == "summed over questions"


def same(
    found: list[list[Distribution | Unscored]], wanted: list[list[Distribution | Unscored]]
) -> None:
    pairs = zip(chain(*found), chain(*wanted), strict=True)
    for one, other in pairs:
        assert isinstance(one, Distribution)
        assert isinstance(other, Distribution)
        # Normalised twice: a unit in the last place.
        assert one.probabilities == pytest.approx(other.probabilities, rel=0, abs=1e-15)
        assert one.mass == other.mass


def test_the_command_serves_scorers_and_answerers() -> None:
    own = "tests.specs.answering:Likes,sure=0.75"
    with served("longest", "--answerers", f"judge={own}", "--port", "0") as server:
        assert server.stdout is not None
        try:
            first = server.stdout.readline()
            assert first.startswith("serving longest, judge at http://")
            url = first.split(" at ")[1].split(";")[0]
            asked = openai(OPENAI[0], model="judge", input="good")
            answer = post(f"{url}/v1/decisions", asked).json()
            names = [one["name"] for one in httpx2.get(f"{url}/v1/models").json()["models"]]
        finally:
            server.terminate()
        assert server.wait(30) == 0
    assert answer["answers"][0]["probability"] == 0.75
    assert names == ["longest", "judge"]
