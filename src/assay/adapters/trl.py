"""A reward function for TRL's GRPOTrainer and RLOOTrainer (1.16)."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from assay.types import Unscored
from assay.workflows.paying import Paid, column, payer, prompt_of

__all__ = ["reward_function"]


def reward_function(
    word: Any, *, reference: str = "", ends: Collection[int] = (), **settings: Any
) -> Callable[..., list[float | None]]:
    """Return f(prompts, completions, completion_ids, **columns) -> one number or None a completion.

    word: a reward (see `paying`). reference: the dataset's column of reference answers. ends: ids
    of the policy's end tokens; a completion whose last token is another one was cut off. settings:
    `split`, `device`, ... of `payer`.

    What cannot be scored is None: TRL leaves it out of the group's mean, and learns nothing from it
    where no other reward scores it either. The share is logged as `unscored/NAME`.
    """
    pays = payer(word, **settings)

    def reward(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        asked = map(prompt_of, prompts, column(columns, reference, len(prompts)))
        ids = completion_ids if ends and completion_ids else [[]] * len(completions)
        said = [
            pays.said(completion, finished=not own or own[-1] in ends)
            for completion, own in zip(completions, ids, strict=True)
        ]
        paid = pays.pay(list(zip(asked, said, strict=True)))
        if log_metric is not None and paid:
            missing = sum(isinstance(one, Unscored) for one in paid)
            log_metric(f"unscored/{pays.part.name}", missing / len(paid))
        return [one.total if isinstance(one, Paid) else None for one in paid]

    reward.__name__ = pays.part.name
    return reward
