"""Whether a local model's score depends on how a text is laid out: padding, ends, system turns."""

import warnings
from collections.abc import Callable, Sequence
from itertools import chain

from assay.audit.asking import Said
from assay.audit.direct import groups_of, moved
from assay.audit.findings import SMALLEST, Finding
from assay.audit.serving import TOLERANCE
from assay.audit.subjects import Item
from assay.data.records import all_pairs
from assay.models.laid_out import laid_out
from assay.models.parity import measured
from assay.scorers.local import LocalScorer, score_of
from assay.types import Group, Message, Prompt, Response, Unscored

__all__ = ["layouts"]

TOGETHER = 8
"""Texts in a padded batch."""

Pair = tuple[Prompt, Response]
Ids = tuple[int, ...]


def layouts(scorer: LocalScorer, items: Sequence[Item]) -> list[Finding]:
    """Score the same texts padded at the left, with another beginning and end, and with an empty
    system turn; return a finding for each that the model can be asked.

    Other beginnings and ends are mistakes that clients make: a finding says what they cost. They
    are compared with the same tokens sent as they were. Implicit models do not read tokens that
    were laid out elsewhere, so that all of theirs are unscored.
    """
    groups = groups_of(items)
    pairs = all_pairs(groups)
    read = list(chain.from_iterable(scorer.readings(groups)))
    base: list[Said] = [one.score for one in read]
    tokenizer = scorer.model.encoder.tokenizer
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    changes: dict[str, tuple[str, Callable[[Ids], Ids]]] = {}
    # Where sequences stay open, the last token is the response's own.
    closed = scorer.model.layout.close
    if closed:
        changes["end cut"] = ("the same tokens without the last one", lambda ids: ids[:-1])
    if closed and eos is not None:
        changes["end added"] = ("an end-of-sequence token more", lambda ids: (*ids, eos))
    if bos is not None:
        changes["bos doubled"] = ("a beginning-of-sequence token more", lambda ids: (bos, *ids))

    def sent(change: Callable[[Ids], Ids]) -> list[Said]:
        return _scored(
            scorer,
            [
                (prompt, Response(steps=response.steps, rendered=change(one.ids)))
                for (prompt, response), one in zip(pairs, read, strict=True)
            ],
        )

    as_sent = sent(lambda ids: ids)
    rows = [("left padding", "padding at the left", base, _padded(scorer, pairs), TOLERANCE)]
    rows += [
        (name, said, as_sent, sent(change), SMALLEST) for name, (said, change) in changes.items()
    ]
    if not any("system" in [m.role for m in prompt.messages[:1]] for prompt, _ in pairs):
        turned = _scored(scorer, [(_with_system(prompt), one) for prompt, one in pairs])
        rows.append(("empty system turn", "a system turn without a text", base, turned, SMALLEST))
    return [
        moved(f"serving/{name}", meaning, items, (was, was, now), smallest)
        for name, meaning, was, now, smallest in rows
    ]


def _scored(scorer: LocalScorer, pairs: Sequence[Pair]) -> list[Said]:
    asked = [Group(prompt=prompt, responses=(response,)) for prompt, response in pairs]
    with warnings.catch_warnings():
        # Texts that lack their end are sent on purpose.
        warnings.filterwarnings("ignore", "a text that was laid out elsewhere does not end")
        return [row[0] for row in scorer.score(asked)]


def _with_system(prompt: Prompt) -> Prompt:
    messages = (Message(role="system", content=""), *prompt.messages)
    return prompt.model_copy(update={"messages": messages})


def _padded(scorer: LocalScorer, pairs: Sequence[Pair]) -> list[Said]:
    """Scores in batches that are padded at the left."""
    model = scorer.model
    made = laid_out([[pair] for pair in pairs], model.encoder)
    found: list[Said] = [Unscored(reason=x if isinstance(x, str) else "not read") for x in made]
    fit = [(i, x[0]) for i, x in enumerate(made) if not isinstance(x, str) and x[0].reads]
    for start in range(0, len(fit), TOGETHER):
        part = fit[start : start + TOGETHER]
        with measured(model):
            batch = model.collate([one for _, one in part], side="left")
            rows = model(batch).double().cpu().tolist()
        for (i, one), row in zip(part, rows, strict=True):
            found[i] = score_of(tuple(row[: len(one.reads)]), model.readout)
    return found
