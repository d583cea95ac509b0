"""Reasons first, then a verdict: K texts are K verdicts, and each is paid once."""

import signal
import subprocess
import sys
import threading

import pytest

from assay.answerers import phrasing
from assay.answerers.asking import Prices
from assay.answerers.ledger import Ledger
from assay.answerers.text import TextAnswerer
from assay.engines.openai import OpenAI
from assay.errors import BackendError, ConfigError
from assay.questions import Distribution, Question
from assay.types import Prompt, Response, Unscored
from tests.engines.fake_server import FakeServer, Reply

BETTER = Question.choice("Which is better?", ["first", "second"])
STATE = Prompt.of("Two answers.")


class Planted:
    """Writes what a function of prompt, number and seed says; all or nothing, as asked."""

    def __init__(self, write):
        self.write, self.asked = write, []

    fingerprint = "planted"

    def generate(self, prefixes, sampling):
        self.asked += [(p.prompt.text, p.first, sampling.seed) for p in prefixes]
        return [[self.write(p.prompt.text, p.first, sampling.seed)] for p in prefixes]


class Streamed(Planted):
    """The same as they come, backwards."""

    def stream(self, prefixes, sampling):
        for i in reversed(range(len(prefixes))):
            yield i, self.generate([prefixes[i]], sampling)[0]


def says(text, tokens=10):
    return Response(steps=(text,), meta={"tokens": tokens, "prompt_tokens": 100})


def by_number(*labels):
    """Write a verdict for each number; None is a text without one."""

    def write(text, number, seed):
        label = labels[number]
        return says(f"Reason {number}." if label is None else f"Reason {number}.\nVerdict: {label}")

    return write


def one(answerer, state=STATE, question=BETTER):
    return answerer.answer([state], [[question]])[0][0]


@pytest.mark.parametrize("generator", [Planted, Streamed])
def test_the_shares_of_the_verdicts(generator):
    planted = generator(by_number("A", "B", "A", None, "A"))
    found = one(TextAnswerer(planted, repeats=5, retries=0))
    assert found.probabilities == (0.75, 0.25)
    assert (found.verdicts, found.missing) == (4, 1)
    assert found.critiques == ("Reason 0.", "Reason 1.", "Reason 2.", "Reason 4.")


def test_a_text_without_a_verdict_gets_another_that_is_counted():
    def write(text, number, seed):
        return says("Verdict: B" if seed or number else "Hm.")

    planted = Planted(write)
    answerer = TextAnswerer(planted, repeats=2)
    found = one(answerer)
    assert (found.probabilities, found.missing, answerer.writer.ledger.retried) == (
        (0.0, 1.0),
        0,
        1,
    )
    assert [(number, seed) for _, number, seed in planted.asked] == [(0, 0), (1, 0), (0, 1)]
    assert answerer.writer.ledger.paid.requests == 3


def test_the_same_text_again_would_say_the_same():
    answerer = TextAnswerer(Planted(by_number(None)), retries=5)
    said = one(answerer)
    assert isinstance(said, Unscored)
    assert said.reason.startswith("no verdict in 1 text: ")
    assert len(answerer.writer.generator.asked) == 1


def test_a_text_that_is_cut_off_has_no_verdict():
    cut = Response(steps=("Verdict: A is",), finished=False)
    found = one(TextAnswerer(Planted(lambda *_: cut), max_tokens=7))
    assert isinstance(found, Unscored)
    assert "cut off at max_tokens, 7" in found.reason


def test_resuming_asks_for_what_is_missing(tmp_path):
    write = by_number("A", "B", "A", "A")
    with Ledger(tmp_path / "ledger") as ledger:
        one(TextAnswerer(Planted(write), repeats=2, ledger=ledger, prices=Prices(tokens_out=1e5)))
        assert ledger.paid.money == pytest.approx(2.0)
    with Ledger(tmp_path / "ledger") as ledger:
        planted = Planted(write)
        found = one(TextAnswerer(planted, repeats=4, ledger=ledger))
        assert found.probabilities == (0.75, 0.25)
        assert [number for _, number, _ in planted.asked] == [2, 3]
        assert (ledger.paid.requests, ledger.saved.requests, ledger.saved.tokens_in) == (2, 2, 200)


def test_equal_questions_are_asked_once():
    planted = Planted(by_number("A"))
    answerer = TextAnswerer(planted)
    first, second = answerer.answer([STATE, STATE], [[BETTER], [BETTER]])
    assert first == second
    assert len(planted.asked) == 1
    other = BETTER.model_copy(update={"text": "Which is worse?"})
    one(answerer, question=other)
    assert len(planted.asked) == 2


def test_one_state_that_fails_is_not_the_end():
    def write(text, number, seed):
        if "bad" in text:
            raise BackendError("too long")
        return says("Verdict: A")

    states = [Prompt.of(text) for text in ("a", "bad", "c")]
    found = TextAnswerer(Planted(write)).answer(states, [[BETTER]] * 3)
    assert [isinstance(some[0], Distribution) for some in found] == [True, False, True]
    assert found[1][0] == Unscored(reason="too long")
    with pytest.raises(BackendError, match="too long"):
        one(TextAnswerer(Planted(write)), Prompt.of("bad"))


@pytest.mark.parametrize("settings", [{"repeats": 0}, {"repeats": 2, "temperature": 0.0}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ConfigError):
        TextAnswerer(Planted(by_number("A")), **settings)


def test_the_name_is_of_what_changes_an_answer():
    def name(**settings):
        return TextAnswerer(Planted(by_number("A")), **settings).fingerprint

    assert name() == name(ledger=Ledger(), prices=Prices())
    others = [{"repeats": 2}, {"seed": 1}, {"max_tokens": 5}, {"temperature": 0.5}]
    assert len({name(), *(name(**settings) for settings in others)}) == 5


KILLED = """
import sys
from assay.answerers.ledger import Ledger
from assay.answerers.text import TextAnswerer
from assay.engines.openai import OpenAI
from assay.questions import Question
from assay.types import Prompt

server = OpenAI(base_url=sys.argv[1], model="m", concurrency=2)
states = [Prompt.of(f"state {i}") for i in range(10)]
question = Question.choice("Which is better?", ["first", "second"])
with Ledger(sys.argv[2]) as ledger:
    answerer = TextAnswerer(server, repeats=3, ledger=ledger)
    answers = answerer.answer(states, [[question]] * 10)
    print(sum(one.verdicts for (one,) in answers), ledger.paid.requests, ledger.saved.requests)
"""


def test_a_kill_in_the_middle_costs_what_is_under_way(tmp_path):
    held = threading.Event()

    def script(asked):
        waits = asked.number >= 14 and not held.is_set()
        text = f"Because.\nVerdict: {'AB'[asked.body['seed'] % 2]}"
        return Reply(choice={"text": text}, wait=held if waits else 0.0)

    with FakeServer(script) as server:
        command = [sys.executable, "-c", KILLED, server.url, str(tmp_path / "ledger")]
        killed = subprocess.Popen(command)
        with Ledger(tmp_path / "ledger") as ledger:
            # 14 are written down and both connections hold another: nothing is between the two.
            while (len(ledger), len(server.asked)) != (14, 16) and killed.poll() is None:
                threading.Event().wait(0.02)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        before = len(server.asked)
        held.set()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        verdicts, paid, saved = map(int, done.stdout.split())
    assert (verdicts, paid, saved) == (30, 16, 14)
    assert (before, len(server.asked) - before) == (16, 16)


def test_a_server_that_refuses_some(tmp_path):
    def script(asked):
        if "bad" in asked.text:
            return Reply(status=400, body={"error": {"message": "too long"}})
        return Reply(choice={"text": "Verdict: A"})

    with FakeServer(script) as server:
        answerer = TextAnswerer(OpenAI(base_url=server.url, model="m"), repeats=2)
        states = [Prompt.of(text) for text in ("a", "bad", "c")]
        found = answerer.answer(states, [[BETTER]] * 3)
    assert [isinstance(some[0], Distribution) for some in found] == [True, False, True]
    assert "too long" in found[1][0].reason


def test_another_way_of_reading_has_another_name():
    """What was read in one way is no answer of another."""

    class Other(TextAnswerer):
        pass

    assert Other(Planted(says)).fingerprint != TextAnswerer(Planted(says)).fingerprint


def test_a_rating_that_is_written_is_a_number() -> None:
    """A model that reasons writes "Verdict: 8", and no letter in its place."""
    ten = Question.score("How good is it?", [str(level) for level in range(1, 11)])
    said = phrasing.asked(Prompt.of("It."), ten, how="reason")
    assert "A:" not in said.text
    assert phrasing.verdict("Good.\nVerdict: 10", ten) == 9
    named = Question.score("How good is it?", ["bad", "good"])
    assert phrasing.labels(named, how="reason") == phrasing.labels(named) == ("0", "1")
    assert phrasing.labels(ten)[:2] == ("A", "B")
