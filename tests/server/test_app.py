"""The server over HTTP: every answer is of its own request, and bad requests say what is wrong."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from assay.errors import ConfigError, DataError
from assay.judges.adapters import as_judge, as_scorer
from assay.scorers.baselines import Longest
from assay.types import Group, Score, Unscored
from tests.server.running import post, running

FAILURES = {
    "crash": ValueError("crash"),
    "few": ConfigError("calls is 1, and 2 responses take 2"),
    "no tests": DataError("meta has no tests"),
}
"""Raised by the scorer at responses of these texts."""


class OfText:
    """A score that only this text has, and a log of how many groups were scored at once."""

    def __init__(self) -> None:
        self.groups: list[int] = []

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        self.groups.append(len(groups))
        return [[number(group.prompt.text, r.text) for r in group.responses] for group in groups]


def number(prompt: str, text: str) -> Score | Unscored:
    if text == "bad":
        return Unscored(reason="it is bad")
    if text in FAILURES:
        raise FAILURES[text]
    digest = hashlib.sha256(f"{prompt}|{text}".encode()).digest()
    return Score(value=int.from_bytes(digest[:4]) / 2**32)


def test_answers_belong_to_their_requests_that_go_together() -> None:
    scorer = OfText()
    texts = [(f"q{i % 4}", f"a{i}") for i in range(64)]
    with running({"rm": scorer}, wait_s=1.0) as url, ThreadPoolExecutor(64) as pool:
        asked = [{"prompt": p, "responses": [a]} for p, a in texts]
        answers = list(pool.map(lambda body: post(f"{url}/v1/score", body).json(), asked))
    for (prompt, text), answer in zip(texts, answers, strict=True):
        wanted = number(prompt, text)
        assert isinstance(wanted, Score)
        assert answer["scores"] == [{"value": wanted.value}]
    assert sum(scorer.groups) == 64
    assert len(scorer.groups) < 32


def test_what_fails_alone_takes_no_other_down() -> None:
    with running({"rm": OfText()}, wait_s=0.1) as url, ThreadPoolExecutor(3) as pool:
        bodies = [{"prompt": t, "responses": [t]} for t in ("fine", "crash", "bad")]
        fine, crash, bad = pool.map(lambda body: post(f"{url}/v1/score", body), bodies)
    assert "value" in fine.json()["scores"][0]
    assert crash.status_code == 500
    assert bad.json()["scores"] == [{"unscored": "it is bad"}]


def test_what_fails_takes_no_other_response_to_its_prompt_down() -> None:
    with running({"rm": OfText()}, wait_s=0.3) as url, ThreadPoolExecutor(4) as pool:
        bodies = [{"prompt": "q", "responses": [t]} for t in ("fine", "crash", "good", "crash")]
        found = list(pool.map(lambda body: post(f"{url}/v1/score", body), bodies))
    assert [one.status_code for one in found] == [200, 500, 200, 500]


@pytest.mark.parametrize("text", ["few", "no tests"])
def test_what_would_fail_again_is_refused_with_the_reason(text: str) -> None:
    with running({"rm": OfText()}, wait_s=0.2) as url, ThreadPoolExecutor(2) as pool:
        bodies = [{"prompt": "q", "responses": [t]} for t in ("fine", text)]
        fine, refused = pool.map(lambda body: post(f"{url}/v1/score", body), bodies)
    assert fine.status_code == 200
    assert refused.status_code == 422
    assert refused.json()["error"]["message"] == str(FAILURES[text])


def test_a_tournament_of_too_few_calls_says_what_it_takes() -> None:
    judged = as_scorer(as_judge(Longest()), calls=2)
    body = {"prompt": "q", "responses": ["a", "bb", "ccc", "dddd"]}
    with running({"judged": judged}) as url:
        refused = post(f"{url}/v1/score", body)
        again = post(f"{url}/v1/score", {**body, "responses": ["a", "bb"]})
    assert again.status_code == 200
    assert refused.status_code == 422
    assert "a group of 4 responses; a ring takes 4" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b'{"prompt": "a", "prompt": "b", "responses": []}', 400, "twice"),
        (b'{"prompt": NaN}', 400, "NaN"),
        (b"[" * 100_000, 400, "nested"),
        (b'{"prompt": "\xff"}', 400, "UTF-8"),
        (b'{"prompt": "\\ud800", "responses": []}', 400, "UTF-8"),
        ([1], 400, "object"),
        ({"responses": []}, 400, "prompt"),
        ({"prompt": "q", "responses": "a"}, 400, "responses"),
        ({"prompt": "q", "responses": [1]}, 400, "responses[0]"),
        (
            {"prompt": "q", "responses": "a"},
            400,
            "list of 1 or more objects or object), got 'a'",
        ),
        ({"prompt": "q", "responses": [], "respones": 1}, 400, "respones"),
        ({"prompt": "q", "responses": ["a"], "meta": "x"}, 400, "meta"),
        ({"groups": [{"prompt": "q", "responses": [], "meta": []}]}, 400, "groups[0].meta"),
        ({"prompt": "q", "responses": ["a"], "model": "other"}, 404, "rm"),
        ({"prompt": "q", "responses": ["a"] * 5000}, 413, "4096"),
    ],
)
def test_a_bad_request_says_what_is_wrong(body: object, status: int, words: str) -> None:
    with running({"rm": OfText()}) as url:
        answer = post(f"{url}/v1/score", body)
    assert answer.status_code == status
    assert words in str(answer.json()["error"])


def test_what_is_no_path_is_refused_in_the_shape_of_all_errors() -> None:
    with running({"rm": OfText()}) as url:
        no_path, no_method = post(f"{url}/v1/scores", {}), httpx2.get(f"{url}/v1/score")
    assert (no_path.status_code, no_method.status_code) == (404, 405)
    assert "/docs" in no_path.json()["error"]["message"]
    assert "POST" in no_method.json()["error"]["message"]
    assert no_path.json()["error"]["field"] == no_method.json()["error"]["field"] == "path"
