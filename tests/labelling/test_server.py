"""Labels through a server that fails are those through one that does not; a failed rollout is never
a wrong one."""

from typing import Any

from assay.engines.openai import OpenAI
from assay.labelling.ledger import Ledger
from assay.labelling.montecarlo import MonteCarlo
from assay.labelling.rollouts import Rollouts
from assay.protocols import Sampling
from assay.types import Prompt
from tests.engines.fake_server import OK, Asked, FakeServer, Reply
from tests.labelling.planted import LastWord, solution

GIVEN = [
    solution(marks, prompt=Prompt.of(f"How many {marks}?", reference="11"))
    for marks in ("++-", "+--", "---")
]
FAULTS = (
    Reply(status=429, headers={"Retry-After": "0"}),
    Reply(status=500),
    Reply(broken="cut"),
    Reply(broken="closed"),
    Reply(wait=1.6),
    OK,
)


def answer(asked: Asked) -> Reply:
    """Right three times in four from before an error, by the seed; never from after it."""
    right = "-" not in asked.text.partition("?")[2] and asked.body["seed"] % 4
    return Reply(choice={"text": "so 11" if right else "so 1"})


def faulty(asked: Asked) -> Reply:
    """Every request fails in one way or another the first time that it is made, most of them."""
    fault = FAULTS[asked.number % len(FAULTS)]
    return answer(asked) if asked.same or fault is OK else fault


def down_for_one(asked: Asked) -> Reply:
    """One prefix is refused for good."""
    refused = "++-?" in asked.text and asked.text.endswith("+ + ")
    return Reply(status=400, body={"error": {"message": "too long"}}) if refused else faulty(asked)


def label(script: Any, ledger: Ledger) -> tuple[list[Any], Rollouts]:
    with FakeServer(script) as server:
        generator = OpenAI(
            base_url=server.url,
            model="m",
            api="completions",
            concurrency=4,
            tries=6,
            timeout_s=1.0,
            backoff_s=0.002,
        )
        rollouts = Rollouts(
            generator=generator,
            verifier=LastWord(),
            sampling=Sampling(seed=1),
            name="server",
            ledger=ledger,
        )
        return MonteCarlo(rollouts=4, label="soft")(GIVEN, rollouts), rollouts


def test_a_server_that_fails_gives_the_labels_of_one_that_does_not() -> None:
    calm, _ = label(answer, Ledger())
    torn, rollouts = label(faulty, Ledger())
    assert torn == calm
    assert rollouts.cost.failed == {}
    assert rollouts.cost.rollouts == 4 * 9
    assert {y for record in calm for y in record.labels[:-1]} >= {0.0}
    assert max(y for record in calm for y in record.labels) > 0.5


def test_a_prefix_that_is_refused_has_no_label_until_another_run_gets_it() -> None:
    ledger = Ledger()
    calm, _ = label(answer, Ledger())
    some, rollouts = label(down_for_one, ledger)
    assert some[0].labels[1] is None
    assert some[0].rollouts[1] == 0
    assert sum(rollouts.cost.failed.values()) == 1
    assert "too long" in next(iter(rollouts.cost.failed))
    assert some[1:] == calm[1:]
    again, rollouts = label(answer, ledger)
    assert again == calm
    assert rollouts.cost.rollouts == 4
