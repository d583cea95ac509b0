"""Questions in words that every dialect shares."""

from typing import Final

from assay.questions import Option, Question

__all__ = ["described", "instructions", "name"]

ASKED_ALREADY: Final = "Give the verdict that the text above asks for."


def instructions(question: Question) -> str:
    """Return what is asked; where the state asks already, a word on that."""
    return question.text or ASKED_ALREADY


def name(option: Option) -> str:
    """Return an option's name as text: true and false as JSON has them."""
    return str(option.name).lower() if isinstance(option.name, bool) else option.name


def described(option: Option) -> str:
    """Return an option as one text: its name, and what it means."""
    return f"{name(option)}: {option.description}" if option.description else name(option)
