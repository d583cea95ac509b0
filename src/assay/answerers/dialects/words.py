"""Questions in words that every dialect shares."""

from typing import Final

from assay.questions import Option, Question

__all__ = ["described", "instructions"]

ASKED_ALREADY: Final = "Give the verdict that the text above asks for."


def instructions(question: Question) -> str:
    """Return what is asked; where the state asks already, a word on that."""
    return question.text or ASKED_ALREADY


def described(option: Option) -> str:
    """Return an option as one text: its name, and what it means."""
    return f"{option.text}: {option.description}" if option.description else option.text
