"""A function of one's own as a scorer, with the signature that RL frameworks give reward
functions."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from assay.chat import openai
from assay.data.records import all_pairs
from assay.errors import BackendError
from assay.fingerprint import ByContent
from assay.scorers.opened import SHOWN, tried
from assay.types import Group, Response, Score, Unscored

__all__ = ["Called"]


@dataclass(frozen=True)
class Called:
    """function(prompts=[...], completions=[...], reference=[...], **columns) -> one number a
    completion, or None.

    Prompts are texts, those of chats their messages' contents joined by blank lines. Completions
    are texts, those of trajectories what the assistant said last; where there are trajectories, the
    column `turns` holds their messages, as OpenAI's chat has them with parsed arguments, and None
    for a text. The other columns are what every prompt has in its `meta`. None, and what is no
    finite number, becomes `Unscored`: it is left out and counted, as in TRL, and never 0.
    """

    function: Callable[..., Sequence[float | None]]

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order; the function is called once for all of them.

        Raises `BackendError` naming the function where it fails, or gives anything but a number or
        None each.
        """
        pairs = all_pairs(groups)
        if not pairs:
            return [[] for _ in groups]
        shared = set.intersection(*({*prompt.meta} for prompt, _ in pairs)) - {
            "prompts",
            "completions",
            "reference",
        }
        columns: dict[str, list[Any]] = {
            name: [prompt.meta[name] for prompt, _ in pairs] for name in sorted(shared)
        }
        if any(response.turns for _, response in pairs):
            columns["turns"] = [_turns(response) for _, response in pairs]
        name = getattr(self.function, "__name__", type(self.function).__name__)
        given: Any = tried(
            name,
            f"{len(pairs):,} completions, the first {pairs[0][1].answer[:SHOWN]!r}",
            lambda: self.function(
                prompts=[prompt.text for prompt, _ in pairs],
                completions=[response.answer for _, response in pairs],
                reference=[prompt.reference for prompt, _ in pairs],
                **columns,
            ),
        )
        try:
            found = None if isinstance(given, (str, bytes, Mapping, Set)) else list(given)
        except TypeError:
            found = None
        if found is None:
            raise BackendError(
                f"{name} gave {given!r:.60}; it must give a list of numbers, one a completion"
            )
        if len(found) != len(pairs):
            raise BackendError(
                f"{name} gave {len(found)} scores for {len(pairs)} completions; it must give one"
                " each"
            )
        scores = iter([_one(value, name) for value in found])
        return [[next(scores) for _ in group.responses] for group in groups]


def _turns(response: Response) -> list[dict[str, Any]] | None:
    """The messages of a trajectory; None of a text."""
    return [openai(turn, arguments="parsed") for turn in response.turns] or None


def _one(value: Any, name: str) -> Score | Unscored:
    if value is None:
        return Unscored(reason=f"{name} gave None")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BackendError(
            f"{name} gave {value!r:.60} for a completion; it must give a number, or None"
        ) from error
    if number - number != 0:
        return Unscored(reason=f"{name} gave {number}")
    return Score(value=number)
