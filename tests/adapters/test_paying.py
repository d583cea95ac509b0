"""What a completion earns, in every adapter."""

import asyncio
import math

import pytest

from assay.errors import ConfigError, DataError
from assay.specs.rewards import reward
from assay.types import Unscored
from assay.workflows.paying import Paid, payer, prompt_of, total_of
from tests.adapters.scored import Planted, worth


def paid(word: object, *texts: str, split: str = "newline") -> list[Paid | Unscored]:
    pays = payer(word, split=split)
    return pays.pay([(prompt_of("q"), pays.said(text)) for text in texts])


def part(scorer: Planted, **settings: object) -> object:
    from dataclasses import replace

    return replace(reward(scorer), **settings)


def test_the_total_is_the_sum_of_steps_the_last_one_or_the_score() -> None:
    steps = ["xx\n", "x"]
    for settings, wanted in (
        ({"place": "every_step"}, [worth(one) for one in steps]),
        ({"aggregate": "last"}, [0.0, worth("x")]),
        ({}, [0.0, min(map(worth, steps))]),
        ({"place": "every_step", "weight": -2.0}, [-2 * worth(one) for one in steps]),
    ):
        (one,) = paid(part(Planted(), **settings), "xx\nx")
        assert isinstance(one, Paid)
        assert one.steps == pytest.approx(wanted)
        assert one.total == pytest.approx(math.fsum(wanted))


def test_prompts_in_a_row_are_one_group_and_answers_come_in_order() -> None:
    planted = Planted()
    pays = payer(part(planted, place="every_step"))
    texts = ["x", "xx", "", "?", "xxx"]
    pairs = [(prompt_of(p), pays.said(t)) for p, t in zip("aabba", texts, strict=True)]
    got = pays.pay(pairs)
    assert [len(group.responses) for group in planted.groups] == [2, 2, 1]
    totals = [one.total if isinstance(one, Paid) else None for one in got]
    assert totals == pytest.approx([worth("x"), worth("xx"), 0.0, None, worth("xxx")])
    assert pays.pay([]) == []


def test_what_cannot_be_scored_is_a_reason_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (one,) = paid(Planted(), "why?")
    assert one == Unscored(reason="it asks")
    assert "1 of 1 unscored: it asks" in caplog.text
    with pytest.raises(DataError, match="unscored: it asks"):
        total_of(one)


def test_messages_are_one_text_in_steps_or_turns() -> None:
    pays = payer(Planted())
    assert pays.said([{"role": "assistant", "content": "a\nb"}]).steps == ("a\n", "b")
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "4"},
        {"role": "assistant", "content": "4\nx"},
    ]
    assert pays.said(turns).steps == ("f({})", "4\nx")


def test_rewards_of_a_batch_are_refused() -> None:
    for word in ("longest,standardise", "longest,must_pass=1"):
        with pytest.raises(ConfigError, match="made of a batch"):
            payer(word)


def test_a_thread_asks_and_the_loop_goes_on() -> None:
    pays = payer(Planted())

    async def several() -> list[Paid | Unscored]:
        each = (pays.pay_one(prompt_of("q"), pays.said("x" * n)) for n in range(1, 9))
        return list(await asyncio.gather(*each))

    assert [total_of(one) for one in asyncio.run(several())] == [
        pytest.approx(worth("x" * n)) for n in range(1, 9)
    ]
    assert payer("longest").lock is not None
