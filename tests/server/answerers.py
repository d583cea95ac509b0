"""An answerer whose probabilities can be told from the texts alone, and a tiny model."""

import hashlib
from collections.abc import Sequence

from assay.answerers.local import LocalAnswerer
from assay.errors import ConfigError
from assay.questions import Distribution, Question, from_probabilities
from assay.types import Prompt, Unscored
from tests.models import tiny


def planted(state: Prompt, question: Question) -> Distribution | Unscored:
    """A distribution that is of this state and question, whatever the question's name; "silent"
    in a state or a question leaves it without one."""
    said = state.messages[-1].content
    if "silent" in said + question.text:
        return Unscored(reason="the model would say something else")
    names = [f"{option.name!r}|{option.description}" for option in question.options]
    weights = [_number(f"{said}|{question.text}|{name}") for name in names]
    return from_probabilities([w / sum(weights) for w in weights], mass=0.75)


def _number(text: str) -> float:
    return 0.01 + int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32


class Planted:
    """Answers by `planted`; takes up to `most` options."""

    fingerprint = "planted"

    def __init__(self, most: int = 255) -> None:
        self.most = most
        self.batches: list[int] = []
        self.states: list[Prompt] = []

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        for question in (question for each in questions for question in each):
            if len(question.options) > self.most:
                raise ConfigError(f"{len(question.options)} options, and {self.most} are the most")
        self.batches.append(len(states))
        self.states += states
        pairs = zip(states, questions, strict=True)
        return [[planted(state, one) for one in each] for state, each in pairs]


def local() -> LocalAnswerer:
    """A tiny model whose tokenizer has a token for every one of 255 options."""
    tokenizer = tiny.tokenizer()
    tokenizer.add_tokens(["yes", "no", *(str(i) for i in range(10, 256))])
    model = tiny.causal("llama", max_position_embeddings=16384)
    model.resize_token_embeddings(len(tokenizer))
    # A model without training says anything; what it says of the labels is what is looked at.
    return LocalAnswerer(model, tokenizer, floor=0.0)
