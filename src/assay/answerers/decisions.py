"""Ask a decision server: a model, or a gateway to one, that answers typed questions with a
probability for each option.

A state's questions share requests, split to what the server takes; names on the wire are our own,
as those of questions may repeat or be empty. Every request is kept in the ledger under its body, so
asking again costs nothing and a killed run resumes.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from assay.answerers.asking import Asked, Server, ask_all
from assay.answerers.dialects import states as written
from assay.answerers.dialects.reading import distributions, kept
from assay.answerers.dialects.table import DIALECTS, Dialect
from assay.answerers.ledger import Ledger
from assay.components import did_you_mean
from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.http.client import Pace
from assay.questions import FLOOR, Distribution, Question
from assay.types import Prompt, Unscored

__all__ = ["DecisionAnswerer"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecisionAnswerer:
    """An `Answerer` on a decision server.

    A question that the server refuses, or whose answer cannot be read, is `Unscored`, as is one
    whose labels have less mass than the floor, where the server sends the mass.
    """

    server: Server
    """Its base URL ends before the path that the dialect names, usually in /v1."""
    model: str
    """Name that the server knows it by; what answers may go by another, see `served`."""
    dialect: str = "openai"
    """Name in `dialects.table.DIALECTS`."""
    ledger: Ledger = field(default_factory=Ledger, kw_only=True, compare=False)
    """Where answers are kept."""
    floor: float = field(default=FLOOR, kw_only=True)
    """Least mass of the labels."""
    per_request: int | None = field(default=None, kw_only=True)
    """Questions per request at most; 1 asks each alone, so that none sways another. None = as many
    as the server takes."""
    structured: bool = field(default=False, kw_only=True)
    """Send a text that is a JSON object or list as such, where the server takes it."""
    repeat: int = field(default=0, kw_only=True)
    """Number of the repeat: another one asks the same anew."""
    extra: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    """More settings for every request, over those made here; one that is None is left out."""

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise ConfigError(
                f"no dialect is called {self.dialect!r}{did_you_mean(self.dialect, DIALECTS)};"
                f" there is {', '.join(DIALECTS)}"
            )
        if not self.model:
            raise ConfigError("model is empty; give the name that the server knows it by")
        if self.per_request is not None and self.per_request < 1:
            raise ConfigError(f"per_request is {self.per_request}; it must be at least 1")
        if self.structured and not self._dialect.structured:
            able = [word for word, one in DIALECTS.items() if one.structured]
            raise ConfigError(
                f"{self.dialect} takes texts alone; structured states are for {', '.join(able)}"
            )

    @property
    def fingerprint(self) -> str:
        """Name by address, model and what is sent. A server that serves other weights under the
        same name is the same here."""
        how = self.floor, self.per_request, self.structured, self.repeat, self.extra
        where = self.server.base_url.rstrip("/"), self.model, self.dialect
        return fingerprint((type(self), *where, *how))

    @property
    def served(self) -> Mapping[str, int]:
        """Answered requests by the model that the server says it asked, those in the ledger
        included; "" where it does not say."""
        return dict(self._served)

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """Answer each state's own questions, in order.

        Raises `ConfigError`, before anything is sent, for questions that the server does not take,
        and `BackendError` where going on is of no use.
        """
        if len(states) != len(questions):
            raise ConfigError(f"{len(states)} states with {len(questions)} lists of questions")
        _check([one for asked in questions for one in asked], self.dialect, self._dialect)
        heads = [self._head(state) for state in states]
        parts = [
            (i, part)
            for i, asked in enumerate(questions)
            if not isinstance(heads[i], Unscored)
            for part in self._parts(asked)
        ]
        found = self._ask([self._body(heads[i], part) for i, part in parts])
        results: list[list[Distribution | Unscored]] = [[] for _ in states]
        for (i, part), answer in zip(parts, found, strict=True):
            if isinstance(answer, Unscored):
                results[i] += [answer] * len(part)
            else:
                results[i] += distributions(answer, part, self.floor)
        for i, head in enumerate(heads):
            if isinstance(head, Unscored):
                results[i] = [head] * len(questions[i])
        return results

    def _ask(self, bodies: Sequence[Mapping[str, Any]]) -> list[Any | Unscored]:
        """Return what is kept of the answer to each request."""
        path = self._dialect.path.replace("{model}", self.model)
        where = self.server.base_url.rstrip("/"), path
        # As text: a fingerprint passes over the order of keys, which is that of options in System
        # One's dialect.
        asked = [
            Asked(key=fingerprint((*where, json.dumps(body))), repeat=self.repeat, body=body)
            for body in bodies
        ]
        read = partial(kept, dialect=self._dialect)
        found = ask_all(self.server, path, asked, read, ledger=self.ledger, pace=self._pace)
        for answer in found:
            if not isinstance(answer, Unscored):
                self._note(str(answer.get("model", "")))
        return found

    def _note(self, served: str) -> None:
        if served not in self._served and served not in ("", self.model):
            log.warning("asked for %s, the server answers with %s", self.model, served)
        self._served[served] += 1

    def _head(self, state: Prompt) -> dict[str, Any] | Unscored:
        """Return the part of the body that says what questions are about."""
        dialect = self._dialect
        if written.has_pictures(state) and not dialect.pictures:
            return Unscored(reason=f"{self.dialect} takes texts alone, and the state has more")
        if dialect.turns == "items":
            try:
                return {dialect.state: written.items(state)}
            except DataError as error:
                return Unscored(reason=str(error))
        lead, text = written.text(state)
        if dialect.system == "instructions":
            apart = {"instructions": lead} if lead else {}
            return {dialect.state: self._shaped(text), **apart}
        return {dialect.state: f"{lead}\n\n{text}" if lead else self._shaped(text)}

    def _shaped(self, text: str) -> Any:
        """Return the text, or the object or list that it is."""
        if not self.structured:
            return text
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return value if isinstance(value, (dict, list)) else text

    def _parts(self, asked: Sequence[Question]) -> Iterator[Mapping[str, Question]]:
        """Split questions to requests, each under a name of its own."""
        limits = [n for n in (self._dialect.most_questions, self.per_request) if n is not None]
        size = min([*limits, max(1, len(asked))])
        for start in range(0, len(asked), size):
            yield {f"q{i}": one for i, one in enumerate(asked[start : start + size])}

    def _body(self, head: Any, part: Mapping[str, Question]) -> dict[str, Any]:
        # Where the address holds the whole name, the body has its last part.
        named = self.model.rpartition("/")[2] if "{model}" in self._dialect.path else self.model
        body = {
            "model": named if self._dialect.names_model else None,
            **head,
            "questions": self._dialect.questions(part),
            **self._dialect.also,
            **self.extra,
        }
        return {key: value for key, value in body.items() if value is not None}

    @property
    def _dialect(self) -> Dialect:
        return DIALECTS[self.dialect]

    @cached_property
    def _pace(self) -> Pace:
        return Pace(self.server.requests_per_minute)

    @cached_property
    def _served(self) -> Counter[str]:
        return Counter()


def _check(questions: Sequence[Question], word: str, dialect: Dialect) -> None:
    """Raise `ConfigError` for the first question that the server does not take, with how many do
    not fit."""
    bad = [(one, why) for one in questions if (why := _misfit(one, dialect))]
    if bad:
        question, why = bad[0]
        what = question.name or question.text[:60] or "a question"
        more = f" (and {len(bad) - 1} more that do not fit)" if len(bad) > 1 else ""
        raise ConfigError(f"{word} cannot be asked {what!r}: {why}{more}")


def _misfit(question: Question, dialect: Dialect) -> str:
    """Say why a question does not fit; "" where it does."""
    what, most = {
        "choice": ("options", dialect.most_options),
        "score": ("levels", dialect.most_levels),
    }.get(question.kind, ("", None))
    if most is not None and len(question.options) > most:
        return f"it has {len(question.options)} {what}, and {most} are the most there"
    names = [option.text for option in question.options]
    if not dialect.typed and len(set(names)) < len(names):
        return 'options that are a text and a value alike, such as "true" and true, become one'
    return ""
