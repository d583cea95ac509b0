"""Ask an answerer questions of many states."""

from collections.abc import Iterable, Sequence

from assay.errors import DataError
from assay.judges.answers import answers_of
from assay.judges.fencing import JudgePrompt, Texts, question_of
from assay.models.rendering import only_text
from assay.protocols import Answerer
from assay.questions import Distribution, Question
from assay.types import Group, Prompt, Unscored

__all__ = ["ask", "ask_each", "shown", "written"]


def shown(prompt: JudgePrompt, judged: Group, texts: Texts) -> Prompt | Unscored:
    """Return the state in which texts of a group's responses stand in a judge's prompt, with what
    was asked and, where the prompt shows it, the reference answer.

    `Unscored` where there is none to show, and where a message holds more than text.
    """
    turns = [turn for response in judged.responses for turn in response.turns]
    try:
        only_text([*judged.prompt.messages, *turns])
    except DataError as error:
        return Unscored(reason=str(error))
    reference = judged.prompt.reference
    if "reference" in prompt.fields and reference is None:
        return Unscored(reason="no reference answer, and the judge compares with one")
    about = {"question": question_of(judged.prompt), "reference": reference or ""}
    return prompt.state(
        {name: text for name, text in about.items() if name in prompt.fields} | {**texts}
    )


def ask(
    answerer: Answerer, states: Sequence[Prompt | Unscored], question: Question
) -> list[Distribution | Unscored]:
    """Return the answer to the question in each state, all asked at once.

    A state that is `Unscored` stays so. Raises `BackendError` where the answerer breaks its
    promise.
    """
    rows = ask_each(answerer, states, [[question]] * len(states))
    return [row if isinstance(row, Unscored) else row[0] for row in rows]


def ask_each(
    answerer: Answerer,
    states: Sequence[Prompt | Unscored],
    questions: Sequence[Sequence[Question]],
) -> list[list[Distribution | Unscored] | Unscored]:
    """Return the answers to each state's own questions, all asked at once.

    A state that is `Unscored` stays so. Raises `BackendError` where the answerer breaks its
    promise.
    """
    pairs = [
        (state, some)
        for state, some in zip(states, questions, strict=True)
        if isinstance(state, Prompt)
    ]
    each = iter(answers_of(answerer, [s for s, _ in pairs], [q for _, q in pairs]))
    return [state if isinstance(state, Unscored) else next(each) for state in states]


def written(answers: Iterable[tuple[str, Distribution | Unscored | None]]) -> str | None:
    """Return the critiques of answers, each under the names of those that share it; None where
    there are none."""
    found: dict[str, list[str]] = {}
    for name, answer in answers:
        text = "\n\n".join(answer.critiques) if isinstance(answer, Distribution) else ""
        if text:
            found.setdefault(text, []).append(name)
    texts = (f"{', '.join(names)}: {text}" if any(names) else text for text, names in found.items())
    return "\n\n".join(texts) or None
