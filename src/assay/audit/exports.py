"""A card for other readers: a Markdown table for a pull request, SARIF for code hosts."""

from typing import Any, Final

from assay.audit.card import Card
from assay.audit.findings import Finding
from assay.stats import bracket

__all__ = ["markdown", "sarif"]

LEVELS: Final = {"fails": "error", "underpowered": "note"}
SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def markdown(card: Card) -> str:
    """Return the card as Markdown: grades, failing probes, what to do."""
    lines = [
        f"### Report card of {_cell(card.reward)}",
        "",
        f"{card.kind}, {card.prompts} prompts of {_cell(card.data)}; {_cell(card.sure)}.",
        "",
        "| area | grade | withstood | failing probes |",
        "|---|---|---|---|",
    ]
    for one in card.grades:
        grade, low, high = one.letters
        between = grade if low == high else f"{grade} ({low} to {high})"
        failing = ", ".join(one.fails) or "none"
        lines.append(f"| {one.area} | {between} | {one.held:.2f} | {failing} |")
    if card.failing:
        lines += ["", f"| probe | effect ({card.unit.meaning}) | due |", "|---|---|---|"]
        lines += [
            f"| {one.probe}: {_cell(one.meaning)} | {_effect(one)} | {one.expects} |"
            for one in card.failing
        ]
    lines += ["", *(f"- {_cell(text)}" for text in card.advice)]
    return "\n".join(lines).rstrip() + "\n"


def _effect(one: Finding) -> str:
    effect = f"{one.effect.value:.2f} {bracket(one.effect, '.2f')}, n={one.effect.n}"
    return f"{effect} of prompts not last" if one.expects == "last" else effect


def _said(one: Finding) -> str:
    return f"effect {_effect(one)}" if one.effect.n else "not tested, for nothing has scores"


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
            "level": LEVELS[one.verdict],
            "message": {"text": f"{one.verdict}: {one.meaning}; {_said(one)}"},
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
