"""The two sides of a check: what the model here gives for conversations, and what a server does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from assay.errors import DataError
from assay.http.client import Failure
from assay.http.spread import Servers
from assay.scorers.remote import ASSAY, as_messages, group_json, read_scores
from assay.scorers.wires import WIRES, Answer, Sent
from assay.types import Group, Message, Prompt, Response, Score, Unscored

if TYPE_CHECKING:
    from assay.models.layout import Encoded
    from assay.scorers.local import LocalScorer

__all__ = ["Pair", "Served", "Sides", "built_in", "readable", "unusable"]

Pair = tuple[Prompt, Response]

LONGEST: Final = 2048
"""Tokens of the longest conversation that is made up."""


def built_in(local: "LocalScorer") -> list[Pair]:
    """Conversations short and long, of one turn and several, in several scripts."""
    from assay.models.checkpoint import PROBES

    several = Prompt(
        messages=(
            Message(role="user", content="Hello!"),
            Message(role="assistant", content="Hi. And you?"),
            Message(role="user", content="Count."),
        )
    )
    pairs = [
        *PROBES,
        (several, Response.of("1, 2, 3.")),
        (Prompt.of("Wie heißt du? 你叫什么名字?"), Response.of("Ich heiße Ada. 我叫艾达。")),
        (Prompt.of("Write f."), Response.of("def f(x):\n    return {'a': x}[\"a\"]\n")),
        (Prompt.of("Is 91 prime?"), Response.of("Yes.")),
        (Prompt.of("Is 91 prime?"), Response.of("No, 91 = 7 * 13.")),
    ]
    question, line = Prompt.of("Write down the lines."), "Line {} says that all is well.\n"
    lines = [line.format(i) for i in range(LONGEST)]
    (eight,) = local.model.encoder.encode([(question, Response.of("".join(lines[:8])))])
    room = min(LONGEST, local.model.layout.max_length) * 8 // max(1, len(eight.ids))
    counts = [max(1, int(room * share)) for share in (0.1, 0.3, 0.6, 0.9)]
    return [*pairs, *((question, Response.of("".join(lines[:count]))) for count in counts)]


def readable(local: "LocalScorer", pairs: Sequence[Pair]) -> "list[tuple[Pair, Encoded]]":
    """The conversations that the model itself scores, with their tokens."""
    from assay.models.laid_out import laid_out

    groups = [Group(prompt=p, responses=(r,)) for p, r in pairs]
    scores = [row[0] for row in local.score(groups)]
    made = laid_out([[pair] for pair in pairs], local.model.encoder)
    return [
        (pair, one[0])
        for pair, one, score in zip(pairs, made, scores, strict=True)
        if isinstance(score, Score) and not isinstance(one, str)
    ]


@dataclass(frozen=True)
class Served:
    """What a server gives for one conversation."""

    numbers: tuple[float, ...]
    """One, or one per step."""
    tokens: int | None = None
    ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Sides:
    """A model and a server that should serve it, with the conversations that both are asked."""

    local: "LocalScorer"
    server: Servers
    dialect: str
    name: str
    """The server's of the model."""
    kept: "Sequence[tuple[Pair, Encoded]]"

    def expected(self, sequences: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
        """What an honest server gives for token ids: of this library's a score, of others' the
        outputs' logit without the read-out's offset, at the end or at every step."""
        # What was laid out as it should be is read at its own steps.
        own = {sequence.ids: pair for pair, sequence in self.kept}
        responses = [
            own.get(ids, (Prompt.of(""), Response(steps=("",), rendered=ids))) for ids in sequences
        ]
        groups = [Group(prompt=p, responses=(r,)) for p, r in responses]
        if self.dialect == ASSAY:
            scores = [row[0] for row in self.local.score(groups)]
            return [(s.value,) if isinstance(s, Score) else (np.nan,) for s in scores]
        by_step, offset = WIRES[self.dialect].by_step, self.local.model.readout.offset
        rows = [row[0] for row in self.local.logits(groups)]
        logits = [(np.nan,) if isinstance(row, Unscored) else row for row in rows]
        return [tuple(x - offset for x in (row if by_step else row[-1:])) for row in logits]

    def served(self, way: str) -> list[Served | str]:
        """What the server gives for each conversation, or why it gives nothing."""
        if self.dialect == ASSAY:
            return self._from_ours()
        wire = WIRES[self.dialect]
        bodies = [wire.body(self.name, self._sent(way, *one)) for one in self.kept]
        answers = self.server.ask(wire.path, bodies, wire.read)
        return [
            answer.reason if isinstance(answer, Failure) else self._taken(answer, sequence)
            for answer, (_, sequence) in zip(answers, self.kept, strict=True)
        ]

    def _sent(self, way: str, pair: Pair, sequence: "Encoded") -> Sent:
        from assay.scorers.layouts import sent_as

        if way == "messages":
            return Sent(messages=as_messages(*pair))
        return sent_as(self.local.model.encoder, sequence, "ids" if way == "ids" else "text")

    def _taken(self, answer: Answer, sequence: "Encoded") -> Served | str:
        """The logits of an answer, at the steps."""
        weights, rows = self.local.model.readout.weights, answer.rows
        if WIRES[self.dialect].by_step and len(rows) == len(sequence.ids) != len(sequence.reads):
            rows = tuple(rows[place] for place in sequence.reads)
        if any(len(row) != len(weights) for row in rows):
            return f"the server gives {len(rows[0])} outputs, and the model has {len(weights)}"
        if not answer.finite:
            return "the server's output is not finite"
        numbers = tuple(sum(w * x for w, x in zip(weights, row, strict=True)) for row in rows)
        return Served(numbers, answer.tokens)

    def _from_ours(self) -> list[Served | str]:
        """The same of this library's server, with the tokens that it reads."""
        groups = [Group(prompt=p, responses=(r,)) for (p, r), _ in self.kept]
        more: Mapping[str, bool] = {"return_token_ids": True}
        bodies = [group_json(group, self.name, **more) for group in groups]
        answers = self.server.ask("v1/score", bodies, _of_one)
        if all(isinstance(one, Failure) and one.refused for one in answers):
            # A scorer that is not one model has no tokens.
            bodies = [group_json(group, self.name) for group in groups]
            answers = self.server.ask("v1/score", bodies, _of_one)
        return [one.reason if isinstance(one, Failure) else one for one in answers]


def _of_one(answer: Any) -> Served | str:
    rows = read_scores(answer)
    if len(rows) != 1:
        raise DataError(f"{len(rows)} scores for one response")
    if "unscored" in rows[0]:
        return str(rows[0]["unscored"])
    value, ids = rows[0].get("value"), rows[0].get("token_ids")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"the value is {value!r}")
    return Served((float(value),), ids=None if ids is None else tuple(ids))


def unusable(mine: Sequence[float], served: Served | str) -> str:
    """Why a conversation cannot be compared; empty where it can."""
    if isinstance(served, str):
        return served
    if len(served.numbers) != len(mine):
        return f"the server reads {len(served.numbers)} steps, and the model {len(mine)}"
    return ""
