"""Scores at servers are those of the model here, whatever the server speaks."""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from assay.errors import BackendError, ConfigError
from assay.fingerprint import fingerprint
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE, Readout
from assay.scorers.local import LocalScorer
from assay.scorers.remote import group_json
from assay.server.dialects import Refused
from assay.server.dialects.score import SCORE
from assay.specs.scorers import scorer
from assay.types import Group, Message, Prompt, Response, Score, ToolCall, Unscored
from tests.models import tiny
from tests.server.answering import answering
from tests.server.running import running
from tests.server.scorers import Characters

STEPS = Readout(at="step_tag", tag="<|step|>", link="sigmoid", aggregate="min")
GROUPS = [
    Group(
        prompt=Prompt.of("What is 2 + 2?"),
        responses=(Response(steps=("Two and two ", "make 4.")), Response.of("5")),
    ),
    Group(
        prompt=Prompt(
            messages=(
                Message(role="user", content="Name a colour."),
                Message(role="assistant", content="Blue."),
                Message(role="user", content="Another."),
            )
        ),
        responses=(Response.of("Grün <|im_end|> or red."),),
    ),
]


def saved(folder: Path, readout: Readout) -> Path:
    extra = (readout.tag,) if readout.tag else ()
    model = checkpoint.wrap(
        tiny.network(), tiny.tokenizer(extra=extra), layout=Layout(template="chat"), readout=readout
    )
    checkpoint.save(model, folder)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("m") / "rm", PREFERENCE)


@pytest.fixture(scope="module")
def stepwise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("m") / "prm", STEPS)


def assert_same(found: list[list[Score | Unscored]], wanted: list[list[Score | Unscored]]) -> None:
    for a, b in zip(chain(*found), chain(*wanted), strict=True):
        assert isinstance(a, Score), a
        assert isinstance(b, Score), b
        assert a.value == pytest.approx(b.value, abs=1e-5)
        assert not a.steps or a.steps == pytest.approx(b.steps, abs=1e-5)


@pytest.mark.parametrize("dialect", ["vllm", "vllm-steps", "sglang", "openrlhf", "llama-factory"])
def test_every_dialect_gives_the_scores_of_the_model(plain: Path, dialect: str) -> None:
    local = LocalScorer(plain)
    with running({"rm": local}) as url:
        remote = scorer(f"remote:{url},dialect={dialect},layout={plain}")
        # The layout breaks special tokens in answers: ids carry that over, and texts cannot.
        by_ids = dialect in ("vllm", "vllm-steps", "sglang")
        groups = GROUPS if by_ids else GROUPS[:1]
        if by_ids:
            assert_same(remote.score(groups), local.score(groups))
        else:
            wanted = [[s] for s in local.score(groups)[0]]
            assert_same([[s] for s in remote.score(groups)[0]], wanted)
        assert fingerprint(remote) != local.fingerprint


def test_our_servers_are_told_all_of_a_response_and_named_by_their_model(stepwise: Path) -> None:
    local = LocalScorer(stepwise)
    branch = Response(steps=("Two and ", "two"), finished=False)
    groups = [*GROUPS, GROUPS[0].model_copy(update={"responses": (branch,)})]
    # Each server has a model of its own: what one remembers of branches is for one thread.
    first, other = (LocalScorer(stepwise) for _ in range(2))
    with running({"rm": first}) as url, running({"rm": other}) as second:
        remote = scorer(f"remote:{url},{second},concurrency=2")
        assert_same(remote.score(groups), local.score(groups))
        assert fingerprint(remote) == local.fingerprint
        assert_same(scorer(url).score(groups), local.score(groups))


FULL = (
    Score(
        value=0.5, steps=(0.25, 0.5), std=0.0, parts={"right": 1.0, "rude": None, "long": 2.0},
        weights={"right": 1.0, "rude": -0.5}, critique="It is right.\nIt is long.",
    ),
    Score(value=-1.0, critique=""),
    Unscored(reason="no verdict"),
)  # fmt: skip


class Full:
    """Gives all that a score can hold."""

    fingerprint = "full"

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [list(FULL) for _ in groups]


def test_all_that_a_score_holds_comes_through_our_server() -> None:
    assert FULL[0].model_fields_set == set(Score.model_fields)
    group = Group(prompt=Prompt.of("q"), responses=tuple(map(Response.of, "abc")))
    with running({"full": Full()}) as url:
        ((*found,),) = scorer(f"remote:{url}").score([group])
    assert found == list(FULL)


def test_a_group_is_read_by_our_server_as_it_was() -> None:
    call = ToolCall(name="add", arguments='{"a": 1}', id="1")
    turns = (
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="2", tool_call_id="1", name="add"),
        Message(role="assistant", content="2", reasoning="so"),
    )
    group = Group(
        prompt=Prompt(
            messages=(Message(role="system", content="s"), Message(role="user", content="q")),
            tools=({"type": "function", "function": {"name": "add"}},),
            reference="2",
            id="x",
            meta={"tests": [1]},
        ),
        responses=(
            Response.trajectory(turns, rewards=(None, 1.0)),
            Response(steps=("a", "b"), finished=False, meta={"k": 1}),
            Response.of("a").model_copy(update={"rendered": (1, 2)}),
            Response(steps=("a", "")),
        ),
    )
    sent = json.loads(json.dumps(group_json(group)))
    assert SCORE.read(sent).groups == (group,)
    with pytest.raises(Refused, match="tools"):
        SCORE.read({**sent, "tools": "add"})
    with pytest.raises(Refused, match=r"responses\[0\]"):
        SCORE.read({**sent, "responses": [{"step": []}]})


def test_steps_at_tags_need_a_dialect_that_gives_them(stepwise: Path) -> None:
    local = LocalScorer(stepwise)
    with running({"rm": local}) as url:
        remote = scorer(f"{url},dialect=vllm-steps,layout={stepwise}")
        assert_same(remote.score(GROUPS), local.score(GROUPS))
        assert all(s.steps for s in remote.score(GROUPS)[0] if isinstance(s, Score))
        with pytest.raises(ConfigError, match="dialect=vllm-steps"):
            scorer(f"{url},dialect=vllm,layout={stepwise}")


def test_rows_of_every_token_are_read_at_the_steps(plain: Path) -> None:
    def answer(body: Any) -> tuple[int, Any]:
        return 200, {"data": [{"data": [[float(i)] for i, _ in enumerate(body["input"])]}]}

    with answering(answer) as url:
        ((score, _), _) = scorer(f"{url},dialect=vllm-steps,layout={plain}").score(GROUPS)
    response = GROUPS[0].responses[0]
    (sequence,) = checkpoint.load(plain).encoder.encode([(GROUPS[0].prompt, response)])
    assert isinstance(score, Score)
    assert score.steps == tuple(map(float, sequence.reads))


def one(number: Any) -> dict[str, Any]:
    return {"data": [{"index": 0, "probs": [number], "num_classes": 1}]}


def test_failures_are_unscored_with_reasons_and_never_numbers() -> None:
    def answer(body: Any) -> tuple[int, Any]:
        text = body["messages"][-1]["content"]
        assert body["use_activation"] is False
        return {
            "refused": (400, {"error": {"message": "too long"}}),
            "nan": (200, one(float("nan"))),
            "null": (200, one(None)),
            "two": (200, {"data": [{"probs": [0.1, 0.9]}]}),
            "sigmoid": (200, {**one(0.5), "activation": "sigmoid"}),
        }.get(text, (200, one(1.5)))

    texts = ["fine", "refused", "nan", "null", "two", "sigmoid"]
    group = Group(prompt=Prompt.of("q"), responses=tuple(map(Response.of, texts)))
    with answering(answer) as url:
        (row,) = scorer(f"{url},dialect=vllm,model=rm,tries=1").score([group])
    assert row[0] == Score(value=1.5)
    words = ["too long", "not finite", "no number", "2 outputs", "sigmoid"]
    for score, word in zip(row[1:], words, strict=True):
        assert isinstance(score, Unscored)
        assert word in score.reason


def test_a_server_that_is_down_is_passed_over_and_none_is_an_error() -> None:
    seen: list[int] = []
    group = Group(prompt=Prompt.of("q"), responses=tuple(Response.of(f"{i}") for i in range(12)))
    with ExitStack() as stack:
        urls = []
        for number in (1, 2):

            def answer(body: Any, number: int = number) -> tuple[int, Any]:
                seen.append(number)
                return 200, one(float(body["messages"][-1]["content"]))

            urls.append(stack.enter_context(answering(answer)))
        dead = "http://127.0.0.1:9"
        word = f"remote:{urls[0]},{dead},{urls[1]},dialect=vllm,tries=1,concurrency=2"
        (row,) = scorer(word).score([group])
        with pytest.raises(BackendError, match="answers nothing"):
            scorer(f"{dead},dialect=vllm,tries=1,concurrency=1").score([group])
    assert [score.value for score in row if isinstance(score, Score)] == [*map(float, range(12))]
    assert {*seen} == {1, 2}


def test_a_server_that_dies_holds_nothing_up() -> None:
    """It answered, and fails from then on: after three failures it is asked now and then."""
    asked = [0, 0]

    def answer(place: int) -> Any:
        def answered(body: Any) -> tuple[int, Any]:
            asked[place] += 1
            return (500, {}) if place == 0 and asked[0] > 4 else (200, one(1.5))

        return answered

    groups = [Group(prompt=Prompt.of(f"{i}"), responses=(Response.of("a"),)) for i in range(60)]
    start = time.monotonic()
    with answering(answer(0)) as dies, answering(answer(1)) as lives:
        word = f"remote:{dies},{lives},dialect=vllm,model=m,concurrency=2"
        rows = scorer(word).score(groups)
    assert rows == [[Score(value=1.5)]] * 60
    # Those under way when it rests, and one that finds out.
    assert asked[0] <= 4 + 3 + 4 + 1
    assert sum(asked) == 60 + asked[0] - 4
    assert time.monotonic() - start < 9


def test_servers_of_two_models_are_refused(plain: Path, stepwise: Path) -> None:
    with (
        running({"rm": LocalScorer(plain)}) as first,
        running({"rm": LocalScorer(stepwise)}) as second,
        pytest.raises(ConfigError, match="other fingerprints"),
    ):
        fingerprint(scorer(f"remote:{first},{second}"))


def test_a_server_that_names_no_model_is_named_by_its_address_and_a_failing_one_by_nothing(
    plain: Path,
) -> None:
    status = [501]
    with answering(lambda body: (200, one(1.0)), get=lambda: (status[0], {})) as url:
        names = {fingerprint(scorer(f"{url},dialect=vllm,model={m}")) for m in ("a", "b", "a")}
        assert len(names) == 2
        laid = fingerprint(scorer(f"{url},dialect=vllm,model=a,layout={plain}"))
        assert laid not in names
        for status[0], words in (
            (401, "401; set the environment variable ASSAY_API"),
            (503, "503"),
        ):
            with pytest.raises(BackendError, match=words):
                fingerprint(scorer(f"{url},dialect=vllm"))


def test_where_no_request_would_be_answered_it_is_said_once_and_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    groups = [Group(prompt=Prompt.of(f"{i}"), responses=(Response.of("a"),)) for i in range(8)]
    with (
        running({"a": Characters(), "b": Characters()}) as url,
        pytest.raises(BackendError, match="none is named") as raised,
    ):
        scorer(f"remote:{url}").score(groups)
    assert "usually ends in /v1" not in str(raised.value)
    assert not caplog.records
    with answering(lambda body: (404, {})) as url, pytest.raises(BackendError):
        scorer(f"remote:{url},{url}/other,dialect=vllm,model=m").score(groups)
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("http://h:1,dialect=vlm", "there is assay, vllm"),
        ("http://h:1,dialect=sglang", "layout=FOLDER"),
        ("remote:h:1", "no server's address"),
        ("http://h:1|http://g:1", "no server's address"),
        ("http://h:99999", "no server's address"),
        ("http://[::1", "no server's address"),
        ("http://:80", "no server's address"),
        ("http://h:1,concurency=2", "did you mean concurrency"),
        ("http://h:1,concurrency=two", "give a number"),
        ("http://h:1,model", "give model once"),
    ],
)
def test_words_that_cannot_be(word: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        scorer(word)
