"""A card for other readers: a Markdown table for a pull request, SARIF for code hosts."""

from typing import Any, Final

from assay.audit import told
from assay.audit.card import Card
from assay.audit.findings import Finding

__all__ = ["markdown", "sarif"]

LEVELS: Final = {"fails": ("fail", "error"), "underpowered": ("open", "none")}
"""SARIF's kind and level by verdict; open: not enough is known to tell."""
SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def markdown(card: Card) -> str:
    """Return the card as Markdown: the answers, grades, gravest faults and what to do."""
    lines = [
        f"### Report card of {_cell(card.reward)}",
        "",
        f"**Is it any good?** {_cell(told.good(card))}.",
        "",
        f"**How is it gamed?** {_cell(told.gamed(card))}.",
        "",
        f"**How sure?** {_cell('. '.join([card.sure, *card.notes]))}.",
        "",
        f"| {' | '.join(told.COLUMNS)} |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in told.grade_rows(card)),
        "",
        f"{told.LEGEND}.",
        "",
    ]
    if card.failing:
        lines += [f"The gravest faults ({_cell(told.unit(card.unit))}):", ""]
        lines += [f"- {_cell(told.failure(one))}" for one in card.failing[: told.FAULTS]]
        rest = [one.probe for one in card.failing[told.FAULTS :]]
        lines += [f"- and {', '.join(rest)}"] if rest else []
    if card.advice:
        lines += ["", "What to do next, the worst first:", ""]
        lines += [f"- {_cell(text)}" for text in card.advice]
    lines += ["", f"{card.kind}, on {_cell(card.data)}; {_cell(told.cost(card.cost))}."]
    return "\n".join(lines).rstrip() + "\n"


def _said(one: Finding) -> str:
    return (
        told.failure(one) if one.effect.n else f"{one.meaning}: not tested, for nothing has scores"
    )


def _cell(text: str) -> str:
    """A text that stays in its cell and means nothing to a renderer."""
    plain = " ".join(text.split())
    for sign in "\\|`*_~<[":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def sarif(card: Card) -> dict[str, Any]:
    """Return the failing and the underpowered probes as a SARIF 2.1.0 log.

    The reward's word is the artefact that they are found in.
    """
    from importlib.metadata import version

    shown = [one for one in card.findings if one.verdict in LEVELS]
    where = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(card.reward)},
            # Code hosts show nothing that has no line.
            "region": {"startLine": 1},
        }
    }
    driver = {
        "name": "assay",
        "version": version("assay"),
        "rules": [
            {"id": one.probe, "shortDescription": {"text": one.meaning}, "properties": {
                "area": one.area, "expects": one.expects}}
            for one in shown
        ],
    }  # fmt: skip
    results = [
        {
            "ruleId": one.probe,
            "ruleIndex": i,
            "kind": LEVELS[one.verdict][0],
            "level": LEVELS[one.verdict][1],
            "message": {"text": f"{one.verdict}: {_said(one)}"},
            "locations": [where],
            "partialFingerprints": {"reward": card.fingerprint, "probe": one.probe},
        }
        for i, one in enumerate(shown)
    ]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _uri(word: str) -> str:
    from urllib.parse import quote

    # A colon would make what stands before it a scheme.
    return quote(word, safe="/@,=+-._~", errors="replace")
