"""Ask an answerer one question of many states."""

from collections.abc import Sequence

from assay.errors import BackendError, DataError
from assay.judges.fencing import JudgePrompt, Texts, question_of
from assay.models.rendering import only_text
from assay.protocols import Answerer
from assay.questions import Distribution, Question
from assay.types import Group, Prompt, Unscored

__all__ = ["ask", "shown"]


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

    A state that is `Unscored` stays so. Raises `BackendError` where the answerer gives too few or
    too many answers.
    """
    there = [state for state in states if isinstance(state, Prompt)]
    answers = answerer.answer(there, [[question]] * len(there)) if there else []
    name = type(answerer).__name__
    if len(answers) != len(there) or any(len(row) != 1 for row in answers):
        raise BackendError(
            f"{name} gave {len(answers)} answers to {len(there)} states with a question each; it"
            " must give one to each"
        )
    for [answer] in answers:
        if isinstance(answer, Unscored):
            continue
        if len(answer.probabilities) != len(question.options):
            raise BackendError(
                f"{name} gave {len(answer.probabilities)} probabilities for"
                f" {len(question.options)} options"
            )
    each = iter(answers)
    return [state if isinstance(state, Unscored) else next(each)[0] for state in states]
