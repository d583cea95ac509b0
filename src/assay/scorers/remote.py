"""Score at servers: this library's own, vLLM's, SGLang's, OpenRLHF's and LLaMA-Factory's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from assay.chat import openai
from assay.errors import BackendError, ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.http.client import HOPELESS, Failure
from assay.http.spread import Servers
from assay.scorers.wires import WIRES, Answer, Sent
from assay.types import Group, Message, Prompt, Response, Score, Unscored

if TYPE_CHECKING:
    from assay.models.layout import Encoded
    from assay.scorers.layouts import Laid

__all__ = ["ASSAY", "DIALECTS", "RemoteScorer", "group_json", "read_scores"]

ASSAY: Final = "assay"
DIALECTS: Final = (ASSAY, *WIRES)
NAMELESS: Final = (404, 405, 501)
"""Statuses of servers that do not name their models."""


@dataclass(frozen=True)
class RemoteScorer:
    """A `Scorer` at one server or several that serve the same model.

    A response that a server refuses, fails at, or answers with no finite number is `Unscored` with
    the reason. This library's servers are sent conversations and give scores; others are sent what
    a saved model's layout makes of them, token ids where they take them, and give logits, of which
    its read-out makes scores. Without a layout only vLLM can be asked, which lays conversations out
    by its own chat template, and the scores are the logits.
    """

    servers: Servers
    dialect: str = ASSAY
    """One of `DIALECTS`."""
    model: str = ""
    """Name that the servers know it by; empty asks for their only one."""
    layout: Path | None = None
    """Folder of the saved reward model that is served: its layout, tokenizer and read-out; no
    weights are loaded."""

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise ConfigError(
                f"no dialect is called {self.dialect!r}; there is {', '.join(DIALECTS)}"
            )
        if self.dialect == ASSAY:
            if self.layout is not None:
                raise ConfigError(
                    "layout is for servers that do not lay out conversations as the model was"
                    " trained; this library's do"
                )
            return
        wire = WIRES[self.dialect]
        if self.layout is None and "messages" not in wire.takes:
            raise ConfigError(
                f"{self.dialect} takes texts that are laid out; give layout=FOLDER, of the saved"
                " reward model that is served"
            )
        if self._laid is not None:
            self._laid.check(by_step=wire.by_step, dialect=self.dialect)

    @cached_property
    def fingerprint(self) -> str:
        """The model's own where this library serves it, so that scores are as if made here; else
        by address, model, dialect and layout, or by what the servers name it.

        Raises `BackendError` where a server cannot be asked, `ConfigError` where two serve other
        models.
        """
        names = {
            url: served_fingerprint(self.servers, url, self.model) for url in self.servers.urls
        }
        if len(set(names.values())) > 1:
            listed = ", ".join(f"{url}: {name or 'none'}" for url, name in names.items())
            raise ConfigError(f"the servers serve models of other fingerprints ({listed})")
        (named,) = set(names.values())
        if named and self.dialect == ASSAY:
            return named
        place = named or (sorted(self.servers.urls), self.model)
        laid = None if self._laid is None else self._laid.encoder_print
        return fingerprint(("remote", place, self.dialect, laid))

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score per response of each group, in order.

        Raises `BackendError` where no server answers.
        """
        if self.dialect != ASSAY:
            return self._outputs(groups)
        bodies = [group_json(group, self.model) for group in groups]
        counts = [len(group.responses) for group in groups]
        answers = self.servers.ask("v1/score", bodies, _scores)
        return [
            _failed(row, count) if isinstance(row, Failure) else _fitting(row, count)
            for row, count in zip(answers, counts, strict=True)
        ]

    @cached_property
    def _laid(self) -> "Laid | None":
        if self.layout is None:
            return None
        from assay.scorers.layouts import Laid

        return Laid(self.layout)

    def _outputs(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Scores of what other stacks' servers give, each response a request of its own."""
        wire = WIRES[self.dialect]
        pairs = [(group.prompt, response) for group in groups for response in group.responses]
        made = (
            [self._as_it_is(*pair) for pair in pairs]
            if self._laid is None
            else self._laid.sent(pairs, wire.takes[0])
        )
        asked = [each for each in made if not isinstance(each, Unscored)]
        bodies = [wire.body(self.model, sent) for sent, _ in asked]
        answers = iter(zip(asked, self.servers.ask(wire.path, bodies, wire.read), strict=True))
        found = iter(
            [each if isinstance(each, Unscored) else self._score(*next(answers)) for each in made]
        )
        return [[next(found) for _ in group.responses] for group in groups]

    def _as_it_is(
        self, prompt: Prompt, response: Response
    ) -> "tuple[Sent, Encoded | None] | Unscored":
        """What is sent for a response without a layout."""
        if response.rendered is not None:
            given = response.rendered
            return (Sent(text=given) if isinstance(given, str) else Sent(ids=given)), None
        if not response.finished:
            return Unscored(reason=f"{self.dialect} closes every turn, and this response is open")
        if prompt.tools:
            return Unscored(reason="tools are sent with a layout only; give layout=FOLDER")
        return Sent(messages=as_messages(prompt, response)), None

    def _score(
        self, asked: "tuple[Sent, Encoded | None]", answer: Answer | Failure
    ) -> Score | Unscored:
        if isinstance(answer, Failure):
            return Unscored(reason=answer.reason)
        if not answer.finite:
            return Unscored(reason="the server's output is not finite")
        if answer.activation not in ("", "none"):
            return Unscored(reason=f"the server gives a {answer.activation} and no logit")
        sequence = asked[1]
        if self._laid is not None and sequence is not None:
            return self._laid.score(answer, sequence)
        row = answer.rows[-1]
        if len(row) != 1:
            return Unscored(reason=f"{len(row)} outputs, and no layout says how they are read")
        steps = tuple(one[0] for one in answer.rows) if WIRES[self.dialect].by_step else ()
        return Score(value=row[0], steps=steps)


def as_messages(prompt: Prompt, response: Response) -> tuple[Mapping[str, Any], ...]:
    """Return a conversation as OpenAI's chat has it, the response last."""
    turns = response.turns or (Message(role="assistant", content=response.text),)
    return tuple(map(openai, (*prompt.messages, *turns)))


def group_json(group: Group, model: str = "", **more: bool) -> dict[str, Any]:
    """Return the body of a request to this library's server."""
    prompt = group.prompt
    body: dict[str, Any] = {
        "model": model,
        "prompt": [openai(message) for message in prompt.messages],
        "responses": [_response_json(response) for response in group.responses],
        "reference": prompt.reference,
        "tools": [dict(tool) for tool in prompt.tools],
        "id": prompt.id,
        "meta": dict(prompt.meta),
        **more,
    }
    return {key: value for key, value in body.items() if value or key == "responses"}


def _response_json(response: Response) -> Any:
    """A response as its steps, or as a record where it is more than them."""
    plain = Response(steps=response.steps)
    return list(response.steps) if response == plain else response.model_dump(mode="json")


def read_scores(answer: Any) -> list[Mapping[str, Any]]:
    """Return the rows of an answer of this library's server. Raises `DataError` for none."""
    rows = answer.get("scores") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise DataError("the answer has no scores")
    return rows


def _scores(answer: Any) -> list[Score | Unscored]:
    return [_score_of(row) for row in read_scores(answer)]


def _score_of(row: Mapping[str, Any]) -> Score | Unscored:
    if "unscored" in row:
        return Unscored(reason=str(row["unscored"]))
    kept = {key: row[key] for key in Score.model_fields if key in row}
    try:
        return Score.model_validate(kept)
    except ValidationError as error:
        raise DataError(f"a score is malformed: {error.errors()[0]['msg']}") from error


def _failed(failure: Failure, count: int) -> list[Score | Unscored]:
    return [Unscored(reason=failure.reason)] * count


def _fitting(row: list[Score | Unscored], count: int) -> list[Score | Unscored]:
    if len(row) == count:
        return row
    return [Unscored(reason=f"the server gives {len(row)} scores for {count} responses")] * count


def served_fingerprint(servers: Servers, url: str, model: str) -> str:
    """Return the fingerprint that a server gives of a model; "" where it gives none."""
    import httpx2

    headers = {"Authorization": f"Bearer {servers.key}"} if servers.key else {}
    try:
        answer = httpx2.get(f"{url.rstrip('/')}/v1/models", headers=headers, timeout=10.0)
        if answer.status_code not in NAMELESS:
            answer.raise_for_status()
        rows = answer.json()["data"] if answer.is_success else []
        named = {str(row["id"]): row.get("fingerprint") for row in rows}
    except (httpx2.RequestError, httpx2.HTTPStatusError) as error:
        told = f"{url} cannot be asked for its models"
        if isinstance(error, httpx2.RequestError):
            raise BackendError(f"{told}: {error}; look whether the server runs") from error
        status = error.response.status_code
        advice = HOPELESS.get(status, "look at its log").format(
            key_variable=servers.key_variable, end=""
        )
        raise BackendError(f"{told}: it answers {status}; {advice}") from error
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    if model and named and model not in named:
        raise ConfigError(f"{url} has no model {model!r}; there is {', '.join(named)}")
    only = next(iter(named.values())) if len(named) == 1 else None
    return str((named.get(model) if model else only) or "")
