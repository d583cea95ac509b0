"""Answer with a language model behind an HTTP server, read at the labels.

One request per question asks for one token and for log-probabilities at it, greedily and without a
grammar, behind which all other tokens would have none and the labels' mass would always be 1. What
a server gives is kept in the ledger as it came.

What servers are asked for, by dialect:

* openai: the `top` likeliest tokens, 20 at most; not known to continue an answer that is begun.
* vllm: exactly the labels' tokens (`logprob_token_ids`), which its `/tokenize` tells; a vLLM that
  does not know them gives the likeliest ones. Raw values unless started with another
  `--logprobs-mode`.
* sglang: the likeliest tokens, as many as wanted. Above temperature 0 its values are those after
  temperature.
* llama-server: the likeliest tokens, as many as wanted, before its samplers.
* auto: as vllm where `/tokenize` answers as vLLM's and SGLang's do, as llama-server where it
  answers as that, else as openai.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final, Literal, get_args

from assay.answerers import phrasing
from assay.answerers.asking import Asked, Server, ask_all
from assay.answerers.first_token import kept
from assay.answerers.label_tokens import Tokenizer, key
from assay.answerers.ledger import Ledger, Usage
from assay.answerers.token_logs import Labels, TokenLogs, distribution
from assay.chat import openai
from assay.errors import BackendError, ConfigError
from assay.fingerprint import fingerprint
from assay.http.client import Pace
from assay.questions import FLOOR, Distribution, Question
from assay.types import Prompt, Unscored

__all__ = ["SLACK", "Dialect", "LabelAnswerer"]

Dialect = Literal["auto", "vllm", "openai", "sglang", "llama-server"]

SLACK: Final = 0.05
"""Most that an unknown probability may move an answer."""
TOP: Final = {"openai": 20, "vllm": 20, "sglang": 100, "llama-server": 100}
"""Likeliest tokens that are asked for."""
FIRST: Final = 3
"""Requests that are made before all others; as many as `ask_all` needs to call a server down."""
CONTINUES: Final = {"continue_final_message": True, "add_generation_prompt": False}
AT_ONCE: Final = {"chat_template_kwargs": {"enable_thinking": False}}
"""What chat templates that know it take for a wish to answer at once."""
OURS: Final = ("messages", "model", "logprobs", "top_logprobs", "logprob_token_ids", "n", "stream")
MASKS: Final = (
    "allowed_token_ids", "ebnf", "grammar", "guided_choice", "guided_grammar", "guided_json",
    "guided_regex", "json_schema", "logit_bias", "post_sampling_probs", "regex", "response_format",
    "structured_outputs", "tools",
)  # fmt: skip
"""Settings that change or mask the probabilities before they are given."""


class LabelAnswerer:
    """An `Answerer` on a server that gives log-probabilities.

    top: likeliest tokens asked for; None = 20, or 100 of servers that give as many. floor: least
    probability of all labels together. slack: most that tokens the server does not give may move a
    probability; a reading that is less certain is `Unscored`. labels: letters and digits, or the
    options' own names ("words"). repeats: requests per question, their mean is the answer; they
    differ as far as the server's arithmetic does. extra: more settings of every request, over those
    made here; one that is None is left out, such as {"max_tokens": None, "max_completion_tokens":
    1}. ledger: where answers are kept; None = in memory.

    A label counts with a space before it and without, and one of two letters or more also in other
    case, where no other label is meant. Raises `ConfigError` for settings that would change the
    probabilities, and where a label is known not to be one token; `BackendError` where the server
    ignores or refuses the request for log-probabilities, or where the model thinks before it
    answers.
    """

    def __init__(
        self,
        server: Server,
        model: str,
        *,
        dialect: Dialect = "auto",
        top: int | None = None,
        floor: float = FLOOR,
        slack: float = SLACK,
        repeats: int = 1,
        labels: phrasing.Style = "auto",
        ledger: Ledger | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if dialect not in get_args(Dialect):
            raise ConfigError(
                f"no dialect is called {dialect!r}; there is {', '.join(get_args(Dialect))}"
            )
        least = min(repeats, 1 if top is None else top)
        if least < 1 or not 0 <= floor <= 1 or not 0 <= slack <= 1:
            raise ConfigError(
                f"repeats is {repeats}, top {top}, floor {floor} and slack {slack}; at least 1 and"
                " 1, and 0 to 1, are needed"
            )
        self.server = server
        self.model = model
        self.dialect: Dialect = dialect
        self.top = top
        self.floor = floor
        self.slack = slack
        self.repeats = repeats
        self.labels: phrasing.Style = labels
        self.ledger = Ledger() if ledger is None else ledger
        self.extra = _allowed(extra or {})
        self._reads = False
        """Whether any answer had log-probabilities."""
        self._known: dict[tuple[tuple[str, ...], str], Labels] = {}

    @property
    def fingerprint(self) -> str:
        """Name by address, model, what is sent and how it is read. A server that serves other
        weights under the same name is the same here: give it another name."""
        sent = (
            self.server.base_url.rstrip("/"),
            self.model,
            self.dialect,
            self.top,
            self.repeats,
            self.extra,
        )
        return fingerprint((type(self), sent, self.floor, self.slack, self.labels))

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """Answer each state's own questions, in order (`protocols.Answerer`)."""
        pairs = [
            (state, question)
            for state, some in zip(states, questions, strict=True)
            for question in some
        ]
        if not pairs:
            return [[] for _ in states]
        # Labels that cannot be read are found before anything is paid.
        labels = [self._labels(question) for _, question in pairs]
        bodies = [self._body(*pair, one) for pair, one in zip(pairs, labels, strict=True)]
        asked = [
            Asked(key=key(self.server, self.model, body), repeat=repeat, body=body)
            for body in bodies
            for repeat in range(self.repeats)
        ]
        given = iter(self._ask(asked))
        answers = iter(
            _mean([self._read(next(given), one) for _ in range(self.repeats)]) for one in labels
        )
        return [[next(answers) for _ in some] for some in questions]

    def _ask(self, asked: Sequence[Asked]) -> list[Any | Unscored]:
        """Return what is kept of each answer. A few come first: what a server cannot do it need
        not be asked five hundred times."""
        url = self.server.base_url

        def read(payload: Any) -> tuple[Any, Usage]:
            answer, usage = kept(payload, url=url, alone=not self._reads)
            self._reads = self._reads or "ended" not in answer
            return answer, usage

        ask = partial(ask_all, self.server, "chat/completions", ledger=self.ledger, pace=self._pace)
        first = ask(asked[:FIRST], read)
        failed = [one.reason for one in first if isinstance(one, Unscored)]
        about = [reason for reason in failed if _about_settings(reason, asked[0].body)]
        if len(failed) == len(first) and about:
            raise BackendError(
                f"{url} does not give what is asked for of {self.model}: {about[0]}; set `top` or"
                " `extra` to what it allows, or read the verdict in a text"
                " (reads=text, or `TextAnswerer`)"
            )
        self._reads = self._reads or len(failed) < len(first)
        return first + ask(asked[FIRST:], read)

    def _read(self, answer: Any | Unscored, labels: Labels) -> Distribution | Unscored:
        if isinstance(answer, Unscored):
            return answer
        if "ended" in answer:
            return Unscored(reason=answer["ended"])
        token, log = answer["written"]
        logs = TokenLogs((token, log), tuple((name, value) for name, value in answer["top"]))
        return distribution(logs, labels, floor=self.floor, slack=self.slack)

    def _body(self, state: Prompt, question: Question, labels: Labels) -> dict[str, Any]:
        prompt = phrasing.asked(state, question, style=self.labels)
        messages = [openai(message) for message in prompt.messages]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": self.top or TOP[self._dialect],
        }
        if self._dialect != "openai":
            body |= AT_ONCE
        if begin := _begin(question):
            messages.append({"role": "assistant", "content": begin})
            body |= CONTINUES
        if labels.ids:
            ids = sorted(int(name.partition(":")[2]) for name in labels.ids)
            body |= {"logprob_token_ids": ids, "return_tokens_as_token_ids": True}
        if prompt.tools:
            body["tools"] = [dict(tool) for tool in prompt.tools]
        body |= self.extra
        return {name: value for name, value in body.items() if value is not None}

    def _labels(self, question: Question) -> Labels:
        """What the labels of a question may be as tokens, and which, where the server can tell."""
        stand, begin = phrasing.labels(question, self.labels), _begin(question)
        if begin and self._dialect == "openai":
            raise ConfigError(
                f"a verdict written as {question.form!r} begins with {begin!r}, and this server is"
                " not known to continue an answer that is begun; give the dialect of one that does"
                " (vllm, sglang, llama-server), or read the verdict in a text"
                " (reads=text, or `TextAnswerer`)"
            )
        if (stand, begin) not in self._known:
            ids = self._tokenizer.places(stand, begin) if self._dialect == "vllm" else {}
            self._known[stand, begin] = Labels(stand, ids)
        return self._known[stand, begin]

    @cached_property
    def _dialect(self) -> str:
        return self._tokenizer.dialect() if self.dialect == "auto" else self.dialect

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self.server, self.model, self.ledger, self._pace)

    @cached_property
    def _pace(self) -> Pace:
        return Pace(self.server.requests_per_minute)


def _allowed(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that leave the probabilities as the model has them."""
    for name in extra:
        if name in OURS:
            raise ConfigError(f"{name} is made here; it cannot be among the extra settings")
        if name in MASKS:
            raise ConfigError(
                f"{name} changes or masks the probabilities before the server gives them, and hides"
                " that the model would say something else; leave it out"
            )
    if extra.get("temperature", 0) not in (None, 0, 1):
        raise ConfigError(
            f"temperature is {extra['temperature']}; some servers give probabilities after"
            " temperature: leave it out, or give 0 or 1"
        )
    return dict(extra)


def _about_settings(reason: str, body: Mapping[str, Any]) -> bool:
    """Return whether a refusal is of the request's settings, and not of what is asked."""
    named = [name for name in body if name not in ("model", "messages") and name in reason]
    return "logprob" in reason or bool(named and "support" in reason)


def _begin(question: Question) -> str:
    """Return what the answer begins with before its label."""
    return "" if question.text else question.form.partition("{}")[0]


def _mean(answers: Sequence[Distribution | Unscored]) -> Distribution | Unscored:
    """Return the mean of repeated answers."""
    good = [one for one in answers if isinstance(one, Distribution)]
    if len(answers) == 1 or not good:
        return answers[0]
    n = len(good)
    intervals = [one.bounds or tuple((p, p) for p in one.probabilities) for one in good]
    bounds = tuple(
        (sum(low for low, _ in some) / n, sum(high for _, high in some) / n)
        for some in zip(*intervals, strict=True)
    )
    columns = zip(*(one.probabilities for one in good), strict=True)
    return Distribution(
        probabilities=tuple(sum(some) / n for some in columns),
        mass=min(one.mass or 0.0 for one in good),
        bounds=bounds if any(one.bounds for one in good) else (),
        missing=len(answers) - n,
    )
