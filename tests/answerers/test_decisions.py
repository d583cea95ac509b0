"""Decision servers of every dialect, which also misbehave."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.answerers.asking import Prices, Server
from assay.answerers.decisions import DecisionAnswerer
from assay.answerers.dialects.table import DIALECTS
from assay.answerers.ledger import Ledger
from assay.errors import BackendError, ConfigError
from assay.protocols import Answerer
from assay.questions import Distribution, Option, Question
from assay.types import Message, Prompt, ToolCall, Unscored
from tests.answerers.fake_decisions import MASS, Payload, belief, serve, shares, yes
from tests.engines.fake_server import Asked, FakeServer, Reply, Script, once

TRUE = Question.predicate("Is it right?")
WHICH = Question.choice("Which team?", {"billing": "money", "abuse": "", "tech": "bugs"})
GOOD = Question.score("How good?", ["bad", "fair", "good"])
ALL = [TRUE, WHICH, GOOD]
STATE = Prompt.of("I was charged twice.")


def answerer(server: FakeServer, dialect: str = "openai", **settings: Any) -> DecisionAnswerer:
    where = Server(base_url=server.url, backoff_s=0.001, tries=3, timeout_s=2.0, concurrency=4)
    return DecisionAnswerer(where, "m", dialect, **settings)


def ask(
    script: Script, questions: list[Question], dialect: str = "openai", **settings: Any
) -> tuple[list[Distribution | Unscored], list[Asked]]:
    with FakeServer(script) as server:
        (found,) = answerer(server, dialect, **settings).answer([STATE], [questions])
    return found, server.asked


def p(found: Distribution | Unscored) -> list[float]:
    assert isinstance(found, Distribution), found
    return list(found.probabilities)


def reason(found: Distribution | Unscored) -> str:
    assert isinstance(found, Unscored)
    return found.reason


def edited(edit: Callable[[list[Any]], None], dialect: str = "openai") -> Script:
    """A server that changes its answers before it sends them."""

    def change(_: Asked, payload: Payload) -> Payload:
        edit(payload["answers"])
        return payload

    return serve(dialect, change=change)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_answers_what_its_server_believes(dialect: str) -> None:
    (true, which, good), asked = ask(serve(dialect), ALL, dialect)
    assert p(true) == pytest.approx([yes("Is it right?"), 1 - yes("Is it right?")])
    assert p(which) == pytest.approx(shares(["billing", "abuse", "tech"]))
    assert p(good) == pytest.approx(shares(["bad", "fair", "good"]))
    assert len(asked) == 1
    masses = {one.mass for one in (true, which, good) if isinstance(one, Distribution)}
    assert masses == ({MASS} if DIALECTS[dialect].mass else {None})


def test_it_is_an_answerer_by_content(tmp_path: Path) -> None:
    with FakeServer(serve("openai")) as server:
        one = answerer(server)
        assert isinstance(one, Answerer)
        assert one.fingerprint == answerer(server, ledger=Ledger(tmp_path / "l")).fingerprint
        for other in (
            replace(one, model="n"),
            replace(one, dialect="vllm"),
            replace(one, floor=0.1),
            replace(one, per_request=1),
            replace(one, repeat=1),
            replace(one, extra={"a": 1}),
        ):
            assert other.fingerprint != one.fingerprint


def test_states_keep_their_questions_and_order() -> None:
    texts = [f"state {i}" for i in range(9)]
    each = [[Question.predicate(f"{text}?")] * (i % 3) for i, text in enumerate(texts)]
    with FakeServer(serve("openai")) as server:
        found = answerer(server).answer([Prompt.of(text) for text in texts], each)
    for asked, got in zip(each, found, strict=True):
        assert [p(one)[0] for one in got] == pytest.approx([yes(q.text) for q in asked])


@pytest.mark.parametrize(("limit", "requests"), [(None, 2), (1, 70), (30, 3)])
def test_questions_are_split_to_what_the_server_takes(limit: int | None, requests: int) -> None:
    many = [Question.predicate(f"Is it {i}?") for i in range(70)]
    found, asked = ask(serve("vllm"), many, "vllm", per_request=limit)
    assert [p(one)[0] for one in found] == pytest.approx([yes(q.text) for q in many])
    assert len(asked) == requests
    assert max(len(one.body["questions"]) for one in asked) == min(limit or 64, 64)


@pytest.mark.parametrize(
    ("question", "dialect", "why"),
    [
        (Question.choice("?", [str(i) for i in range(27)]), "vllm", "27 options, and 26"),
        (Question.choice("?", [str(i) for i in range(256)]), "openai", "256 options, and 255"),
        (Question.choice("?", [str(i) for i in range(209)]), "fireworks", "and 208"),
        (Question.score("?", [str(i) for i in range(11)]), "sglang", "11 levels, and 10"),
        (Question.choice("?", ["true", True]), "litellm", "become one"),
        (Question.choice("?", ["false", False]), "systemone", "become one"),
    ],
)
def test_what_a_server_does_not_take_is_refused_before_anything_is_sent(
    question: Question, dialect: str, why: str
) -> None:
    with FakeServer(serve(dialect)) as server, pytest.raises(ConfigError, match=why) as caught:
        answerer(server, dialect).answer([STATE], [[*ALL, question, question]])
    assert "and 1 more" in str(caught.value)
    assert not server.asked


def test_settings_that_cannot_be() -> None:
    where = Server(base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ConfigError, match="did you mean sglang"):
        DecisionAnswerer(where, "m", "sgland")
    with pytest.raises(ConfigError, match="per_request"):
        DecisionAnswerer(where, "m", per_request=0)
    with pytest.raises(ConfigError, match="texts alone"):
        DecisionAnswerer(where, "m", structured=True)
    with pytest.raises(ConfigError, match="model is empty"):
        DecisionAnswerer(where, "")


def test_the_text_true_is_another_option_than_true() -> None:
    typed = Question.choice("?", ["true", True, "no"])
    (found,), _ = ask(serve("openai"), [typed])
    assert belief("true") != belief(True)
    assert p(found) == pytest.approx(shares(["true", True, "no"]))
    (plain,), _ = ask(serve("systemone"), [Question.choice("?", [True, "no"])], "systemone")
    assert p(plain) == pytest.approx(shares(["true", "no"]))


def test_names_may_repeat_or_be_empty() -> None:
    same = [Question.predicate(f"{i}?", name=name) for i, name in enumerate(["a", "a", ""])]
    for dialect in ("openai", "systemone", "sglang"):
        found, _ = ask(serve(dialect), same, dialect)
        assert [p(one)[0] for one in found] == pytest.approx([yes(q.text) for q in same])


def test_a_question_that_the_state_asks_has_words_on_the_wire() -> None:
    there = Question.choice("", ["A", "B"]).model_copy(update={"form": "[[{}]]"})
    for dialect in ("openai", "systemone", "sglang"):
        (found,), asked = ask(serve(dialect), [there], dialect)
        assert p(found) == pytest.approx(shares(["A", "B"]))
        assert "the text above asks" in json.dumps(asked[0].body)


def test_meanings_of_answers_are_sent() -> None:
    clear = Question.predicate("Is it spam?", true="unasked for", false="a letter")
    for dialect in ("openai", "systemone", "sglang"):
        _, asked = ask(serve(dialect), [clear], dialect)
        assert "unasked for" in json.dumps(asked[0].body["questions"])
        assert "a letter" in json.dumps(asked[0].body["questions"])


# --- one answer that is wrong, beside others that are right


def _set(place: int, **fields: Any) -> Callable[[list[Any]], None]:
    return lambda answers: answers[place].update(fields)


PAIRS = [("billing", 0.5), ("abuse", 0.3), ("tech", 0.2)]


def _choice(pairs: Any) -> Callable[[list[Any]], None]:
    rows = [{"value": value, "probability": x} for value, x in pairs]
    return _set(1, probabilities=rows)


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda answers: answers.pop(1), "no answer"),
        (lambda answers: answers.__setitem__(1, None), "no answer"),
        (lambda answers: answers.__setitem__(1, "tech"), "no object"),
        (lambda answers: answers.__setitem__(1, {"type": "refusal", "name": "q1"}), "refused"),
        (_set(1, type="box"), "type 'box'"),
        (_set(1, type="score"), "type 'score' to a choice"),
        (_set(1, probabilities=None), "no probabilities"),
        (_set(1, probabilities=[0.5, 0.3, 0.2]), "no probabilities"),
        (_choice(PAIRS[:2]), "no probability for 'tech'"),
        (_choice([*PAIRS, ("abuse", 0.1)]), "'abuse' comes twice"),
        (_choice([("billing", 0.5), ("abuse", 0.2), ("tech", 0.2), ("x", 0.1)]), "sum to 0.9"),
        (_choice([("billing", 0.7), ("abuse", 0.3), ("tech", 0.2)]), "sum to 1.2"),
        (_choice([("billing", "0.5"), *PAIRS[1:]]), "not finite"),
        (_choice([("billing", float("nan")), *PAIRS[1:]]), "not finite"),
        (_choice([("billing", True), *PAIRS[1:]]), "not finite"),
        (_choice([("billing", 10**400), *PAIRS[1:]]), "not finite"),
        (_choice([("billing", -0.5), ("abuse", 1.3), ("tech", 0.2)]), "negative"),
        (_choice([(["billing"], 0.5), *PAIRS[1:]]), "no probability for 'billing'"),
        (_set(1, label_mass=0.2), "less than 0.5"),
        (_set(1, label_mass="much"), "no probability"),
    ],
)
def test_an_answer_that_cannot_be_read_leaves_its_question_alone_without_one(
    edit: Callable[[list[Any]], None], why: str
) -> None:
    (true, which, good), asked = ask(edited(edit), ALL)
    assert why in reason(which)
    assert p(true)[0] == pytest.approx(yes("Is it right?"))
    assert p(good) == pytest.approx(shares(["bad", "fair", "good"]))
    assert len(asked) == 1


@pytest.mark.parametrize("said", [None, "high", 1.5, -0.5, float("inf")])
def test_a_predicate_without_a_probability_is_unscored(said: Any) -> None:
    (found,), _ = ask(edited(_set(0, probability=said)), [TRUE])
    assert isinstance(found, Unscored)


LEVELS = [("bad", 0.2), ("fair", 0.3), ("good", 0.5)]


@pytest.mark.parametrize(
    "probabilities",
    [
        {"0": 0.2, "1": 0.3, "2": 0.5},
        [{"value": i, "probability": x} for i, x in ((2, 0.5), (0, 0.2), (1, 0.3))],
        [{"label": label, "probability": x} for label, x in LEVELS],
        {"bad": 0.2, "fair": 0.3, "good": 0.5},
        {"0": 0.2, "1": 0.3, "2": 0.5, "extra": 0.0},
        {"0": 0.21, "1": 0.315, "2": 0.525},
    ],
)
@pytest.mark.parametrize("legend", [None, ["bad", "fair", "good"], {"0": "bad"}])
def test_levels_are_read_however_they_are_keyed(probabilities: Any, legend: Any) -> None:
    edit = _set(0, probabilities=probabilities, legend=legend, confidence=None, x_new=[1])
    (found,), _ = ask(edited(edit), [GOOD])
    assert p(found) == pytest.approx([0.2, 0.3, 0.5])


def test_levels_keyed_by_labels_that_look_like_places_are_not_shifted() -> None:
    stars = Question.score("How good?", ["1", "2", "3"])
    by_label = {"1": 0.2, "2": 0.3, "3": 0.5}
    (found,), _ = ask(edited(_set(0, probabilities=by_label)), [stars])
    assert isinstance(found, Unscored)


def test_answers_without_names_are_taken_by_place_only_where_none_is_missing() -> None:
    def nameless(answers: list[Any]) -> None:
        for answer in answers:
            answer["name"] = None

    found, _ = ask(edited(nameless), ALL)
    assert all(isinstance(one, Distribution) for one in found)

    def fewer(answers: list[Any]) -> None:
        nameless(answers)
        answers.pop(0)

    found, _ = ask(edited(fewer), [WHICH, WHICH, WHICH])
    assert [reason(one) for one in found] == ["the server gave no answer to this question"] * 3


def test_answers_in_another_order_are_taken_by_name() -> None:
    found, _ = ask(edited(lambda answers: answers.reverse()), ALL)
    assert p(found[0])[0] == pytest.approx(yes("Is it right?"))
    assert p(found[2]) == pytest.approx(shares(["bad", "fair", "good"]))


def test_low_mass_is_unscored_and_the_floor_is_a_setting() -> None:
    for dialect in ("sglang", "sglang-systemone", "vllm-systemone"):
        low, _ = ask(serve(dialect, mass=0.3), ALL, dialect)
        assert all("0.3 of the probability" in reason(one) for one in low)
        found, _ = ask(serve(dialect, mass=0.3), ALL, dialect, floor=0.1)
        assert [one.mass for one in found if isinstance(one, Distribution)] == [0.3] * 3


def test_refusing_all_is_an_answer_of_gateways_only() -> None:
    def nothing(_: Asked, payload: Payload) -> Payload:
        return {**payload, "answers": {}}

    found, asked = ask(serve("litellm-systemone", change=nothing), ALL, "litellm-systemone")
    assert all("no answer" in reason(one) for one in found)
    assert len(asked) == 1
    with pytest.raises(BackendError, match=r"no answers, but \{\}"):
        ask(serve("systemone", change=nothing), ALL, "systemone")


# --- servers that fail


BAD = {
    "rate limit": Reply(429, headers={"retry-after-ms": "1"}),
    "error": Reply(500, {"error": {"message": "oops"}}),
    "closed": Reply(broken="closed"),
    "cut": Reply(broken="cut", body={"model": "m", "answers": [{}] * 50}),
    "no JSON": Reply(body=b"{"),
    "another schema": Reply(body={"choices": [{"message": {"content": "yes"}}]}),
    "an error as an answer": Reply(body={"error": {"code": "loading", "message": "wait"}}),
    "answers are a text": Reply(body={"answers": "yes"}),
    "a wrapper around nothing": Reply(body={"result": None, "success": False}),
    "a list": Reply(body=[1, 2]),
}


@pytest.mark.parametrize("reply", BAD.values(), ids=BAD.keys())
def test_what_may_pass_is_asked_again(reply: Reply) -> None:
    good = serve("openai")
    found, asked = ask(lambda q: good(q) if q.same else reply, ALL)
    assert all(isinstance(one, Distribution) for one in found)
    assert len(asked) == 2


def test_too_slow_is_asked_again() -> None:
    good = serve("openai")
    with FakeServer(lambda q: good(q) if q.same else Reply(wait=threading.Event())) as server:
        slow = answerer(server)
        hasty = replace(slow, server=replace(slow.server, timeout_s=0.2))
        ((found,),) = hasty.answer([STATE], [[TRUE]])
    assert p(found)[0] == pytest.approx(yes("Is it right?"))


def test_a_state_that_is_refused_leaves_the_others_theirs() -> None:
    good = serve("openai")
    too_long = Reply(422, {"detail": {"error_type": "tokens", "message": "too long"}})

    def script(asked: Asked) -> Reply:
        return too_long if "long" in asked.body["input"] else good(asked)

    states = [Prompt.of("short"), Prompt.of("long"), Prompt.of("brief")]
    with FakeServer(script) as server:
        found = answerer(server).answer(states, [ALL] * 3)
    assert [reason(one) for one in found[1]] == ["refused: 422 Unprocessable Entity: too long"] * 3
    assert all(isinstance(one, Distribution) for one in found[0] + found[2])


def test_a_server_that_can_not_ends_all() -> None:
    with pytest.raises(BackendError, match="501"):
        ask(lambda _: Reply(501, {"error": {"message": "no decisions"}}), ALL)


# --- the ledger


def test_what_was_paid_is_not_asked_again_and_is_kept_as_it_came(tmp_path: Path) -> None:
    def aliased(_: Asked, payload: Payload) -> Payload:
        return {**payload, "model": "m-2026-11"}

    prices = Prices(tokens_in=1.0, tokens_cached=0.5)
    with FakeServer(serve("openai", change=aliased)) as server:
        for _ in range(2):
            with Ledger(tmp_path / "ledger") as ledger:
                one = answerer(server, ledger=ledger)
                one = replace(one, server=replace(one.server, prices=prices))
                found = one.answer([STATE, STATE], [ALL, ALL])
                paid = ledger.total()
                assert one.served == {"m-2026-11": 2}
        assert len(server.asked) == 1
        with Ledger(tmp_path / "ledger") as ledger:
            again = answerer(server, ledger=ledger, repeat=1).answer([STATE], [ALL])
        assert len(server.asked) == 2
    assert found[0] == found[1] == again[0]
    assert (paid.requests, paid.tokens_in, paid.tokens_out, paid.tokens_cached) == (1, 10, 0, 4)
    assert paid.money == pytest.approx((6 * 1.0 + 4 * 0.5) / 1e6)


def test_the_formula_of_a_confidence_is_kept_by_name() -> None:
    for dialect, formula in {"vllm": "mass", "systemone": "excess", "openai": "unknown"}.items():
        ledger = Ledger()
        _, _ = ask(serve(dialect), ALL, dialect, ledger=ledger)
        with ledger._lock:
            (row,) = ledger._file.execute("SELECT answer FROM answers").fetchall()
        assert json.loads(row[0])["confidence"] == formula


def test_failures_are_not_kept() -> None:
    ledger = Ledger()
    with FakeServer(once(Reply(400, {"message": "no"}))) as server:
        server.script = lambda q: serve("openai")(q) if q.same else Reply(400, {"message": "no"})
        one = answerer(server, ledger=ledger)
        assert isinstance(one.answer([STATE], [[TRUE]])[0][0], Unscored)
        assert isinstance(one.answer([STATE], [[TRUE]])[0][0], Distribution)


# --- states


CALLS = Prompt(
    messages=(
        Message(role="system", content="Be fair."),
        Message(role="user", content="What is 2 + 2?"),
        Message(
            role="assistant",
            content="",
            reasoning="I add.",
            tool_calls=(ToolCall(name="add", arguments='{"a": 2}'),),
        ),
        Message(role="tool", content="4", name="add"),
        Message(role="assistant", content="It is 4."),
        Message(role="user", content="Was it right?"),
    )
)


def test_a_conversation_is_sent_as_items_with_calls_that_match() -> None:
    with FakeServer(serve("openai")) as server:
        ((found,),) = answerer(server).answer([CALLS], [[TRUE]])
    assert isinstance(found, Distribution)
    items = server.asked[0].body["input"]
    assert [item.get("role", item["type"]) for item in items] == [
        *("system", "user", "assistant", "function_call", "function_call_output"),
        *("assistant", "user"),
    ]
    assert items[2]["content"] == [{"type": "output_text", "text": "<think>I add.</think>"}]
    assert items[3]["call_id"] == items[4]["call_id"]


def test_a_conversation_is_sent_as_text_that_cannot_be_forged() -> None:
    with FakeServer(serve("vllm")) as server:
        answerer(server, "vllm").answer([CALLS], [[TRUE]])
    lead, _, rest = server.asked[0].body["input"].partition("\n\n")
    assert lead == "Be fair."
    turns = json.loads(rest)
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "assistant", "user"]
    assert turns[1]["tool_calls"][0]["function"]["name"] == "add"


def test_the_systems_words_have_a_place_on_vllm() -> None:
    plain = Prompt(messages=CALLS.messages[:2])
    with FakeServer(serve("vllm-systemone")) as server:
        answerer(server, "vllm-systemone").answer([plain, STATE], [[TRUE], [TRUE]])
    bodies = sorted((one.body for one in server.asked), key=len)
    assert "instructions" not in bodies[0]
    assert bodies[1]["instructions"] == "Be fair."
    assert bodies[1]["state"] == "What is 2 + 2?"


def test_what_cannot_be_sent_is_unscored_and_costs_nothing() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    seen = Prompt(messages=(Message(role="user", content="", parts=(image,)),))
    stray = Prompt(messages=(*STATE.messages, Message(role="tool", content="4")))
    with FakeServer(serve("vllm")) as server:
        found = answerer(server, "vllm").answer([seen], [[TRUE, WHICH]])
        assert [reason(one) for one in found[0]] == [
            "vllm takes texts alone, and the state has more"
        ] * 2
        ((lost,),) = answerer(server).answer([stray], [[TRUE]])
        assert reason(lost) == "a tool answers that was not called"
        assert not server.asked
    with FakeServer(serve("openai")) as server:
        answerer(server).answer([seen], [[TRUE]])
    (part,) = server.asked[0].body["input"][0]["content"]
    assert part == {"type": "input_image", "image_url": "data:image/png;base64,AA=="}


@pytest.mark.parametrize(
    ("text", "sent"), [('{"a": 1}', {"a": 1}), ("[1]", [1]), ("5", "5"), ("no", "no")]
)
def test_a_state_that_is_an_object_may_be_sent_as_one(text: str, sent: Any) -> None:
    with FakeServer(serve("systemone")) as server:
        answerer(server, "systemone", structured=True).answer([Prompt.of(text)], [[TRUE]])
        answerer(server, "systemone").answer([Prompt.of(text)], [[TRUE]])
    assert {json.dumps(one.body["state"]) for one in server.asked} == {
        json.dumps(sent),
        json.dumps(text),
    }


def test_settings_go_over_the_bodys_own() -> None:
    _, asked = ask(
        lambda q: Reply(body={"answers": {"q0": {"noul": 0.5}}}),
        [TRUE],
        "sglang",
        extra={"prompt_format_version": None, "temperature": 2.0},
    )
    assert asked[0].body["temperature"] == 2.0
    assert "prompt_format_version" not in asked[0].body


def test_an_option_may_be_described() -> None:
    scale = [Option(name="bad", description="wrong"), Option(name="good")]
    _, asked = ask(serve("systemone"), [Question.score("?", scale)], "systemone")
    assert asked[0].body["questions"]["q0"]["criteria"] == ["bad: wrong", "good"]
