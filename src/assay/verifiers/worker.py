"""The process in which mathematics is parsed and compared: `python -m assay.verifiers.worker`, driven by `pool`.

One JSON object a line in, one a line out: `{"id": 1, "gold": "1/2", "answer": "0.5"}` gives `{"id": 1, "verdict":
"right"}`, or "wrong", or `"undecided"` with a "reason". SymPy can loop, or build a number that fills the memory, inside
C code that no signal handler interrupts; so the parent keeps the time and kills, and the limits below are the second
fence. It ends by itself when its input closes, that is when its parent is gone.
"""

import json
import logging
import os
import resource
import sys
from typing import IO, Any

__all__ = ["compare", "main"]

MEMORY_BYTES = 2 << 30
RELATIVE_TOLERANCE = 1e-9


def compare(gold: str, answer: str) -> dict[str, str]:
    """Whether two LaTeX answers are the same mathematics."""
    from sympy import And

    golds, answers = _parse(gold), _parse(answer)
    if not golds:
        return {"verdict": "undecided", "reason": f"the reference {gold[:60]!r} is not mathematics that can be read"}
    if not answers:
        return {"verdict": "wrong"}
    if isinstance(answers[0], And) and not isinstance(golds[0], And):
        return {"verdict": "wrong"}  # "1 = 2 = 3" would pass for 3
    return {"verdict": "right" if _same(golds[0], answers[0]) else "wrong"}


def _parse(latex: str) -> list[Any]:
    # In a box and with LaTeX extraction alone: the defaults search failed LaTeX for a number, and find one.
    from math_verify import LatexExtractionConfig, parse

    config = (LatexExtractionConfig(boxed_match_priority=0),)
    found: list[Any] = parse(
        rf"\boxed{{{latex}}}", config, fallback_mode="no_fallback", extraction_mode="first_match", parsing_timeout=None
    )
    return found


def _same(gold: Any, answer: Any) -> bool:
    """math-verify's verdict, less two ways in which it accepts too much."""
    from math_verify import verify
    from sympy import FiniteSet, Interval, Max
    from sympy.core.evalf import PrecisionExhausted

    kinds = {kind for kind in (FiniteSet, Interval) for side in (gold, answer) if isinstance(side, kind)}
    if len(kinds) == 2:
        return False  # the open interval (1, 2) would pass for the set {1, 2}
    if not verify(gold, answer, timeout_seconds=None):
        return False
    if getattr(gold, "is_number", False) and getattr(answer, "is_number", False):
        # It rounds to six decimals, so that 2^-99 would pass for 2^-98.
        try:
            one, two = gold.evalf(30, strict=True), answer.evalf(30, strict=True)
        except PrecisionExhausted:
            return True  # an exact zero such as sin(pi), of which no digit can be computed
        return bool(abs(one - two) <= RELATIVE_TOLERANCE * Max(abs(one), abs(two)))
    return True


def main() -> None:
    """Answer requests until the input closes."""
    replies = _private_stdout()
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    logging.disable(logging.CRITICAL)  # it warns of every unset timeout
    compare("1", r"\sqrt{1}")  # warms the grammar
    _reply(replies, {"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        # An orphan in an endless computation never sees its input close: processor time ends it.
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + 2 * request["seconds"]) + 2)
        try:
            reply = compare(request["gold"], request["answer"])
        except Exception as error:  # noqa: BLE001  SymPy raises anything at all; the caller gets it as a reason
            reply = {"verdict": "undecided", "reason": f"the checker failed: {type(error).__name__}"}
        _reply(replies, {"id": request["id"], **reply})


def _reply(replies: IO[str], message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _private_stdout() -> IO[str]:
    """The parent's pipe, to be used by `_reply` alone: what a library prints goes nowhere."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return replies


def _limit(what: int, soft: int) -> None:
    _, hard = resource.getrlimit(what)
    soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    try:
        resource.setrlimit(what, (soft, hard))
    except (ValueError, OSError) as error:
        # Some systems (macOS) refuse a limit on address space; the parent's clock still holds.
        logging.getLogger(__name__).warning("no limit on %s: %s", what, error)


if __name__ == "__main__":
    main()
