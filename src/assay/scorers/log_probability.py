"""How likely a language model finds a response: the cheapest scorer there is, and a baseline for
all others."""

from collections.abc import Sequence
from typing import Any

import torch

from assay.fingerprint import fingerprint
from assay.models.laid_out import laid_out
from assay.models.layout import Encoded, Layout
from assay.models.log_probabilities import log_probabilities
from assay.models.policy import policy_encoder
from assay.models.reward_model import own_tokens
from assay.types import Group, Response, Score, Unscored

__all__ = ["LogProbability"]


class LogProbability:
    """log p(response | prompt) under a causal LM, in nats, a token on average or in all; the prompt
    is read once.

    The mean does not favour short responses, the sum is the model's own odds between two of them.
    Of a trajectory the assistant's tokens count: what tools answer is given.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, layout: Layout | None = None, mean: bool = True
    ) -> None:
        self.model = model.eval()
        self.encoder = policy_encoder(tokenizer, layout or Layout())
        self.mean = mean
        self.tokens_read = 0
        """Tokens of prompts, once a group, and of responses."""

    @property
    def fingerprint(self) -> str:
        """Name by model, tokenizer, layout, and by whether sums or means are taken."""
        return fingerprint(
            ("log p", self.model, self.encoder.tokenizer, self.encoder.layout, self.mean)
        )

    @torch.inference_mode()
    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order; `Unscored` for an empty one and one above the layout's
        `max_length`."""
        return [self._group(group) for group in groups]

    def _group(self, group: Group) -> list[Score | Unscored]:
        pairs = [(group.prompt, response) for response in group.responses]
        most = self.encoder.layout.max_length
        found: list[Score | Unscored] = []
        fit, sequences = list[int](), list[Encoded]()
        for i, ((_, response), made) in enumerate(
            zip(pairs, laid_out([[pair] for pair in pairs], self.encoder), strict=True)
        ):
            if isinstance(made, str):
                found.append(Unscored(reason=made))
                continue
            (sequence,) = made
            found.append(Unscored(reason=_unfit(response, len(sequence.ids), most)))
            if 0 < sequence.start < len(sequence.ids) <= most and response.text:
                fit.append(i)
                sequences.append(sequence)
        if not fit:
            return found
        starts = [s.start for s in sequences]
        said = log_probabilities(self.model, [s.ids for s in sequences], starts)
        own = own_tokens([len(s.ids) for s in sequences], starts, [s.spans for s in sequences])
        own_B_R = torch.from_numpy(own).to(said.values_B_R.device)
        sums = (said.values_B_R * own_B_R).double().sum(-1)
        self.tokens_read += sequences[0].start + sum(len(s.ids) - s.start for s in sequences)
        values = (sums / own_B_R.sum(-1) if self.mean else sums).tolist()
        for i, value in zip(fit, values, strict=True):
            found[i] = (
                Score(value=value)
                if value - value == 0
                else Unscored(reason="the log-probability is not finite")
            )
        return found


def _unfit(response: Response, tokens: int, most: int) -> str:
    return "empty response" if not response.text else f"{tokens} tokens > max_length {most}"
