"""A model behind a server answers at its labels, whatever dialect the server speaks and however it
fails."""

from dataclasses import replace

import pytest

from assay.answerers.asking import Server
from assay.answerers.first_token import kept
from assay.answerers.labels import LabelAnswerer
from assay.answerers.ledger import Ledger
from assay.errors import BackendError, ConfigError
from assay.questions import Distribution, Question
from assay.types import Prompt, Unscored
from tests.answerers import fakes
from tests.answerers.fakes import Vocabulary, but, chat, padded
from tests.answerers.killed import kill_and_resume
from tests.engines.fake_server import FakeServer, Reply

RAIN = Question.predicate("Does it rain?")
BETTER = Question.choice("Which is better?", ["first", "second", "third"])
VERDICT = Question.choice("x", ["A", "B"]).model_copy(update={"text": "", "form": "[[{}]]"})
STATES = [Prompt.of(f"Sky {i}.") for i in range(6)]
WORDS = Vocabulary(["yes", " yes", "Yes", "no", " no", "No", "NO", " A", " B", " C"])


def weather(text):
    """The next token by what is asked: 0.9 on labels, more of it on yes the higher the number."""
    if "rain" in text:
        p = int(text.split(".")[0].split()[-1]) / 10
        spread = {"Yes": 0.6 * p, " yes": 0.3 * p, "No": 0.5 * (1 - p), "no": 0.4 * (1 - p)}
        return padded({token: x for token, x in spread.items() if x})
    return padded({"A": 0.5, " A": 0.1, "B": 0.2, "C": 0.1})


DIALECTS = {
    "vllm": fakes.vllm(weather, WORDS),
    "openai": fakes.openai(weather),
    "sglang": fakes.sglang(weather, WORDS),
    "llama-server": fakes.llama_server(weather, WORDS),
}


def fast(server, **settings):
    usual = {"concurrency": 4, "tries": 3, "timeout_s": 5.0, "backoff_s": 0.001}
    return Server(base_url=server.url, **(usual | settings))


def ask(script, states=STATES, questions=(RAIN,), **settings):
    """Answers and what was asked, but for tokens of texts."""
    with FakeServer(script) as server:
        answerer = LabelAnswerer(fast(server), "judge", **settings)
        found = answerer.answer(states, [questions] * len(states))
    return found, [one for one in server.asked if one.path != "/tokenize"]


@pytest.mark.parametrize("dialect", ["auto", "own"])
@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_tells_the_planted_probabilities(name, dialect):
    named = name if dialect == "own" else "auto"
    found, asked = ask(DIALECTS[name], questions=(RAIN, BETTER), dialect=named)
    assert len(asked) == len(STATES) * 2
    for i, (rain, better) in enumerate(found):
        assert rain.probabilities == pytest.approx((i / 10, 1 - i / 10), abs=0.01)
        assert rain.mass == pytest.approx(0.9, abs=1e-6)
        assert better.probabilities == pytest.approx((6 / 9, 2 / 9, 1 / 9), abs=1e-6)
        for (low, high), p in zip(rain.bounds, (i / 10, 1 - i / 10), strict=False):
            assert low - 1e-9 <= p <= high + 1e-9
    body = next(one.body for one in asked if "rain" in str(one.body["messages"]))
    assert (body["max_tokens"], body["temperature"], body["logprobs"]) == (1, 0, True)
    assert body["messages"][0]["content"].endswith(
        "Does it rain?\nAnswer with yes or no and nothing else."
    )
    # Asked for by their ids, they are exact.
    assert bool(found[1][0].bounds) == (name != "vllm")


def test_vllm_is_asked_for_the_tokens_of_all_spellings():
    _, asked = ask(DIALECTS["vllm"])
    words = [WORDS.words[id] for id in asked[0].body["logprob_token_ids"]]
    assert words == ["yes", " yes", "Yes", "no", " no", "No", "NO"]


def test_an_old_vllm_gives_the_likeliest_tokens_by_their_ids():
    found, _ = ask(fakes.vllm(weather, WORDS, old=True))
    assert found[3][0].probabilities == pytest.approx((0.3, 0.7), abs=1e-6)
    assert found[3][0].bounds  # "yes", " no" and "NO" are not among the twenty.


def test_the_sentinel_of_vllm_is_no_probability():
    found, _ = ask(fakes.vllm(weather, WORDS, absent=" yes"), slack=1.0)
    low, high = found[3][0].bounds[0]
    assert low == pytest.approx(0.18 / 0.81)
    assert low < 0.3 < high
    found, _ = ask(fakes.vllm(weather, WORDS, absent=" yes"))
    assert isinstance(found[3][0], Unscored)
    assert "known to" in found[3][0].reason


def test_a_label_that_is_not_one_token_is_refused_before_anything_is_paid():
    with FakeServer(fakes.vllm(weather, Vocabulary(["y", "es"]))) as server:
        with pytest.raises(ConfigError, match="'yes' is not one token of judge"):
            LabelAnswerer(fast(server), "judge").answer(STATES, [[RAIN]] * len(STATES))
        assert {one.path for one in server.asked} == {"/tokenize"}


def test_above_temperature_0_sglang_would_give_something_else():
    with pytest.raises(ConfigError, match="after temperature"):
        ask(DIALECTS["sglang"], extra={"temperature": 0.5})
    found, asked = ask(DIALECTS["sglang"], extra={"temperature": 1})
    assert asked[0].body["temperature"] == 1
    assert found[3][0].probabilities == pytest.approx((0.3, 0.7), abs=0.01)


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"response_format": {"type": "json_object"}}, "masks"),
        ({"allowed_token_ids": [1, 2]}, "masks"),
        ({"logit_bias": {"1": 5}}, "masks"),
        ({"messages": []}, "made here"),
        ({"n": 2}, "made here"),
    ],
)
def test_settings_that_hide_what_the_model_would_say_are_refused(extra, why):
    with pytest.raises(ConfigError, match=why):
        LabelAnswerer(Server(base_url="http://127.0.0.1:9/v1"), "judge", extra=extra)


def test_wrong_settings_are_refused():
    server = Server(base_url="http://127.0.0.1:9/v1")
    for wrong in ({"repeats": 0}, {"floor": 2}, {"slack": -1}, {"top": 0}, {"dialect": "x"}):
        with pytest.raises(ConfigError):
            LabelAnswerer(server, "judge", **wrong)


def test_settings_that_are_none_are_left_out():
    extra = {"max_tokens": None, "max_completion_tokens": 1}
    _, asked = ask(DIALECTS["openai"], extra=extra)
    assert "max_tokens" not in asked[0].body
    assert asked[0].body["max_completion_tokens"] == 1


def test_an_answer_is_begun_where_the_form_has_more_than_the_label():
    script = DIALECTS["llama-server"]
    found, asked = ask(script, [Prompt.of("Which? End with [[A]] or [[B]].")], (VERDICT,))
    assert asked[0].body["messages"] == [
        {"role": "user", "content": "Which? End with [[A]] or [[B]]."},
        {"role": "assistant", "content": "[["},
    ]
    assert asked[0].body["continue_final_message"]
    assert not asked[0].body["add_generation_prompt"]
    assert found[0][0].probabilities == pytest.approx((0.75, 0.25), abs=0.01)
    # On vLLM the labels' tokens are those that stand behind the beginning.
    _, asked = ask(DIALECTS["vllm"], [Prompt.of("Which?")], (VERDICT,))
    words = [WORDS.words[id] for id in asked[0].body["logprob_token_ids"]]
    assert sorted(words) == [" A", " B", "A", "B"]
    with pytest.raises(ConfigError, match="not known to continue"):
        ask(DIALECTS["openai"], [Prompt.of("Which?")], (VERDICT,))


def test_a_server_that_ignores_the_request_is_told_once():
    with pytest.raises(BackendError, match="ignores the request for log-probabilities"):
        ask(fakes.ignoring)
    with FakeServer(fakes.ignoring) as server:
        with pytest.raises(BackendError):
            LabelAnswerer(fast(server), "judge", dialect="openai").answer(STATES, [[RAIN]] * 6)
        assert len(server.asked) <= 3


def test_a_server_that_refuses_the_request_is_told_once():
    with FakeServer(fakes.openai(weather, most=5)) as server:
        with pytest.raises(BackendError, match="'top_logprobs': 20 is more than 5; set `top`"):
            LabelAnswerer(fast(server), "judge", dialect="openai").answer(STATES, [[RAIN]] * 6)
        assert len(server.asked) == 3
    found, _ = ask(fakes.openai(weather, most=5), dialect="openai", top=5, slack=1.0)
    assert isinstance(found[3][0], Distribution)


@pytest.mark.parametrize("apart", [True, False])
def test_a_model_that_thinks_first_is_told_once(apart):
    with FakeServer(fakes.thinking(weather, apart)) as server:
        with pytest.raises(BackendError, match="thinks before it answers"):
            LabelAnswerer(fast(server), "judge", dialect="sglang").answer(STATES, [[RAIN]] * 6)
        assert len(server.asked) <= 3
        assert server.asked[0].body["chat_template_kwargs"] == {"enable_thinking": False}


def test_one_that_thinks_at_times_loses_those_questions_only():
    tokens = [("<think>", 0.9)]
    script = but("Sky 4", Reply(body=chat(tokens, tokens)), DIALECTS["openai"])
    found, _ = ask(script)
    assert [isinstance(one, Unscored) for (one,) in found] == [False] * 4 + [True, False]
    assert "thinks" in found[4][0].reason


def test_a_model_that_would_say_something_else_is_unscored():
    found, _ = ask(fakes.openai(lambda text: padded({"Sure": 0.7, "yes": 0.1, "no": 0.05})))
    assert all(isinstance(one, Unscored) and "'Sure' 0.70" in one.reason for (one,) in found)


BAD = {
    "busy": Reply(429, {"error": "busy"}, headers={"Retry-After": "0"}),
    "broken": Reply(500, {"error": "out of memory"}),
    "cut": Reply(broken="cut"),
    "closed": Reply(broken="closed"),
    "not JSON": Reply(body=b'{"choices": ['),
    "no choices": Reply(body={"choices": []}),
    "two choices": Reply(body={"choices": chat([("yes", 1.0)], [])["choices"] * 2}),
    "another schema": Reply(body={"result": "yes"}),
    "no message": Reply(body={"choices": [{"text": "yes", "finish_reason": "stop"}]}),
    "aborted": Reply(
        body={"choices": [{"message": {"content": ""}, "finish_reason": "abort", "logprobs": None}]}
    ),
    "no log-probabilities": Reply(
        body={"choices": [{"message": {"content": "yes"}, "finish_reason": "length"}]}
    ),
    "no number": Reply(
        body={
            "choices": [
                {
                    "message": {"content": "yes"},
                    "finish_reason": "length",
                    "logprobs": {"content": [{"token": "yes", "logprob": "high"}]},
                }
            ]
        }
    ),
    "slow": Reply(wait=0.5),
}


@pytest.mark.parametrize("name", BAD)
def test_what_fails_always_is_unscored_alone_and_what_fails_once_is_asked_again(name):
    timing = {"timeout_s": 0.15} if name == "slow" else {}
    # A first answer without log-probabilities ends the run; a first question that fails does not.
    bad = [2, 4] if name == "no log-probabilities" else [0, 4]
    always = DIALECTS["openai"]
    for i in bad:
        always = but(f"Sky {i}", BAD[name], always)
    for script, lost in (
        (always, bad),
        (lambda q: BAD[name] if q.same == 0 and q.number else DIALECTS["openai"](q), []),
    ):
        ledger = Ledger()
        with FakeServer(script) as server:
            answerer = LabelAnswerer(
                fast(server, concurrency=1, **timing), "judge", dialect="openai", ledger=ledger
            )
            found = answerer.answer(STATES, [[RAIN]] * 6)
        assert [i for i, (one,) in enumerate(found) if isinstance(one, Unscored)] == lost
        # A failure is never kept, nor is it a middle.
        assert len(ledger) == 6 - len(lost)
        for i, (one,) in enumerate(found):
            if i not in lost:
                assert one.probabilities == pytest.approx((i / 10, 1 - i / 10), abs=0.01)


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"},
        {"message": {"content": ""}, "finish_reason": "content_filter"},
        {"message": {"content": ""}, "finish_reason": "stop", "logprobs": {"content": []}},
    ],
)
def test_a_refusal_is_an_answer_without_a_verdict(choice):
    script = but("Sky 4", Reply(body={"choices": [choice]}), DIALECTS["openai"])
    found, asked = ask(script)
    assert isinstance(found[4][0], Unscored)
    assert "refused" in found[4][0].reason or "ends its answer" in found[4][0].reason
    assert len(asked) == 6  # It is paid, and not asked again.


def test_what_was_paid_is_read_anew_without_the_server(tmp_path):
    ledger = Ledger(tmp_path / "paid.sqlite")
    with FakeServer(DIALECTS["vllm"]) as server:
        first = LabelAnswerer(fast(server), "judge", ledger=ledger)
        found = first.answer(STATES, [[RAIN, BETTER]] * 6)
        url, asked = server.url, len(server.asked)
    again = LabelAnswerer(Server(base_url=url), "judge", ledger=ledger, floor=0.95)
    assert all(
        isinstance(one, Unscored) for row in again.answer(STATES, [[RAIN]] * 6) for one in row
    )
    assert (
        LabelAnswerer(Server(base_url=url), "judge", ledger=ledger).answer(
            STATES, [[RAIN, BETTER]] * 6
        )
        == found
    )
    assert asked == len(server.asked)
    usage = ledger.total()
    assert (usage.tokens_in, usage.tokens_out, usage.tokens_cached) == (12 * 30, 12, 12 * 20)


def test_repeats_are_paid_each_and_averaged():
    def drifting(asked):
        p = 0.6 if asked.same else 0.4
        return fakes.openai(lambda text: padded({"yes": p, "no": 0.98 - p}))(asked)

    found, asked = ask(drifting, STATES[:1], dialect="openai", repeats=2, slack=1.0)
    assert len(asked) == 2
    assert found[0][0].probabilities == pytest.approx((0.5 / 0.98, 0.48 / 0.98))
    lost, _ = ask(
        lambda q: Reply(400, {"error": "no"}) if q.same else drifting(q),
        STATES[:1], dialect="openai", repeats=2, slack=1.0,
    )  # fmt: skip
    assert lost[0][0].missing == 1
    assert lost[0][0].probabilities[0] == pytest.approx(0.4 / 0.98)


def test_the_name_holds_what_changes_an_answer():
    server = Server(base_url="http://127.0.0.1:9/v1")
    plain = LabelAnswerer(server, "judge").fingerprint
    slow = Server(base_url="http://127.0.0.1:9/v1/", concurrency=1, timeout_s=1)
    assert LabelAnswerer(slow, "judge", ledger=Ledger()).fingerprint == plain
    changes = [
        {"dialect": "vllm"}, {"top": 5}, {"floor": 0.1}, {"slack": 0.1}, {"repeats": 2},
        {"labels": "words"}, {"extra": {"seed": 1}},
    ]  # fmt: skip
    names = {LabelAnswerer(server, "judge", **change).fingerprint for change in changes}
    names |= {plain, LabelAnswerer(server, "other").fingerprint}
    assert len(names) == len(changes) + 2


def test_nothing_is_asked_for_nothing():
    with FakeServer(DIALECTS["openai"]) as server:
        answerer = LabelAnswerer(fast(server), "judge")
        assert answerer.answer([], []) == []
        assert answerer.answer(STATES[:1], [[]]) == [[]]
        assert not server.asked


def test_a_run_that_is_killed_pays_nothing_twice(tmp_path):
    def script(asked):
        return replace(DIALECTS["openai"](asked), wait=0.02)

    cut = kill_and_resume(script, "labels", tmp_path / "paid.sqlite", 500)
    # What is not kept was under way, or came while the disk was waited for.
    assert 100 < cut.kept <= cut.before < 450
    assert cut.after == cut.ended["paid"] == 500 - cut.kept
    assert cut.ended["saved"] == cut.kept
    assert cut.ended["p"] == pytest.approx([i % 10 / 10 for i in range(500)], abs=0.01)


@pytest.mark.parametrize("token", ["<think>", "<|channel>", "[THINK]", "<seed:think>"])
def test_a_block_of_reasoning_that_opens_is_no_verdict(token):
    payload = fakes.chat([(token, 0.9)], [(token, 0.9), ("yes", 0.06), ("no", 0.03)])
    with pytest.raises(BackendError, match="thinks before it answers"):
        kept(payload, url="http://x", alone=True)
    assert kept(payload, url="http://x", alone=False)[0].keys() == {"ended"}
