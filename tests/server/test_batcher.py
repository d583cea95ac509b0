"""The queue before a model: fair, in order, within its budget, and no request harms another."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import BackendError
from assay.server.batcher import Batch, Batcher, Full, Stopped, Work


class Asked(NamedTuple):
    client: str
    key: str
    tokens: int


class Model:
    """Takes its time with "wait" until it may go on, fails at "bad", and notes its batches."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[list[Any]]] = []

    def __call__(self, items: Sequence[Sequence[Any]]) -> list[list[Any]]:
        if items[0][0] == "wait":
            self.begun.set()
            assert self.go.wait(20)
        else:
            self.batches.append([list(row) for row in items])
        if any("bad" in row for row in items):
            raise ValueError("bad")
        if any("few" in row for row in items):
            return [row[1:] for row in map(list, items)]
        return [[("of", item) for item in row] for row in items]

    @property
    def order(self) -> list[list[Any]]:
        """The items of each batch."""
        return [[item for row in batch for item in row] for batch in self.batches]


def work(*items: Any, key: str = "k", tokens: int = 1) -> Work:
    return Work(key=key, items=items, tokens=tokens)


def held(
    asking: Callable[[Batcher], Sequence[Awaitable[Any]]], **more: Any
) -> tuple[Model, list[Any]]:
    """What is asked for while the model is busy, and then answered."""
    model = Model()

    async def run() -> list[Any]:
        batcher = Batcher(model, wait_s=0.0, **more)
        first = asyncio.ensure_future(batcher.ask([work("wait", key="first")], "nobody"))
        assert await asyncio.to_thread(model.begun.wait, 20)
        rest = [asyncio.ensure_future(one) for one in asking(batcher)]
        await asyncio.sleep(0)
        model.go.set()
        found = await asyncio.gather(first, *rest, return_exceptions=True)
        await batcher.drain()
        assert batcher.waiting == 0
        assert not batcher._keys
        return list(found[1:])

    return model, asyncio.run(run())


def simple(asked: Sequence[Asked], budget: int) -> list[list[int]]:
    """The batches of what waits from the start, by lists that are searched again and again."""
    left, turns = list(range(len(asked))), list(dict.fromkeys(one.client for one in asked))
    batches = []
    while left:
        batch: list[int] = []
        full = False
        while left and not full and sum(asked[i].tokens for i in batch) < budget:
            client = next(c for c in turns if any(asked[i].client == c for i in left))
            own = [i for i in left if asked[i].client == client]
            alike = [i for i in left if asked[i].key == asked[own[0]].key]
            for i in [i for i in alike if i in own] + [i for i in alike if i not in own]:
                room = budget - sum(asked[j].tokens for j in batch)
                full = bool(batch) and asked[i].tokens > room
                if full:
                    break
                batch.append(i)
                left.remove(i)
                turns = [c for c in turns if c != client] + [client]
        batches.append(batch)
    return batches


asked_for = st.lists(
    st.builds(Asked, st.sampled_from("ABC"), st.sampled_from("xyz"), st.integers(0, 9)), max_size=24
)


@settings(max_examples=150, deadline=None)
@given(asked_for, st.integers(1, 20))
def test_batches_are_those_of_a_simple_queue(asked: list[Asked], budget: int) -> None:
    model, found = held(
        lambda batcher: [
            batcher.ask([work(i, key=one.key, tokens=one.tokens)], one.client)
            for i, one in enumerate(asked)
        ],
        batch_tokens=budget,
    )
    assert found == [[[("of", i)]] for i in range(len(asked))]
    expected = simple(asked, budget)
    # Within a batch a key's items stand together.
    assert [sorted(batch) for batch in model.order] == [sorted(batch) for batch in expected]
    for batch in expected:
        assert len(batch) == 1 or sum(asked[i].tokens for i in batch) <= budget
    # Whoever waits has a turn in any as many batches as there are clients.
    clients = {one.client for one in asked}
    for start in range(len(expected)):
        waiting = {asked[i].client for batch in expected[start:] for i in batch}
        soon = {asked[i].client for batch in expected[start : start + len(clients)] for i in batch}
        assert waiting <= soon


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 4)), max_size=4)))
def test_results_are_in_the_order_of_each_request(requests: list[list[tuple[str, int]]]) -> None:
    def items(i: int, j: int, count: int) -> list[tuple[int, int, int]]:
        return [(i, j, n) for n in range(count)]

    _, found = held(
        lambda batcher: [
            batcher.ask([work(*items(i, j, n), key=key) for j, (key, n) in enumerate(works)])
            for i, works in enumerate(requests)
        ],
        batch_tokens=3,
    )
    assert found == [
        [[("of", item) for item in items(i, j, n)] for j, (_, n) in enumerate(works)]
        for i, works in enumerate(requests)
    ]


@pytest.mark.parametrize("one_key", [True, False])
def test_a_thousand_requests_of_one_client_do_not_starve_another(one_key: bool) -> None:
    model, found = held(
        lambda batcher: [
            *(
                batcher.ask([work(i, key="k" if one_key else f"{i}", tokens=10)], "many")
                for i in range(1000)
            ),
            batcher.ask([work("other", key="other", tokens=10)], "one"),
        ],
        batch_tokens=100,
    )
    assert len(found) == 1001
    assert "other" in [item for batch in model.order[:2] for item in batch]


def test_a_large_request_has_its_turn_and_goes_alone() -> None:
    model, _ = held(
        lambda batcher: [
            batcher.ask([work("a1", key="a1", tokens=4)], "a"),
            batcher.ask([work("large", key="large", tokens=99)], "b"),
            *(batcher.ask([work(f"a{i}", key=f"a{i}", tokens=4)], "a") for i in range(2, 8)),
        ],
        batch_tokens=10,
    )
    assert model.order[:2] == [["a1"], ["large"]]


def test_what_is_cancelled_is_not_run_and_leaves_its_room() -> None:
    async def run() -> None:
        model = Model()
        batcher = Batcher(model, wait_s=0.0, queue_tokens=100)
        first = asyncio.ensure_future(batcher.ask([work("wait")]))
        assert await asyncio.to_thread(model.begun.wait, 20)
        works = [work(f"left{i}", key=f"{i}", tokens=50) for i in range(2)]
        leaves = asyncio.ensure_future(batcher.ask(works, "a"))
        await asyncio.sleep(0)
        with pytest.raises(Full) as full:
            await batcher.ask([work("more", tokens=1)], "b")
        assert full.value.seconds >= 1
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        assert batcher.waiting == 0
        stays = asyncio.ensure_future(batcher.ask([work("more", tokens=1)], "b"))
        # One that leaves while the model is at it is nobody's business.
        first.cancel()
        await asyncio.sleep(0)
        model.go.set()
        assert await stays == [[("of", "more")]]
        await batcher.drain()
        assert model.order == [["more"]]

    asyncio.run(run())


def test_all_that_waits_may_leave_before_its_batch_is_made() -> None:
    async def run() -> None:
        batcher = Batcher(model := Model(), wait_s=0.05)
        leaves = asyncio.ensure_future(batcher.ask([work("left")]))
        await asyncio.sleep(0.01)
        leaves.cancel()
        await asyncio.sleep(0.1)
        assert await batcher.ask([work("next")]) == [[("of", "next")]]
        assert model.order == [["next"]]
        await batcher.drain()

    asyncio.run(run())


def test_an_error_is_of_its_own_work_alone() -> None:
    model, (fine, bad, alike, two) = held(
        lambda batcher: [
            batcher.ask([work("fine", key="f")]),
            batcher.ask([work("bad", key="b")]),
            batcher.ask([work("fine too", key="b")]),
            batcher.ask([work("good", key="g"), work("few", key="h")]),
        ]
    )
    assert fine == [[("of", "fine")]]
    assert isinstance(bad, ValueError)
    assert alike == [[("of", "fine too")]]
    assert isinstance(two, BackendError)
    # All, each of the four keys, and the two works of the one that failed.
    assert len(model.batches) == 7


def test_who_counts_wrong_does_not_stop_the_model() -> None:
    told: list[Batch] = []

    def watch(batch: Batch) -> None:
        told.append(batch)
        raise RuntimeError("no")

    _, found = held(
        lambda batcher: [batcher.ask([work("a", "b", tokens=7)]), batcher.ask([work("c")])],
        watch=watch,
    )
    assert found == [[[("of", "a"), ("of", "b")]], [[("of", "c")]]]
    assert [(b.works, b.keys, b.items, b.tokens, b.failed) for b in told][-1] == (2, 1, 3, 8, 0)


def test_draining_answers_what_waits_and_takes_no_more() -> None:
    async def run() -> None:
        model = Model()
        batcher = Batcher(model, wait_s=10.0)
        waits = [asyncio.ensure_future(batcher.ask([work(i, key=f"{i}")])) for i in range(5)]
        await asyncio.sleep(0.01)
        start = time.monotonic()
        await batcher.drain()
        assert time.monotonic() - start < 5
        assert [await one for one in waits] == [[[("of", i)]] for i in range(5)]
        assert not batcher.alive
        with pytest.raises(Stopped):
            await batcher.ask([work("late")])

    asyncio.run(run())


def test_what_arrives_within_the_wait_goes_together() -> None:
    async def run() -> None:
        batcher = Batcher(model := Model(), wait_s=60.0, batch_tokens=4)

        async def late(i: int) -> Any:
            await asyncio.sleep(0.02 * i)
            return await batcher.ask([work(i, key=f"{i}")])

        start = time.monotonic()
        await asyncio.gather(*map(late, range(4)))
        # A full batch waits for nothing.
        assert time.monotonic() - start < 30
        assert model.order == [[0, 1, 2, 3]]
        await batcher.drain()

    asyncio.run(run())
