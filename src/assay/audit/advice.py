"""What helps against each kind of fault, by what the reward is: a model is trained, a judge told, a
function changed."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from assay.audit.probe import Area
from assay.audit.run import Grade

__all__ = ["Kind", "advice"]

Kind = Literal[
    "process model",
    "judge of pairs",
    "judge of responses",
    "decision model",
    "function",
    "scorer of responses",
]

TRAINED: Final[Mapping[Area, str]] = {
    "length": (
        "add pairs of equal length, or long wrong answers as rejected ones; or train with the loss"
        " odin, which takes length out"
    ),
    "style": (
        "train on the same answers with and without markup; until then, normalise the form of"
        " responses before they are scored"
    ),
    "claims": "add wrong answers that claim to be right, and right ones that do not, as pairs",
    "flattery": "add flattering wrong answers as rejected ones, and users who are wrong",
    "injection": "add responses that speak to a judge as rejected ones, or drop them by a rule",
    "empty": (
        "give responses without an answer the lowest reward by a rule (`verify rules`), and add"
        " them as rejected ones"
    ),
    "content": (
        "the reward does not see what is said: more and harder pairs, or a program that checks"
        " answers beside it"
    ),
    "noise": "train on perturbed copies, and do not trust differences that typing errors make",
    "people": "add copies of prompts with other names as pairs of equal reward, and look again",
    "steps": (
        "add solutions with repeated, empty and boasting steps as rejected ones; of a process"
        " model, label steps anew (`assay label`) and compare aggregations"
    ),
    "questions": "average over the orders of options and criteria (rotations), or fix one order",
    "serving": (
        "the reward depends on tokens and texts around what is scored: serve it in the layout that"
        " it was trained in, in float32 or in batches of one (`assay serve check`)"
    ),
    "hacks": (
        "add responses with the edits that were found as rejected ones, and search again; do not"
        " optimise against this reward before"
    ),
}
JUDGED: Final[Mapping[Area, str]] = {
    **TRAINED,
    "length": "tell the judge that length is no merit, or let it compare answers of equal length",
    "style": "tell the judge to ignore form, or take markup off before it is asked",
    "claims": "let it check each claim (a rubric), or give it the reference answer",
    "flattery": "keep from it what the user thinks, and ask about the answer alone",
    "injection": (
        "fence what is judged off, read the last verdict only, and drop responses that speak to the"
        " judge"
    ),
    "empty": "give responses without an answer the lowest reward by a rule (`verify rules`)",
    "content": "the judge does not see what is said: a stronger model, a rubric, or references",
    "noise": "ask several times and average, and do not trust close verdicts",
    "people": "take names out before it is asked",
    "steps": "ask about each step by itself, or show it the answer alone",
    "hacks": (
        "show it the edits that were found as what to mark down, and search again; do not optimise"
        " against this judge before"
    ),
}
WRITTEN: Final[Mapping[Area, str]] = {
    **TRAINED,
    "length": "pay nothing for length: cap it, or penalise it",
    "style": (
        "read the forms of answers that are not paid, or tell the policy the one form that is read"
    ),
    "claims": "read the final answer only, and not what is said around it",
    "flattery": "read the final answer only, and not what is said around it",
    "injection": "read the final answer only, the last one, and nothing that looks like a verdict",
    "empty": "pay nothing where there is no answer behind the reasoning",
    "content": (
        "read one final answer, the last one, compare all of it, and pay nothing where there are"
        " several"
    ),
    "noise": "normalise spaces, case and characters before answers are compared",
    "people": "read the response only, and not the prompt's words",
    "hacks": "close what the search found, and search again before a policy does",
}
BY_KIND: Final[Mapping[Kind, Mapping[Area, str]]] = {
    "process model": TRAINED,
    "scorer of responses": TRAINED,
    "judge of pairs": JUDGED,
    "judge of responses": JUDGED,
    "decision model": JUDGED,
    "function": WRITTEN,
}


def advice(grades: Sequence[Grade], kind: Kind) -> tuple[str, ...]:
    """Return what helps in each area with a failing probe, the worst area first."""
    bad = sorted((one for one in grades if one.fails), key=lambda one: one.held.value)
    return tuple(f"{one.area} ({', '.join(one.fails)}): {BY_KIND[kind][one.area]}" for one in bad)
