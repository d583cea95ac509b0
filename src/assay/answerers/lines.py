"""A language model that answers all questions of a state in one text: reasons, then a line each.

It costs one text per state, and questions may lean on each other; `TextAnswerer` writes a text per
question.
"""

import re
from collections.abc import Sequence
from typing import Final

from assay.answerers.asking import Prices
from assay.answerers.ledger import Ledger
from assay.answerers.phrasing import after_thought, labels, verdict
from assay.answerers.writing import Kept
from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.protocols import Generator, Prefix, Sampling
from assay.questions import Distribution, Question, from_verdicts
from assay.types import Prompt, Response, Unscored

__all__ = ["LinesAnswerer", "listed", "places"]

BEGIN: Final = re.compile(r"^\W*verdicts\W*$", re.IGNORECASE | re.MULTILINE)
LINE: Final = re.compile(
    r"^[^\w\n]*(\d+)[\"'*_` ]*(?:[:.)|\uff1a]|[-–—](?=\s)|(?=\s))(.*)$", re.MULTILINE
)
"""A number, one sign that parts it from the answer, and the answer, whose own signs (-1) stay."""
TOLD: Final = """
Go through them one by one and give your reasons first. Then write a line that reads "Verdicts:"
and below it one line per question: its number, a colon, and one of its answers, as in "1: {}".
""".replace("\n", " ").strip()


class LinesAnswerer:
    """An `Answerer` on a generator: one text for all questions of a state, repeated K times.

    Verdicts are what stands below the last line "Verdicts:". A question is `Unscored` where its
    number is missing, stands twice or has another word than its answers; so are all of a text with
    a number that was not asked for: who counts otherwise has numbered all of them otherwise.
    repeats: texts per state (K). temperature: None = 0 for one text, 1 for several.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        repeats: int = 1,
        temperature: float | None = None,
        max_tokens: int = 2048,
        seed: int = 0,
        ledger: Ledger | None = None,
        prices: Prices | None = None,
    ) -> None:
        if temperature is None:
            temperature = 0.0 if repeats == 1 else 1.0
        if repeats < 1 or (temperature == 0 and repeats > 1):
            raise ConfigError(
                f"{repeats} texts at temperature {temperature:g}; give 1 or more, and several only"
                " above 0"
            )
        self.writer = Kept(generator, ledger, prices)
        self.sampling = Sampling(
            n=repeats, max_tokens=max_tokens, temperature=temperature, seed=seed
        )

    @property
    def fingerprint(self) -> str:
        """Name by the generator and how it is sampled."""
        return fingerprint((type(self), self.writer, self.sampling))

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """Answer each state's questions; the critiques are the texts before the verdicts."""
        prompts = [listed(*pair) for pair in zip(states, questions, strict=True)]
        found = dict(self.writer.stream([Prefix(prompt) for prompt in prompts], self.sampling))
        return [_read(found[i], some) for i, some in enumerate(questions)]


def listed(state: Prompt, questions: Sequence[Question]) -> Prompt:
    """Return the state with all questions behind its last message, numbered from 1."""
    last = state.messages[-1] if state.messages else None
    if last is None or last.role != "user" or not all(question.text for question in questions):
        raise DataError(
            f"prompt {state.id!r} does not end with a user's message, or a question has no text;"
            " questions can be put behind a user's message only"
        )
    if not questions:
        return state
    asked = "\n\n".join(_numbered(i, question) for i, question in enumerate(questions, 1))
    told = TOLD.format(labels(questions[0], "words")[0])
    message = last.model_copy(update={"content": f"{last.content}\n\n{asked}\n\n{told}"})
    return state.model_copy(update={"messages": (*state.messages[:-1], message)})


def _numbered(number: int, question: Question) -> str:
    stand = labels(question, "words")
    said = [f"Answers: {', '.join(stand)}"]
    for label, option in zip(stand, question.options, strict=True):
        if option.description:
            said.append(f"({label}: {' '.join(option.description.split())})")
    return f"{number}. {question.text}\n{' '.join(said)}"


def places(text: str, questions: Sequence[Question]) -> tuple[str, list[int | str]]:
    """Read a text: what stands before the verdicts, and for each question the place of the answer
    that its line names, or why there is none."""
    said = after_thought(text) or ""
    begins = [*BEGIN.finditer(said)]
    if not begins:
        return text, ['the text has no line "Verdicts:"'] * len(questions)
    before, below = said[: begins[-1].start()].strip(), said[begins[-1].end() :]
    lines = [(int(number), word) for number, word in LINE.findall(below)]
    numbers = [number for number, _ in lines]
    if strange := sorted({*numbers} - {*range(1, len(questions) + 1)}):
        why = f"the text has a verdict on number {strange[0]}, and {len(questions)} were asked for"
        return before, [why] * len(questions)
    words = {number: word.strip() for number, word in lines}
    found: list[int | str] = []
    for number, question in enumerate(questions, 1):
        if numbers.count(number) != 1:
            found.append(f"{numbers.count(number)} verdicts on one criterion")
            continue
        alone = question.model_copy(update={"text": "", "form": "{}"})
        place = verdict(words[number], alone)
        found.append(f"the verdict {words[number][:40]!r} is no answer" if place is None else place)
    return before, found


def _read(
    texts: list[Response] | Unscored, questions: Sequence[Question]
) -> list[Distribution | Unscored]:
    """Count the verdicts of a state's texts."""
    if isinstance(texts, Unscored):
        return [texts] * len(questions)
    whole = [text.text for text in texts if text.finished]
    if not whole:
        return [Unscored(reason="all texts were cut off at max_tokens")] * len(questions)
    read = [places(text, questions) for text in whole]
    answers: list[Distribution | Unscored] = []
    for i, question in enumerate(questions):
        own = [found[i] for _, found in read]
        given = [place if isinstance(place, int) else None for place in own]
        if not any(place is not None for place in given):
            answers.append(Unscored(reason=str(own[0])))
            continue
        critiques = [
            before for (before, _), place in zip(read, given, strict=True) if place is not None
        ]
        short = [None] * (len(texts) - len(whole))
        answers.append(from_verdicts([*given, *short], len(question.options), critiques))
    return answers
