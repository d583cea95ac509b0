"""The token sequences that servers read where they do not lay conversations out as was meant."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from assay.errors import AssayError
from assay.models.layout import Encoded, Encoder
from assay.types import Prompt, Response

__all__ = ["BOS_TWICE", "cuts", "mislaid"]

Ids = tuple[int, ...]

BOS_TWICE: Final = "two beginning-of-sequence tokens"
LENGTHS: Final = tuple(2**k for k in range(5, 16))
"""Lengths at which servers usually cut off."""


def mislaid(
    encoder: Encoder, pairs: Sequence[tuple[Prompt, Response]], sequences: Sequence[Encoded]
) -> Mapping[str, list[Ids]]:
    """Return other sequences for the same conversations, by what is wrong with them.

    Where a fault changes nothing in a conversation, its sequence is as it was; faults that change
    none are left out.
    """
    right = [s.ids for s in sequences]
    found = dict(_around(encoder, right))
    opened = [(p, r.model_copy(update={"finished": False})) for p, r in pairs]
    found["nothing that ends the response"] = _encoded(encoder, opened, right)
    other = "plain" if encoder.layout.template == "chat" else "chat"
    if other == "plain" or encoder.tokenizer.chat_template:
        name = "the chat template" if other == "chat" else "plain texts without the chat template"
        changed = encoder.layout.model_copy(update={"template": other})
        found[name] = _encoded(Encoder(encoder.tokenizer, changed, encoder.readout), pairs, right)
    return {name: ids for name, ids in found.items() if ids != right}


def _around(encoder: Encoder, right: Sequence[Ids]) -> Iterator[tuple[str, list[Ids]]]:
    """Faults at the ends of sequences, and in the making of special tokens."""
    tokenizer = encoder.tokenizer
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if bos is not None:
        begun = all(ids[:1] == (bos,) for ids in right)
        name = BOS_TWICE if begun else "a beginning-of-sequence token in front"
        yield name, [(bos, *ids) for ids in right]
        cut = [ids[1:] if ids[:1] == (bos,) and len(ids) > 1 else ids for ids in right]
        yield "no beginning-of-sequence token", cut
    yield "no last token", [ids[:-1] if len(ids) > 1 else ids for ids in right]
    if eos is not None:
        yield "an end-of-sequence token at the end", [(*ids, eos) for ids in right]
        if bos is not None:
            yield "beginning- and end-of-sequence tokens around", [(bos, *i, eos) for i in right]
    texts = [tokenizer.decode(list(ids), clean_up_tokenization_spaces=False) for ids in right]
    if tokenizer.is_fast:
        split = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)
        yield "special tokens spelled out as text", [tuple(ids) for ids in split["input_ids"]]
    if encoder.layout.template == "chat" and (begin := _begin(encoder)):
        yield (
            "the start of another turn of the assistant at the end",
            [(*ids, *begin) for ids in right],
        )


def _begin(encoder: Encoder) -> list[int]:
    """Tokens of what the chat template writes before the assistant's turn."""
    messages = Prompt.of("?").messages
    try:
        begun, shown = (encoder.render(messages, begin=b) for b in (True, False))
    except AssayError:
        return []
    tail = begun.removeprefix(shown)
    ids: list[int] = encoder.tokenizer(tail, add_special_tokens=False)["input_ids"]
    return ids if tail != begun else []


def _encoded(
    encoder: Encoder, pairs: Sequence[tuple[Prompt, Response]], right: Sequence[Ids]
) -> list[Ids]:
    """Sequences of another encoder; as they were where it refuses one."""
    try:
        return [s.ids for s in encoder.encode(list(pairs))]
    except AssayError:
        return list(right)


def cuts(right: Sequence[Ids], counted: Sequence[int | None]) -> Mapping[str, list[Ids]]:
    """Return the sequences cut off on either side, at usual lengths and at those that the server
    counts."""
    longest = max(map(len, right))
    said = {count for count, ids in zip(counted, right, strict=True) if count and count < len(ids)}
    found = {}
    for most in sorted({max(said)} if said else {n for n in LENGTHS if n < longest}):
        found[f"the first {most} tokens alone"] = [ids[:most] for ids in right]
        found[f"the last {most} tokens alone"] = [ids[-most:] for ids in right]
    return found
