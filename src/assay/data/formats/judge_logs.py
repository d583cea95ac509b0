"""What judges said in MT-Bench (arXiv:2306.05685) and Arena-Hard (arXiv:2406.11939).

Questions and answers are taken out of the prompt that the judge was shown. A pair is judged twice,
in either order: the preference is the mean of the games, of which one that came to no verdict is
left out, and both are in `meta`. As Arena-Hard weighs them, ">>" is a strength of 3 and ">" of 1;
their mean is the margin.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import conversations, fields, winners
from assay.data.battles import compared
from assay.data.judge_prompts import conversations_in
from assay.errors import DataError
from assay.types import Message, Preference, Ranking, Record

__all__ = ["JudgeLogs"]

WINNERS: Final = {"model_1": 1.0, "model_2": 0.0, "tie": 0.5}
STRENGTHS: Final = {"A>>B": -3.0, "A>B": -1.0, "A=B": 0.0, "B>A": 1.0, "B>>A": 3.0}
"""Below 0 the first answer is better."""


@dataclass(frozen=True, kw_only=True)
class JudgeLogs:
    """{user_prompt, judgment, score, model}, {g1_user_prompt, g1_winner, g2_winner, model_1,
    model_2}, or {games: [{score, judgment, prompt or user_prompt}], model, baseline?}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The columns of MT-Bench's single grades or pairs, or Arena-Hard's games."""
        return (
            {"user_prompt", "judgment", "score"} <= row.keys()
            or {"g1_user_prompt", "g1_winner", "g2_winner"} <= row.keys()
            or {"games", "judge", "model"} <= row.keys()
        )

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """A ranking of one answer, or a preference; the judge's texts are in `meta`."""
        if "games" in row:
            yield _games(row)
        elif "g1_winner" in row:
            yield _pair(row)
        else:
            yield _single(row)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _single(row: Mapping[str, Any]) -> Ranking:
    """A graded answer; -1 stands for a judgment without a grade."""
    (talk, *others) = conversations_in(fields.text(row, "user_prompt"), "user_prompt")
    if others:
        raise DataError("field 'user_prompt': a grade is of one answer, and there are two")
    grade = fields.number(row.get("score"), "score")
    if grade == -1:
        raise DataError("field 'score': -1 says that the judgment has no grade; leave the row out")
    more = fields.rest(row, "question_id", "score")
    response = conversations.reply(talk[-1].content, talk[:-1], "user_prompt", meta=more)
    prompt = fields.prompt(talk[:-1], _known(row))
    return fields.make(Ranking, prompt=prompt, responses=(response,), grades=(grade,))


def _pair(row: Mapping[str, Any]) -> Preference:
    """The answers of model_1 and model_2, and the mean of both games."""
    votes = [fields.text(row, name) for name in ("g1_winner", "g2_winner")]
    counted = [WINNERS[vote] for vote in votes if vote in WINNERS]
    talks = conversations_in(fields.text(row, "g1_user_prompt"), "g1_user_prompt")
    return _preference(row, talks, "g1_user_prompt", counted, None, ("model_1", "model_2"))


def _games(row: Mapping[str, Any]) -> Preference:
    """The baseline's answer, which is shown first in the first game, and the model's."""
    games, counted = fields.value(row, "games"), []
    if not isinstance(games, list) or not any(isinstance(game, dict) for game in games):
        raise fields.wrong("games", "a list of games of which one was played", games)
    for i, game in enumerate(games):
        score = game.get("score") if isinstance(game, dict) else None
        if score is not None:
            if not isinstance(score, str) or score not in STRENGTHS:
                raise fields.wrong(f"games.{i}.score", "A>>B, A>B, A=B, B>A or B>>A", score)
            counted.append(STRENGTHS[score] * (-1 if i % 2 else 1))
    votes = [winners.signed(strength)[0] for strength in counted]
    margin = abs(sum(counted) / len(counted)) if counted else None
    played = next(i for i, game in enumerate(games) if isinstance(game, dict))
    field = f"games.{played}.prompt"
    talks = conversations_in(_shown(games[played], field), field)
    talks = talks[::-1] if played % 2 else talks
    return _preference(row, talks, field, votes, margin, ("baseline", "model"))


def _shown(game: Mapping[str, Any], field: str) -> str:
    """What the user says to the judge: a text, or the first such of several messages."""
    found = game.get("prompt", game.get("user_prompt"))
    if isinstance(found, list):
        asked = [each for each in found if isinstance(each, dict) and each.get("role") == "user"]
        found = asked[0].get("content") if asked else None
    if not isinstance(found, str):
        raise fields.wrong(field, "the judge's prompt, a text or messages", found)
    return found


def _preference(
    row: Mapping[str, Any],
    talks: list[tuple[Message, ...]],
    field: str,
    votes: list[float],
    margin: float | None,
    models: tuple[str, str],
) -> Preference:
    """A preference between two answers by the mean of the games' votes."""
    if len(talks) != 2:
        raise DataError(f"field {field!r}: {len(talks)} answers were shown, not two")
    if not votes:
        raise DataError("no game came to a verdict, which is no tie; leave the row out")
    messages, pair = compared(talks[0], talks[1], (field, field))
    prefer = sum(votes) / len(votes)
    return fields.make(
        Preference,
        prompt=fields.prompt(messages, {**fields.rest(row, *models), **_known(row)}),
        responses=tuple(
            each.model_copy(update={"meta": {"model": row[name]} if name in row else {}})
            for each, name in zip(pair, models, strict=True)
        ),
        prefer=prefer,
        margin=None if prefer == 0.5 else margin,
    )


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """The question's id, as a text."""
    id = row.get("question_id", row.get("uid"))
    return {} if id is None else {"id": str(id)}
