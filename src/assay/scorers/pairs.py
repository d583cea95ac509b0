"""Score with an encoder's stock classifier (DeBERTa, ModernBERT, BERT): question and answer as a
pair of texts.

An encoder reads both ways and is read where its own class says, so nothing is shared between
responses and no step is
read: a response has one score, its one label's logit, which is what `tokenizer(question, answer)`
and the stock model give. Such models are scored by, not trained, here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from assay.data.records import all_pairs
from assay.errors import ConfigError, DataError
from assay.fingerprint import ByContent
from assay.models.checkpoint import Dtype
from assay.models.fit import most_tokens
from assay.models.generic import has_stock_classifier
from assay.models.loading import fetch, load_config, load_network, load_tokenizer
from assay.models.lowbit import Weights
from assay.models.rendering import only_text
from assay.packing import rotary
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["PairScorer", "reads_pairs"]


def reads_pairs(config: Any) -> bool:
    """Whether a configuration is of an encoder that transformers has a classifier for."""
    from transformers import AutoModelForMaskedLM

    return has_stock_classifier(config) and type(config) in AutoModelForMaskedLM._model_mapping


class PairScorer:
    """A `Scorer` on an encoder's folder (or hub name) with one label.

    Reads prompts of one message; another prompt, and a pair that is longer than the model reads, is
    `Unscored`, never truncated. Padded batches of up to `micro_tokens` tokens.
    dtype: None keeps the checkpoint's. Raises `ConfigError` where the folder is no such model.
    """

    fingerprint = ByContent()

    def __init__(
        self,
        folder: str | Path,
        *,
        device: str = "cpu",
        dtype: Dtype | None = None,
        weights: Weights = "saved",
        micro_tokens: int = 8192,
    ) -> None:
        place = fetch(folder)
        config = load_config(place)
        name = (config.architectures or [type(config).__name__])[0]
        if not reads_pairs(config) or not name.endswith("ForSequenceClassification"):
            raise ConfigError(
                f"{folder} is a {name}, and no encoder with a classifier of pairs of texts"
            )
        if config.num_labels != 1:
            raise ConfigError(
                f"{folder} has {config.num_labels} labels, and a reward has one; give a model of"
                " one label"
            )
        from transformers import AutoModelForSequenceClassification

        self.tokenizer = load_tokenizer(place)
        if self.tokenizer.pad_token_id is None:
            raise ConfigError(
                f"{folder} has no token to pad with; name one in its tokenizer_config.json"
            )
        if weights != "saved":
            raise ConfigError(
                f"{folder} is an encoder, small enough to be read as it is saved; leave out"
                f" --weights {weights}"
            )
        kept = {"dtype": getattr(torch, dtype)} if dtype else {}
        self.network = (
            load_network(AutoModelForSequenceClassification, place, **kept).to(device).eval()
        )
        positions = most_tokens(self.network) or self.tokenizer.model_max_length
        self.longest = min(positions, self.tokenizer.model_max_length)
        self.micro_tokens = micro_tokens

    @torch.inference_mode()
    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response of each group, in order."""
        pairs = all_pairs(groups)
        found: dict[int, Score | Unscored] = {}
        encoded: dict[int, dict[str, list[int]]] = {}
        for i, (prompt, response) in enumerate(pairs):
            read = self._encode(prompt, response)
            if isinstance(read, Unscored):
                found[i] = read
            else:
                encoded[i] = read
        order = sorted(encoded, key=lambda i: -len(encoded[i]["input_ids"]))
        while order:
            longest = len(encoded[order[0]]["input_ids"])
            part = order[: max(1, self.micro_tokens // longest)]
            part = [
                i for i in part if self._span(len(encoded[i]["input_ids"])) == self._span(longest)
            ]
            order = order[len(part) :]
            rotary.reset(self.network)
            batch = self.tokenizer.pad([encoded[i] for i in part], return_tensors="pt").to(
                self.network.device
            )
            values = self.network(**batch).logits[:, 0].double().cpu().tolist()
            for i, value in zip(part, values, strict=True):
                finite = value - value == 0
                found[i] = (
                    Score(value=value, steps=(value,))
                    if finite
                    else Unscored(reason="the output is not finite")
                )
        each = iter(range(len(pairs)))
        return [[found[next(each)] for _ in group.responses] for group in groups]

    def _span(self, length: int) -> int:
        """Pairs of one span have the same rotary embeddings; from the longest to the shortest, they
        stand together."""
        return rotary.span(self.network, length)

    def _encode(self, prompt: Prompt, response: Response) -> dict[str, list[int]] | Unscored:
        if response.turns or prompt.tools:
            return Unscored(
                reason="the model reads one question and one answer, and here are tools or turns"
            )
        try:
            only_text(prompt.messages)
        except DataError as error:
            return Unscored(reason=str(error))
        if len(prompt.messages) != 1:
            return Unscored(
                reason=(
                    f"the model reads one question, and the prompt has {len(prompt.messages)}"
                    " messages"
                )
            )
        if not response.text:
            return Unscored(reason="empty response")
        read = self.tokenizer(prompt.messages[0].content, response.text)
        if (length := len(read["input_ids"])) > self.longest:
            return Unscored(reason=f"{length} tokens > the {self.longest} that the model reads")
        return dict(read)
