"""What a generator of one's own does wrong is an error that names it."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from assay.errors import BackendError
from assay.protocols import Generator, Prefix, Sampling, Streaming
from assay.specs.opened import opened_generator
from assay.types import Message, Prompt, Response, Unscored

PREFIX = Prefix(Prompt(messages=(Message(role="user", content="Q?"),)), steps=("a",))
GOOD = Response(steps=("a", "b"))


class Own:
    """Gives what it was made with, or raises it."""

    fingerprint = "own"

    def __init__(self, found: Any) -> None:
        self.found = found

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> Any:
        if isinstance(self.found, BaseException):
            raise self.found
        return self.found


class Stream(Own):
    def stream(self, prefixes: Sequence[Prefix], sampling: Sampling) -> Iterator[Any]:
        yield from self.found


def opened(found: Any) -> Generator:
    return opened_generator(Own(found), "mine:own")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "gave None"),
        ("text", "gave 'text'"),
        ([], "answered 0 of 1 prefixes"),
        ([GOOD], "for a prefix"),
        ([["text"]], "gave 'text' as a response"),
        ([[Unscored(reason="down")]], "as a response"),
        ([[GOOD] * 3], "gave 3 responses where 2"),
        ([[Response(steps=("x",))]], "gave 'x', which does not begin with the prefix 'a'"),
        (KeyError("k"), "failed: KeyError"),
        (SystemExit(0), "failed: SystemExit"),
    ],
)
def test_a_broken_promise_names_the_generator(found: Any, said: str) -> None:
    with pytest.raises(BackendError, match=f"mine:own {said}|mine:own gave .* {said}"):
        opened(found).generate([PREFIX], Sampling(n=2))


def test_what_is_kept_is_passed_on() -> None:
    assert opened([(GOOD,)]).generate([PREFIX], Sampling(n=2)) == [[GOOD]]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([(0, [GOOD])], "answered 1 of 2"),
        ([(0, [GOOD]), (0, [GOOD])], r"gave \(0, "),
        ([GOOD], "gave Response"),
        ([([], [GOOD])], r"gave \(\[\]"),
        ([(0, "text")], "gave 'text' for a prefix"),
    ],
)
def test_a_stream_that_breaks_off_or_repeats_is_an_error(found: Any, said: str) -> None:
    stream = opened_generator(Stream(found), "mine:own")
    assert isinstance(stream, Streaming)
    with pytest.raises(BackendError, match=f"mine:own {said}"):
        list(stream.stream([PREFIX, PREFIX], Sampling(n=1)))


def test_a_stream_may_say_why_there_is_nothing() -> None:
    found = [(1, Unscored(reason="down")), (0, [GOOD])]
    stream = opened_generator(Stream(found), "mine:own")
    assert isinstance(stream, Streaming)
    assert list(stream.stream([PREFIX, PREFIX], Sampling(n=1))) == found
