"""A verifier of open-instruct (AI2) that is any scorer.

    Reward = verifier("my_rewards", "runs/rm")     # imported before training starts

Rows whose `dataset` is "my_rewards" are scored by it; its weight is that of the other verifiers.
"""

from collections.abc import Callable
from typing import Any

from assay.workflows.paying import payer, prompt_of, total_of

__all__ = ["verifier"]


def verifier(
    name: str,
    word: Any,
    *,
    weight: float = 1.0,
    read: Callable[[str], Any] = str,
    reference: bool = True,
    **settings: Any,
) -> type:
    """Return a subclass of `VerifierFunction`, which open-instruct finds by itself.

    read: what makes a prompt, a text or messages, of the query. reference: whether the label is a
    reference answer. What cannot be scored raises `DataError`.
    """
    from open_instruct.ground_truth_utils import VerificationResult, VerifierFunction

    pays = payer(word, **settings)

    class Scored(VerifierFunction):  # type: ignore[misc]
        def __init__(self, verifier_config: Any = None) -> None:
            super().__init__(name, weight=weight, verifier_config=verifier_config)

        def __call__(
            self,
            tokenized_prediction: list[int],
            prediction: str,
            label: Any,
            query: str | None = None,
            rollout_state: Any = None,
        ) -> Any:
            asked = prompt_of(read(query or ""), label if reference else None)
            (paid,) = pays.pay([(asked, pays.said(prediction))])
            return VerificationResult(score=total_of(paid))

    return Scored
