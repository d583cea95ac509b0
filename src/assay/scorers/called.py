"""A function of one's own as a scorer, with the signature that RL frameworks give reward functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from assay.errors import BackendError
from assay.types import Group, Score, Unscored

__all__ = ["Called"]


@dataclass(frozen=True)
class Called:
    """function(prompts=[...], completions=[...], reference=[...], **columns) -> one number a completion, or None.

    Prompts and completions are texts. The columns are what every prompt has in its `meta`. None, and what is no finite
    number, becomes `Unscored`: it is left out and counted, as in TRL, and never 0.
    """

    function: Callable[..., Sequence[float | None]]

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order; the function is called once for all of them."""
        pairs = [(group.prompt, response) for group in groups for response in group.responses]
        if not pairs:
            return [[] for _ in groups]
        shared = set.intersection(*({*prompt.meta} for prompt, _ in pairs)) - {"prompts", "completions", "reference"}
        columns: dict[str, list[Any]] = {name: [prompt.meta[name] for prompt, _ in pairs] for name in sorted(shared)}
        found = self.function(
            prompts=[prompt.text for prompt, _ in pairs],
            completions=[response.text for _, response in pairs],
            reference=[prompt.reference for prompt, _ in pairs],
            **columns,
        )
        name = getattr(self.function, "__name__", type(self.function).__name__)
        if len(found) != len(pairs):
            raise BackendError(f"{name} gave {len(found)} scores for {len(pairs)} completions; it must give one each")
        scores = iter([self._one(value, name) for value in found])
        return [[next(scores) for _ in group.responses] for group in groups]

    def _one(self, value: float | None, name: str) -> Score | Unscored:
        if value is None:
            return Unscored(reason=f"{name} gave None")
        number = float(value)
        if number - number != 0:
            return Unscored(reason=f"{name} gave {number}")
        return Score(value=number)
