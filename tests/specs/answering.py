"""An answerer that words can name: it likes what says "good", as sure as it is told to be."""

from dataclasses import dataclass

from assay.fingerprint import ByContent
from assay.questions import Comparison, Distribution
from assay.types import Score, Unscored

PAIRS = [Comparison(prefer=1.0)]
"""Neither a judge nor a scorer."""


def good(prompts, completions, **columns):
    """A function of prompts and completions."""
    return [float("good" in text) for text in completions]


def short(prompts, completions, **columns):
    """One score, however many there are."""
    return [1.0]


@dataclass(frozen=True)
class Broken:
    """Answers in a wrong shape."""

    how: str

    fingerprint = ByContent()

    def answer(self, states, questions):
        right = [[Distribution(probabilities=(1.0, 0.0)) for _ in some] for some in questions]
        if self.how == "raises":
            raise KeyError("verdict")
        if self.how == "sum":
            return [[Distribution(probabilities=(0.7, 0.7)) for _ in some] for some in questions]
        return {
            "none": None,
            "number": 5,
            "few": right[:-1],
            "row": [5 for _ in questions],
            "long": [row * 2 for row in right],
            "floats": [[0.5 for _ in row] for row in right],
            "bare": [[(0.5, 0.5) for _ in row] for row in right],
            "options": [[Distribution(probabilities=(1.0,)) for _ in row] for row in right],
        }[self.how]


class Miscompares:
    """A judge of pairs that says no comparison; it scores, too."""

    fingerprint = "miscompares"

    def compare(self, pairs):
        return [0.5 for _ in pairs]

    def score(self, groups):
        return [[Score(value=1.0)] for _ in groups]


@dataclass(frozen=True)
class Likes:
    """Prefers the response with "good" in it; "silent" leaves a state without an answer."""

    sure: float = 0.9
    place: float = 0.0
    """Added for whatever is shown first."""

    fingerprint = ByContent()

    def answer(self, states, questions):
        return [
            [self._one(state.messages[-1].content, question) for question in some]
            for state, some in zip(states, questions, strict=True)
        ]

    def _one(self, text, question):
        if "silent" in text:
            return Unscored(reason="says nothing")
        good = "good" in text
        if question.kind == "predicate":
            return _spread([self.sure if good else 1 - self.sure], 2)
        if question.kind == "score":
            shares = [0.0] * len(question.options)
            shares[-1 if good else 0] = self.sure
            shares[0 if good else -1] = 1 - self.sure
            return Distribution(probabilities=tuple(shares), critiques=("So it is.",))
        first = text.find("good") < text.find("bad")
        p = min(1.0, (self.sure if first else 1 - self.sure) + self.place)
        return _spread([p, 1 - p], len(question.options))


def _spread(shares, n):
    left = 1 - sum(shares)
    rest = [*shares, left][:n]
    found = Distribution(probabilities=(*rest, *[0.0] * (n - len(rest))))
    return found.model_copy(update={"critiques": ("Because it is good.",)})


class Compares:
    """A judge of pairs of one's own."""

    fingerprint = "compares"

    def compare(self, pairs):
        return [Comparison(prefer=float("good" in pair.responses[0].text)) for pair in pairs]


class Scores:
    """A scorer of one's own."""

    fingerprint = "scores"

    def score(self, groups):
        return [[Score(value=float("good" in r.text)) for r in g.responses] for g in groups]
