"""What a command says of the words of scorers: apart from what opens them, so that help is fast."""

from typing import Annotated, Final

import tyro

__all__ = ["KINDS", "ScorerWord"]

KINDS: Final = (
    "a reward model's folder, a published model by the name of its preset or the hub's (`assay"
    " models list`), a verifier (math, numeric, code, rules), a baseline (random, shortest,"
    " longest), environment (the rewards of a trajectory's turns), column:NAME of scores in the"
    " data, log-probability:MODEL of a language model, a judge (pointwise:ANSWERER and others; see"
    " `assay judge`), remote:URL of a server of scores, package.module:name (a scorer,"
    " a verifier, or a function of prompts and completions), or an ensemble of these, mean:A+B+C,"
    " worst:A+B+C or uwo:A+B+C (the mean less the members' variance)"
)
"""Kinds of words, for a command's help."""

ScorerWord = Annotated[
    str,
    tyro.conf.arg(
        metavar="SCORER",
        help=f"Scorer: {KINDS}. Settings stand behind it, as in FOLDER,template=plain.",
    ),
]
"""The word of a scorer on a command line."""
