"""What scorers do wrong costs their own request, with an error: no number, no hang, no end."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response, Unscored
from tests.server.running import post, running
from tests.server.scorers import Characters
from tests.training import planted

SAID = {"output": [{"type": "message", "role": "assistant", "content": "a"}]}
ASKED: dict[str, Any] = {
    "/v1/score": {"prompt": "q", "responses": ["a"]},
    "/get_reward": {"query": ["a"]},
    "/slime": {"prompt": "q", "response": "a"},
    "/verify": {"responses_create_params": {"input": "q"}, "response": SAID},
    "/classify": {"input": "a"},
    "/predict": {"inputs": "a", "raw_scores": True},
}


@dataclass(frozen=True)
class Faulty:
    """Gives one thing for each response, or does one thing."""

    give: Callable[[], Any]
    fingerprint: str = "faulty"

    def score(self, groups: Sequence[Group]) -> Any:
        return [[self.give() for _ in group.responses] for group in groups]


def stop() -> None:
    raise StopIteration("no more")


def interrupt() -> None:
    raise KeyboardInterrupt


GIVE: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "number": lambda: 1.0,
    "text": lambda: "1.0",
    "exit": lambda: sys.exit("secret"),
    "stop": stop,
    "interrupt": interrupt,
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running({name: Faulty(give) for name, give in GIVE.items()} | {"rm": Characters()}) as url:
        yield url


@pytest.mark.parametrize("name", GIVE)
@pytest.mark.parametrize("path", ASKED)
def test_what_is_no_score_is_an_error_in_every_dialect(url: str, name: str, path: str) -> None:
    start = time.monotonic()
    found = post(f"{url}/models/{name}{path}", ASKED[path])
    assert found.status_code == 500, found.text
    assert "secret" not in found.text
    assert time.monotonic() - start < 30
    assert post(f"{url}/models/rm{path}", ASKED[path]).status_code == 200
    assert post(f"{url}/models/{name}{path}", ASKED[path]).status_code == 500


@pytest.mark.filterwarnings("ignore:a text that was laid out elsewhere")
@pytest.mark.parametrize("ids", [(-1,), (10**6,), (1, -(10**20), 2), ()])
def test_token_ids_that_the_model_has_no_row_for_never_reach_it(ids: tuple[int, ...]) -> None:
    scorer = LocalScorer(planted.model("outcome"))
    group = Group(prompt=Prompt(messages=()), responses=(Response(steps=("a",), rendered=ids),))
    ((found,),) = scorer.score([group])
    assert isinstance(found, Unscored)
